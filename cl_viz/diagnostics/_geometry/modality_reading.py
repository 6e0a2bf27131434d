"""What the modality gap says, in sentences and figures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from cl_viz.core.result import Finding, Quantity, format_number
from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Lines, Meaning, Reference, Series, Table, View
from cl_viz.diagnostics._geometry.gap_measures import Closing, GapMeasures
from cl_viz.diagnostics._geometry.modality_pairs import centre_distances
from cl_viz.diagnostics._groups.judgement import percent
from cl_viz.diagnostics._proportions import wilson
from cl_viz.diagnostics._thresholds import modality_gap as _thresholds
from cl_viz.engine.inputs import SetInputs

FARTHEST = 200
_STRANGERS = 400


def mcnemar(closing: Closing) -> float:
    """Return the two-sided exact p of McNemar's test that closing the gap changes the share of hits."""
    change = closing.after - closing.before
    gained, lost = (round(float(np.maximum(0, side).sum())) for side in (change, -change))
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5))) if gained + lost else 1.0


def findings(name: str, found: GapMeasures, quantities: Mapping[str, Quantity]) -> tuple[Finding, ...]:
    """Return whether there is a gap, and what closing it changes."""
    gap = _gap(name, found, quantities)
    # Where the centres lie no farther apart than chance puts them, there is nothing to close.
    return (gap, _closing(name, found)) if found.real else (gap,)


def _gap(name: str, found: GapMeasures, quantities: Mapping[str, Quantity]) -> Finding:
    first, second = found.pairs.first, found.pairs.second
    quantity, auc = quantities["gap_norm"], found.separability.auc
    size = f"N = {len(found.pairs.samples):,}"
    null = format_number(found.null_end)
    farthest = f", the farthest apart of {found.chosen_among} pairs of views" if found.chosen_among > 1 else ""
    if not found.real:
        message = (
            f"There is no gap beyond chance between {first} and {second}{farthest}: centres "
            f"{format_number(found.pairs.gap_norm)} apart, exchanged views up to {null} ({size})."
        )
        return Finding(name, "good", message, source=_thresholds.LIANG, quantity="gap_norm")
    separable = _thresholds.SEPARABLE.level(auc)
    own, pairs = float(quantities["own_mean"].value or 0), float(quantities["positive_mean"].value or 0)
    # A plane between the views is one thing; that strangers of the own kind are nearer than the partner is another.
    level = "watch" if separable == "bad" and pairs > own else separable
    message = (
        f"The centres of {first} and {second}{farthest and farthest + ','} are {quantity.text()} apart "
        f"(exchanged views: up to {null}), and a plane "
        f"tells them apart with AUC {format_number(auc)} ({size})."
    )
    if level == "bad":
        message = message.removesuffix(f" ({size}).") + (
            f": a pair scores {format_number(pairs)} on average, strangers of one view {format_number(own)} ({size})."
        )
    advice = (
        "Never rank both views in one list by this score; compare a higher temperature, or uniformity and alignment "
        "terms across views. A gap in itself need not cost accuracy."
    )
    return Finding(name, level, message, "" if level == "good" else advice, _thresholds.FAHIM, "gap_norm")


def _closing(name: str, found: GapMeasures) -> Finding:
    parts, level = [], "good"
    for closing in (found.there, found.back):
        before, after = float(closing.before.mean()), float(closing.after.mean())
        p_value = mcnemar(closing)
        parts.append(
            f"{percent(before, '')} to {percent(after)} from {closing.view} to {closing.other} "
            f"(p = {format_number(p_value, 2)})"
        )
        if after > before and _thresholds.CLOSING_HELPS.level(2 * p_value) != "good":
            level = "watch"
    size = f"{len(found.there.before):,} queries, N = {len(found.pairs.samples):,}"
    verb = "helps" if level == "watch" else "does not help"
    message = f"Closing the gap {verb} retrieval: Recall@1 {parts[0]}, {parts[1]} ({size})."
    advice = "Take the difference of the centres off the first view before searching." if level == "watch" else ""
    return Finding(name, level, message, advice, _thresholds.FAHIM, "recall_at_1_there_after")  # type: ignore[arg-type]


def views(
    found: GapMeasures,
    quantities: Mapping[str, Quantity],
    deltas: NDArray[np.float64],
    temperature: float,
    inputs: SetInputs,
) -> dict[str, View]:
    """Return the figures."""
    run = inputs.run
    made: dict[str, View] = {
        "along_gap": _along_gap(found, run),
        "shift": _shift(found, deltas, run),
        "loss": _loss(found, deltas, temperature, run),
        "scores": _scores(found, run),
        "retrieval": _retrieval(found, run),
        "farthest": _farthest(found, inputs),
    }
    if len(inputs.embedding_set.view_names) > 2:
        made["every_pair"] = _every_pair(inputs)
    return made


def _along_gap(found: GapMeasures, run: str) -> Histogram:
    """Where the rows of the two views lie along the line through their centres."""
    direction = found.pairs.gap / max(found.pairs.gap_norm, 1e-300)
    edges = np.linspace(-1.0, 1.0, 101)
    series = []
    for name, rows in ((found.pairs.first, found.drawn.first), (found.pairs.second, found.drawn.second)):
        density = np.histogram(np.clip(rows @ direction, -1, 1), edges)[0] / len(rows) / np.diff(edges)
        series.append(Series(name, edges, density, run=run, n=len(rows)))
    title = (
        f"Centres {format_number(found.pairs.gap_norm)} apart; a plane tells the views apart with AUC "
        f"{format_number(found.separability.auc)}"
    )
    return Histogram(
        title, Axis("Place along the gap", "cosine", (-1.0, 1.0)), Axis("Density", "per unit of cosine"), tuple(series)
    )


