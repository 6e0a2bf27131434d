"""Which known features can be read from the embedding, and which are suppressed?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Quantity, Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Reference, Series, Table, View
from cl_viz.diagnostics._groups.decodability import Decoded, decode, decode_seconds
from cl_viz.diagnostics._groups.judgement import HEATED, percent
from cl_viz.diagnostics._groups.labelled_view import ViewParams, view_name
from cl_viz.diagnostics._groups.probes import (
    Codes,
    Scaling,
    classes_of_size,
    group_counts,
    probe_rows,
    stratified_sample,
)
from cl_viz.diagnostics._proportions import mean_of_proportions
from cl_viz.diagnostics._thresholds import downstream
from cl_viz.diagnostics._thresholds import suppression as _thresholds
from cl_viz.engine.inputs import SetInputs

LEAST = 8
"""Samples of the rarest value that is judged: two of them are held out."""
MOST_VALUES = 50
TEST_LEVEL = 0.05
_NOT_FEATURES = ("id", "text", "image")


@dataclass(frozen=True)
class FeatureSuppressionParams(ViewParams):
    """Which column is looked at closely, and how probes are fitted."""

    feature: str = param("", "Column whose numbers are shown; empty takes the label, or else the first column.")
    upper_bound: float = param(
        0.0,
        "Accuracy at which the feature can be read from the raw inputs or by a supervised encoder: open those as a run "
        "of their own (flattened pixels, say) and take the probe's accuracy there. 0: not known.",
        low=0.0,
        high=1.0,
        zero="not known",
    )
    regularisation: float = param(
        1.0, "C of the logistic regression: low holds the coefficients near 0.", low=1e-4, high=1e4, log=True
    )
    scaling: str = param(
        "standardised",
        "Rows given to the probe: columns of mean 0 and variance 1 over the training part, unit length, or as stored.",
        choices=("standardised", "unit", "stored"),
    )
    shuffles: int = param(
        19, "Shuffled columns that the probe is compared with; 19 give p down to 0.05.", low=19, high=999
    )
    most_samples: int = param(
        4000, "Samples that are used, drawn by value where there are more.", low=100, high=100_000, log=True
    )
    seed: int = param(0, "Seed of the split, the shuffles and that draw.", low=0, high=10_000)


@dataclass(frozen=True)
class Feature:
    """One column with few values.

    Attributes
    ----------
    name : str
    rows, codes : NDArray[np.int64], shape (n,)
        Rows of the view whose value occurs often enough, and their values.
    values : tuple of str
    """

    name: str
    rows: Codes
    codes: Codes
    values: tuple[str, ...]


def features(embedding_set: EmbeddingSet, view: str) -> list[Feature]:
    """Return the columns of a view that have 2 to 50 values of enough samples each; a column of equal values once."""
    usable, place = np.flatnonzero(embedding_set.usable_rows[view]), embedding_set.view_names.index(view)
    skipped = {embedding_set.roles.get(role) for role in _NOT_FEATURES}  # type: ignore[call-overload]
    found: list[Feature] = []
    seen: set[bytes] = set()
    for name, column in embedding_set.columns(view).items():
        if name in skipped or len(column) == 0:
            continue
        numbered = embedding_set.with_roles(group=name).codes("group")
        assert numbered is not None
        codes, values = numbered[0][place][usable], numbered[1]
        kept = classes_of_size(codes, LEAST)
        present = np.unique(codes[kept])
        if not 2 <= len(present) <= MOST_VALUES or len(values) > 2 * MOST_VALUES:
            continue
        # The same partition under other names is the same feature.
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        key = np.argsort(np.argsort(first))[inverse].tobytes()
        if key not in seen:
            seen.add(key)
            found.append(Feature(name, usable[kept], codes[kept], values))
    return found


def _chosen(inputs: SetInputs, params: FeatureSuppressionParams) -> tuple[list[Feature], Feature]:
    """Return all features, and the one that is looked at closely.

    Raises
    ------
    MissingInputError
        If there is no such column.
    """
    embedding_set = inputs.embedding_set
    view = view_name(embedding_set, params.view)
    found = features(embedding_set, view)
    if not found:
        raise MissingInputError(
            f"no column of {view} has 2 to {MOST_VALUES} values with {LEAST} samples each",
            where=inputs.run,
            remedy="add columns of known features, such as colour, class or source, to the dump",
        )
    names = [feature.name for feature in found]
    wanted = params.feature or str(embedding_set.roles.get("label", ""))
    if params.feature and params.feature not in names:
        raise MissingInputError(
            f"{params.feature!r} is no feature of {view}",
            where=inputs.run,
            remedy=f"choose one of: {', '.join(names)}",
        )
    return found, found[names.index(wanted)] if wanted in names else found[0]


def seconds(inputs: SetInputs, params: FeatureSuppressionParams) -> float:
    """Return about how long the probes take."""
    found, _ = _chosen(inputs, params)
    dim = inputs.embedding_set.dim
    return sum(
        decode_seconds(min(len(feature.rows), params.most_samples), dim, len(np.unique(feature.codes)), params.shuffles)
        for feature in found
    )


def compute(inputs: SetInputs, params: FeatureSuppressionParams) -> Result:
    """Probe every column of few values."""
    found, chosen = _chosen(inputs, params)
    scaling: Scaling = "unit" if params.scaling == "unit" else (
        "stored" if params.scaling == "stored" else "standardised")  # fmt: skip
    decoded = {}
    for place, feature in enumerate(found):

        def report(done: float, place: int = place, name: str = feature.name) -> None:
            inputs.progress((place + done) / len(found), f"probing {name}")

        decoded[feature.name] = _decoded(inputs, params, feature, scaling, report)
    quantities = _quantities(decoded, chosen, params.upper_bound)
    own, view = decoded[chosen.name], view_name(inputs.embedding_set, params.view)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(decoded, chosen, inputs.run),
        findings=(
            *_findings(decoded, inputs.embedding_set, chosen),
            *_against_bound(quantities["suppression_score"], own, chosen.name, params.upper_bound),
        ),
        caveats=inputs.plain_caveats(
            own.n,
            int((~inputs.embedding_set.usable_rows[view]).sum()),
            normalised=scaling == "unit",
            centred=scaling == "standardised",
            seed=params.seed,
            notes=(
                f"view looked at: {view}; feature of the numbers: {chosen.name}, {own.n:,} samples, "
                f"{own.n_test:,} of them held out",
                f"values of fewer than {LEAST} samples are left out of a column; columns of more than {MOST_VALUES} "
                "values are no features",
                f"logistic regression, C = {params.regularisation:g}, rows {params.scaling}, "
                f"{params.shuffles} shuffles",
                *(() if params.upper_bound > 0 else ("no upper bound was given: there is no suppression score",)),
                *(() if all(entry.converged for entry in decoded.values()) else ("a fit stopped at its limit",)),
            ),
        ),
        params=params.as_dict(),
    )


def _decoded(
    inputs: SetInputs,
    params: FeatureSuppressionParams,
    feature: Feature,
    scaling: Scaling,
    report: Callable[[float], None],
) -> Decoded:
    view = view_name(inputs.embedding_set, params.view)

    def make() -> Decoded:
        kept = stratified_sample(feature.codes, params.most_samples, params.seed)
        rows = probe_rows(inputs.embedding_set, view, feature.rows[kept], scaling)
        return decode(
            rows, feature.codes[kept], draws=params.shuffles, seed=params.seed, regularisation=params.regularisation,
            scaling=scaling, report=report,
        )  # fmt: skip

    key = ("feature probe", params.view, feature.name, params.most_samples, params.shuffles, params.seed,
           params.regularisation, scaling)  # fmt: skip
    return inputs.remember(key, make)


def _quantities(decoded: dict[str, Decoded], chosen: Feature, upper_bound: float) -> dict[str, Quantity]:
    own = decoded[chosen.name]
    skills = [entry.skill for entry in decoded.values()]
    score, missing = None, "give the accuracy that raw inputs or a supervised encoder reach as upper bound"
    ends: Interval | None = None
    if upper_bound > own.chance:
        score = (own.accuracy - own.chance) / (upper_bound - own.chance)
        ends = own.beyond_chance(upper_bound)
    elif upper_bound > 0:
        missing = f"give an upper bound above chance ({own.chance:.3g})"
    held = "held-out samples"
    values: dict[str, tuple[float | None, Interval | None, int, str, float | None, str]] = {
        "accuracy": (own.accuracy, own.interval, own.n_test, held, own.chance, "most frequent value"),
        "balanced_accuracy": (own.balanced_accuracy, _balanced(own), own.n_test, held, None, ""),
        "skill": (own.skill, own.beyond_chance(1.0), own.n_test, held, 0.0, "chance"),
        "p_value": (own.p_value, None, len(own.null), "shuffles", TEST_LEVEL, "level of the test"),
        "suppression_score": (score, ends, own.n_test, held, 1.0, "not suppressed"),
        "features": (float(len(decoded)), None, len(decoded), "columns", None, ""),
        "highest_skill": (max(skills), None, len(decoded), "columns", None, ""),
        "lowest_skill": (min(skills), None, len(decoded), "columns", None, ""),
    }
    made = {}
    for spec in SPEC.quantities:
        value, interval, count, unit, reference, label = values[spec.name]
        made[spec.name] = Quantity(
            spec.name, spec.label, value, spec.unit, interval, count, unit, spec.range, reference, label,
            missing if value is None else "",
        )  # fmt: skip
    return made


def _balanced(own: Decoded) -> Interval:
    counts = group_counts(own.codes == own.predicted, own.codes, int(own.codes.max()) + 1)
    return mean_of_proportions(counts.hits, counts.counts)


def _findings(decoded: dict[str, Decoded], embedding_set: EmbeddingSet, chosen: Feature) -> tuple[Finding, ...]:
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
            Finding(SPEC.name, level, message, "" if level == "good" else advice, _thresholds.XUE,
                    "accuracy" if name == chosen.name else "lowest_skill")
        )  # fmt: skip
    return tuple(found)


def _against_bound(score: Quantity, own: Decoded, name: str, upper_bound: float) -> tuple[Finding, ...]:
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
    return (
        Finding(SPEC.name, "watch" if level == "bad" else level, message, advice, _thresholds.XUE, "suppression_score"),
    )


def _read(name: str, own: Decoded) -> str:
    ends = own.interval
    chance = " (no better than shuffled columns)" if own.p_value > TEST_LEVEL else ""
    return (
        f"{name} is read for {percent(own.accuracy)} [{percent(ends.low, '')}, {percent(ends.high, '')}]{chance} (most "
        f"frequent value: {percent(own.chance)}, N = {own.n:,})"
    )


def _views(decoded: dict[str, Decoded], chosen: Feature, run: str) -> dict[str, View]:
    order = sorted(decoded, key=lambda name: -decoded[name].skill)
    skills = np.array([decoded[name].skill for name in order])
    names = np.array(order, dtype=object)
    lows = [_skill_of(decoded[name], decoded[name].interval.low) for name in order]
    highs = [_skill_of(decoded[name], decoded[name].interval.high) for name in order]
    title = f"{order[0]} is read best, {percent(float(skills[0]))} of the way from chance to certainty"
    if len(order) > 1:
        title += f"; {order[-1]} least, {percent(float(skills[-1]))}"
    found: dict[str, View] = {
        "features": Bars(
            title,
            Axis("Feature"),
            Axis("Skill of a linear probe", "0 chance, 1 certainty", (-0.2, 1.0)),
            (Series("skill", names, skills, run=run, low=np.array(lows), high=np.array(highs)),),
            (Reference("chance", 0.0, "y"),),
        ),
        "null": _null(decoded[chosen.name], chosen.name, run),
        "table": Table(
            "What a linear probe reads of every feature",
            {
                "feature": names,
                "values": np.array([len(np.unique(decoded[name].codes)) for name in order]),
                "N": np.array([decoded[name].n for name in order]),
                "accuracy": np.array([decoded[name].accuracy for name in order]),
                "most frequent value": np.array([decoded[name].chance for name in order]),
                "skill": skills,
                "shuffled, 95 %": np.array([np.quantile(decoded[name].null, 1 - TEST_LEVEL) for name in order]),
                "p": np.array([decoded[name].p_value for name in order]),
            },
            run,
        ),
    }  # fmt: skip
    present = np.unique(decoded[chosen.name].codes)
    if len(present) <= HEATED:
        own = decoded[chosen.name]
        table = own.confusion(len(chosen.values))[np.ix_(present, present)].astype(np.float64)
        table /= np.maximum(1, table.sum(axis=1, keepdims=True))
        labels = tuple(chosen.values[code] for code in present)
        found["confusion"] = Heatmap(
            f"{chosen.name}: {percent(own.accuracy)} of the held-out samples on the diagonal",
            Axis("Predicted"),
            Axis(chosen.name),
            table,
            labels,
            labels,
            Axis("Held-out samples of the value", "share", (0.0, 1.0)),
            run=run,
        )
    return found


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
    )


SPEC = DiagnosticSpec(
    name="feature_suppression",
    title="Feature suppression",
    question="Which known features can be read from the embedding?",
    section="Groups",
    page="groups/suppression",
    needs="set",
    params=FeatureSuppressionParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=(
        QuantitySpec("accuracy", "Accuracy of the probe", "Share of held-out samples whose value of the chosen feature "
                     "a linear probe names.", "share", (0.0, 1.0), "higher"),
        QuantitySpec("balanced_accuracy", "Balanced accuracy of the probe", "Mean over values of the share of their "
                     "held-out samples that is named.", "share", (0.0, 1.0), "higher"),
        QuantitySpec("skill", "Skill", "Share of the way from chance (always the most frequent value) to certainty; "
                     "below 0 where it is worse than that.", "share", None, "higher"),
        QuantitySpec("p_value", "p of the probe", "Share of shuffled columns, the true one among them, that a probe "
                     "reads as well.", "probability", (0.0, 1.0), "lower"),
        QuantitySpec("suppression_score", "Suppression score", "(accuracy - chance) / (upper bound - chance): 1 where "
                     "all that could be read is read, 0 where the feature is suppressed.", "share", None, "higher"),
        QuantitySpec("features", "Features", "Columns of 2 to 50 values that were probed.", "columns"),
        QuantitySpec("highest_skill", "Highest skill of a feature", "Skill of the feature that is read best.", "share"),
        QuantitySpec("lowest_skill", "Lowest skill of a feature", "Skill of the feature that is read least.", "share"),
    ),
    definition=(
        "Views share several features, and a contrastive loss may be satisfied by the simplest of them: the others are "
        "suppressed. For every column of few values a linear probe is fitted to three quarters of the samples and "
        "judged on the rest, and again with the column shuffled. What could be read at all (from raw inputs, or by a "
        "supervised encoder) is the upper bound that the suppression score needs; it is not in the embeddings, so you "
        "give it."
    ),
    formula=(
        r"\mathrm{skill} = \frac{\mathrm{acc} - \mathrm{chance}}{1 - \mathrm{chance}}, \qquad"
        r" \mathrm{score} = \frac{\mathrm{acc} - \mathrm{chance}}{\mathrm{upper\ bound} - \mathrm{chance}}"
    ),
    reading=(
        "Suppression is one feature read well and another, that the inputs show as clearly, at chance. A feature at "
        "chance alone may simply not be in the inputs. Where features depend on each other (parity on the digit), the "
        "coarser one is read from the finer: that is no suppression of it."
    ),
    traps=(
        "With many dimensions a probe fits any column: only held-out samples and shuffled columns count, and the "
        "smallest p that 19 shuffles can give is 0.05. Several features tested at once are several chances of a small "
        "p. A linear probe reads only what is linear: not read is not the same as not there. Values of few samples are "
        "left out."
    ),
    sources=(_thresholds.XUE, downstream.LANDIS_KOCH),
)  # fmt: skip
