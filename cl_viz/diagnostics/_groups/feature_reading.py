"""What probes of known features say, in sentences and figures."""

from __future__ import annotations

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.result import Finding, Quantity
from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Reference, Series, Table, View
from cl_viz.diagnostics._groups.decodability import Decoded
from cl_viz.diagnostics._groups.judgement import HEATED, percent
from cl_viz.diagnostics._groups.labelled_features import Feature
from cl_viz.diagnostics._groups.probes import Codes
from cl_viz.diagnostics._thresholds import downstream
from cl_viz.diagnostics._thresholds import suppression as _thresholds

NAME = "feature_suppression"
TEST_LEVEL = 0.05
"""P-value above which a probe is said to read no better than chance: words of a finding, never its level."""


def findings(decoded: dict[str, Decoded], embedding_set: EmbeddingSet, chosen: Feature) -> tuple[Finding, ...]:
    """Return how well the label and the subclass, or else the chosen feature, can be read."""
    wanted = [embedding_set.roles.get("label"), embedding_set.roles.get("subclass")]
    targets = [name for name in wanted if name in decoded] or [chosen.name]
    best = max(decoded, key=lambda name: decoded[name].skill)
    found = []
    for name in dict.fromkeys(targets):
        assert name is not None
        own, other = decoded[name], decoded[best]
        text = _read(name, own)
        dominated = best != name and downstream.SKILL.level(other.skill) == "good"
        level = _thresholds.SUPPRESSED.level(own.skill)
        if not dominated or level == "good":
            # Nothing else is read in its place: the embedding may know little of anything, which is no suppression.
            level = "watch" if level == "bad" else level
            message = f"{text[:1].upper()}{text[1:]}."
        else:
            message = f"{text[:1].upper()}{text[1:]}, while {_read(best, other)}."
        advice = (
            f"Take {best} out of what the views share: an augmentation that changes it, or negatives that have it too."
            if dominated
            else "Compare the layers, and check that the feature can be read from the inputs."
        )
        found.append(
            Finding(NAME, level, message, "" if level == "good" else advice, _thresholds.XUE,
                    "accuracy" if name == chosen.name else "lowest_skill")
        )  # fmt: skip
    return tuple(found)


def against_bound(score: Quantity, own: Decoded, name: str, upper_bound: float) -> tuple[Finding, ...]:
    """Return how much of what could be read is left, where an upper bound was given."""
    if score.value is None:
        return ()
    level, ends = _thresholds.SUPPRESSED.level(score.value), score.interval
    within = "" if ends is None else f"[{percent(ends.low, '')}, {percent(ends.high, '')}] "
    message = (
        f"Of what can be read of {name} at best ({percent(upper_bound)}), the embedding keeps {percent(score.value)} "
        f"{within}beyond chance ({percent(own.chance)}, {own.n_test:,} held-out samples)."
    )
    advice = "" if level == "good" else "The inputs have what is lost here: look at what augmentations leave of it."
    return (Finding(NAME, "watch" if level == "bad" else level, message, advice, _thresholds.XUE, "suppression_score"),)


def _read(name: str, own: Decoded) -> str:
    ends = own.interval
    chance = " (no better than shuffled columns)" if own.p_value > TEST_LEVEL else ""
    return (
        f"{name} is read for {percent(own.accuracy)} [{percent(ends.low, '')}, {percent(ends.high, '')}]{chance} (most "
        f"frequent value: {percent(own.chance)}, N = {own.n_test:,} held out)"
    )


def views(decoded: dict[str, Decoded], chosen: Feature, run: str) -> dict[str, View]:
    """Return the skills of all features, and the null and the confusions of the chosen one."""
    order = sorted(decoded, key=lambda name: -decoded[name].skill)
    own = decoded[chosen.name]
    found: dict[str, View] = {
        "features": _skills(decoded, order, run),
        "null": _null(own, chosen.name, run),
        "table": _table(decoded, order, run),
    }
    present = np.unique(own.codes)
    if len(present) <= HEATED:
        found["confusion"] = _confusion(own, chosen, present, run)
    return found


def _skills(decoded: dict[str, Decoded], order: list[str], run: str) -> Bars:
    skills = np.array([decoded[name].skill for name in order])
    lows = [_skill_of(decoded[name], decoded[name].interval.low) for name in order]
    highs = [_skill_of(decoded[name], decoded[name].interval.high) for name in order]
    title = f"{order[0]} is read best, {percent(float(skills[0]))} of the way from chance to certainty"
    if len(order) > 1:
        title += f"; {order[-1]} least, {percent(float(skills[-1]))}"
    names = np.array(order, dtype=object)
    return Bars(
        title,
        Axis("Feature"),
        Axis("Skill of a linear probe", "0 chance, 1 certainty", (-0.2, 1.0)),
        (Series("skill", names, skills, run=run, low=np.array(lows), high=np.array(highs)),),
        (Reference("chance", 0.0, "y"),),
        n=min(decoded[name].n_test for name in order),
    )


def _table(decoded: dict[str, Decoded], order: list[str], run: str) -> Table:
    every = [decoded[name] for name in order]
    columns = {
        "feature": np.array(order, dtype=object),
        "values": np.array([len(np.unique(own.codes)) for own in every]),
        "N": np.array([own.n for own in every]),
        "accuracy": np.array([own.accuracy for own in every]),
        "most frequent value": np.array([own.chance for own in every]),
        "skill": np.array([own.skill for own in every]),
        "shuffled, 95 %": np.array([np.quantile(own.null, 1 - TEST_LEVEL) for own in every]),
        "p": np.array([own.p_value for own in every]),
    }
    return Table("What a linear probe reads of every feature", columns, run)


def _confusion(own: Decoded, chosen: Feature, present: Codes, run: str) -> Heatmap:
    table = own.confusion(len(chosen.values))[np.ix_(present, present)].astype(np.float64)
    table /= np.maximum(1, table.sum(axis=1, keepdims=True))
    labels = tuple(chosen.values[code] for code in present)
    return Heatmap(
        f"{chosen.name}: {percent(own.accuracy)} of the held-out samples on the diagonal",
        Axis("Predicted"),
        Axis(chosen.name),
        table,
        labels,
        labels,
        Axis("Held-out samples of the value", "share", (0.0, 1.0)),
        run=run,
        n=own.n_test,
    )


def _skill_of(own: Decoded, accuracy: float) -> float:
    return (accuracy - own.chance) / (1 - own.chance) if own.chance < 1 else 0.0


def _null(own: Decoded, name: str, run: str) -> Histogram:
    edges = np.linspace(0.0, 1.0, 51)
    share = np.histogram(own.null, edges)[0] / len(own.null)
    return Histogram(
        f"{name} is read for {percent(own.accuracy)}; shuffled for {percent(float(own.null.mean()))} on average",
        Axis("Accuracy", "share of held-out samples", (0.0, 1.0)),
        Axis("Shuffles", "share", (0.0, 1.0)),
        (Series("shuffled columns", edges, share, run=run, n=len(own.null)),),
        (Reference("found", own.accuracy), Reference("most frequent value", own.chance)),
        n=own.n_test,
    )