def _shift(found: GapMeasures, deltas: NDArray[np.float64], run: str) -> Lines:
    passed = np.flatnonzero(found.shift <= 0)
    where = (
        f"; the centres meet near delta = {deltas[passed[0]]:g}" if found.real and len(passed) and passed[0] > 0 else ""
    )
    return Lines(
        f"Centres {format_number(found.pairs.gap_norm)} apart as they are{where}",
        Axis("Shift of the first view against the gap", "delta"),
        Axis("Distance of the centres", "signed", (-1.5, 2.0)),
        (Series("centres", deltas, found.shift, run=run, n=len(found.drawn.rows)),),
        (Reference("as it is", 0.0), Reference("centres meet", 0.0, "y"),
         Reference("exchanged views", found.null_end, "y")),
        markers=False,
    )  # fmt: skip


def _loss(found: GapMeasures, deltas: NDArray[np.float64], temperature: float, run: str) -> Lines:
    best = int(found.losses.argmin())
    here = float(found.losses[int(np.abs(deltas).argmin())])
    title = (
        f"At temperature {temperature:g} the loss is lowest at delta = {deltas[best]:g}: "
        f"{format_number(float(found.losses[best]))} (as it is: {format_number(here)})"
    )
    return Lines(
        title,
        Axis("Shift of the first view against the gap", "delta"),
        Axis("Contrastive loss", "nats"),
        (Series("loss", deltas, found.losses, run=run, n=len(found.drawn.rows)),),
        (Reference("as it is", 0.0),),
        markers=False,
    )


def _scores(found: GapMeasures, run: str) -> Histogram:
    """Scores of pairs, of strangers of the other view and of strangers of the own one: what a mixed list would rank."""
    some = slice(0, _STRANGERS)
    first, second = found.drawn.first[some], found.drawn.second[some]
    off = ~np.eye(len(first), dtype=bool)
    own = np.concatenate([(rows @ rows.T)[off] for rows in (first, second)])
    kinds: tuple[tuple[str, NDArray[np.float64], Meaning], ...] = (
        ("pairs", found.drawn.scores, "positive"),
        ("strangers, other view", (first @ second.T)[off], "negative"),
        ("strangers, own view", own, "other"),
    )
    edges = np.linspace(-1.0, 1.0, 101)
    series = tuple(
        Series(name, edges, np.histogram(np.clip(values, -1, 1), edges)[0] / len(values) / np.diff(edges), meaning, run,
               n=len(values))
        for name, values, meaning in kinds
    )  # fmt: skip
    share = float((own[: len(own) // 2].reshape(len(first), -1).max(axis=1) > found.drawn.scores[some]).mean())
    return Histogram(
        f"For {percent(share)} of {found.pairs.first} a stranger of its own view is nearer than its partner",
        Axis("Score", "cosine", (-1.0, 1.0)),
        Axis("Density", "per unit of cosine"),
        series,
        n=len(first),
    )


def _retrieval(found: GapMeasures, run: str) -> Bars:
    both = (found.there, found.back)
    names = np.array([f"{closing.view} to {closing.other}" for closing in both], dtype=object)
    series = []
    for label, hits in (("as it is", [c.before for c in both]), ("gap closed", [c.after for c in both])):
        ends = [wilson(float(found_hits.sum()), len(found_hits)) for found_hits in hits]
        series.append(
            Series(
                label,
                names,
                np.array([found_hits.mean() for found_hits in hits]),
                run=run,
                low=np.array([end.low for end in ends]),
                high=np.array([end.high for end in ends]),
                n=len(hits[0]),
            )
        )
    change = float(found.there.after.mean() - found.there.before.mean())
    back = float(found.back.after.mean() - found.back.before.mean())
    return Bars(
        f"Closing the gap changes Recall@1 by {100 * change:+.1f} and {100 * back:+.1f} points",
        Axis("Direction"),
        Axis("Recall@1", "share of queries", (0.0, 1.0)),
        tuple(series),
    )


def _farthest(found: GapMeasures, inputs: SetInputs) -> Table:
    """The pairs that score lowest."""
    order = np.argsort(found.drawn.scores, kind="stable")[:FARTHEST]
    rows = found.drawn.rows[order]
    columns: dict[str, NDArray[np.generic]] = {
        f"row of {found.pairs.first}": rows[:, 0],
        f"row of {found.pairs.second}": rows[:, 1],
        "score": found.drawn.scores[order],
    }
    for role in ("label", "text", "image"):
        for view, own in ((found.pairs.second, rows[:, 1]), (found.pairs.first, rows[:, 0])):
            column = inputs.embedding_set.role(role, view)
            if column is not None:
                columns[role] = column[own]
    return Table("Pairs that score lowest", columns, inputs.run)


def _every_pair(inputs: SetInputs) -> Heatmap:
    """Distances of the centres of all views."""
    names = inputs.embedding_set.view_names
    distances = inputs.remember("centre distances", lambda: centre_distances(inputs.embedding_set))
    values = np.full((len(names), len(names)), np.nan)
    np.fill_diagonal(values, 0.0)
    for (first, second), distance in distances.items():
        row, column = names.index(first), names.index(second)
        values[row, column] = values[column, row] = distance
    ends = max(distances, key=distances.__getitem__)
    title = f"{' and '.join(ends)} lie farthest apart: {format_number(distances[ends])}"
    scale = Axis("Distance of the centres", "Euclidean", (0.0, 2.0))
    return Heatmap(title, Axis("View"), Axis("View"), values, names, names, scale, run=inputs.run)
