"""The figures of `score_distribution`, as data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Quantity, format_number
from cl_viz.core.view import Axis, Histogram, Lines, Meaning, Reference, Series, Table, View
from cl_viz.diagnostics._scores.score_measures import ScoreMeasures
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import Relation
from cl_viz.engine.score_histogram import ScoreHistogram

SCORE = Axis("Score", "cosine", (-1.0, 1.0))
WEAKEST = 200
"""Rows of the table of weakest positives."""


def views(measures: ScoreMeasures, quantities: Mapping[str, Quantity], bins: int, inputs: SetInputs) -> dict[str, View]:
    """Return the figures; those whose input is missing are left out."""
    found: dict[str, View] = {"distribution": distribution(measures, quantities, bins, inputs.run)}
    if measures.roles.positives == "views":
        found["rank"] = rank(measures, inputs.run)
    if quantities["false_negative_share"].value is not None:
        found["false_negatives"] = false_negatives(measures, quantities, inputs.run)
    if measures.roles.positives == "views":
        found["weakest_positives"] = weakest_positives(measures, inputs)
    return found


def distribution(measures: ScoreMeasures, quantities: Mapping[str, Quantity], bins: int, run: str) -> Histogram:
    """Positives, negatives and false negatives as densities over the same bins, with what chance would give."""
    pairs = measures.statistics.pairs
    series = [
        _series("positives", measures.positives, bins, "positive", run),
        _series("negatives", measures.negatives, bins, "negative", run),
    ]
    if measures.roles.positives == "views" and pairs.has(Relation.SAME_LABEL):
        same = pairs.false_negatives(measures.roles)
        if same.count:
            series.append(_series("negatives of the same label", same, bins, "false_negative", run))
    edges = np.linspace(-1.0, 1.0, bins + 1)
    null = Series("random directions", edges, random_direction_density(edges, measures.dim), "reference", run)
    overlap, auc = quantities["overlap"].value, quantities["auc"].value
    assert overlap is not None
    assert auc is not None
    title = f"Overlap {format_number(100 * overlap)} %, AUC {format_number(auc)}"
    return Histogram(title, SCORE, Axis("Density", "per unit of cosine"), (*series, null))


def random_direction_density(edges: NDArray[np.float64], dim: int) -> NDArray[np.float64]:
    """Return the density of the cosine of two random directions in `dim` dimensions, averaged over each bin.

    The cosine s has density in proportion to (1 - s²)^((D - 3) / 2), so (s + 1) / 2 is Beta((D - 1) / 2, (D - 1) / 2).
    """
    from scipy.special import betainc

    shape = (dim - 1) / 2
    density: NDArray[np.float64] = np.diff(betainc(shape, shape, (edges + 1) / 2)) / np.diff(edges)
    return density


def rank(measures: ScoreMeasures, run: str) -> Histogram:
    """How far up its anchor's ranking each positive stands."""
    ranks = np.concatenate(measures.anchor_positive_rank())
    ranks = ranks[np.isfinite(ranks)]
    edges = np.linspace(0.0, 1.0, 51)
    share = np.histogram(ranks, edges)[0] / max(1, len(ranks))
    first = float((ranks >= 1.0).mean()) if len(ranks) else 0.0
    return Histogram(
        f"{format_number(100 * first)} % of anchors put their positive above every negative",
        Axis("Share of the anchor's negatives below its positive", "share", (0.0, 1.0)),
        Axis("Anchors", "share", (0.0, 1.0)),
        (Series("anchors", edges, share, "positive", run, n=len(ranks)),),
        (Reference("no separation", 0.5),),
    )


def false_negatives(measures: ScoreMeasures, quantities: Mapping[str, Quantity], run: str) -> Lines:
    """How likely a negative shares the anchor's label, by its score."""
    bins = 50
    labelled = measures.labelled
    same = labelled.statistics.pairs.false_negatives(measures.roles)
    of_same = same.masses(bins) * same.count
    of_all = labelled.negatives.masses(bins) * labelled.negatives.count
    enough = of_all >= 1
    middles = (np.linspace(-1, 1, bins + 1)[:-1] + 1 / bins)[enough]
    share = of_same[enough] / of_all[enough]
    push, count = quantities["false_negative_push"].value, quantities["false_negative_share"].value
    title = "Negatives of the same label, by score"
    if push is not None and count is not None:
        title = (
            f"{format_number(100 * count)} % of the negatives {measures.where_negatives_are} share a label and take "
            f"{format_number(100 * push)} % of the push at temperature {measures.temperature:g}"
        )
    return Lines(
        title,
        SCORE,
        Axis("Negatives that share the anchor's label", "share of the bin", (0.0, 1.0)),
        (Series("same label", middles, share, "false_negative", run, n=labelled.negatives.count),),
        (Reference("all negatives", float(count or 0.0), "y"),),
        n=quantities["false_negative_share"].n,
    )


def weakest_positives(measures: ScoreMeasures, inputs: SetInputs) -> Table:
    """The samples whose positives their own negatives beat most."""
    sketch = measures.anchors[0]
    ranks = measures.anchor_positive_rank()[0]
    total = np.bincount(sketch.anchor_of_positive(), weights=sketch.positives, minlength=len(sketch.rows))
    score = np.divide(
        total, np.diff(sketch.offsets), out=np.full(len(ranks), np.nan), where=np.diff(sketch.offsets) > 0
    )
    hardest = sketch.tail(measures.roles)[0][:, 0]
    # Where many positives lie above all negatives, those that do so by least.
    order = np.lexsort((score - hardest, ranks))[:WEAKEST]
    order = order[np.isfinite(ranks[order])]
    rows = sketch.rows[order]
    columns: dict[str, NDArray[np.generic]] = {
        "row": rows,
        "positive score": score[order],
        "share of negatives below": ranks[order],
        "hardest negative": hardest[order],
    }
    for role in ("label", "subclass", "group", "text", "image"):
        column = inputs.embedding_set.role(role, sketch.view)
        if column is not None:
            columns[role] = column[rows]
    return Table("Samples whose positive stands lowest among their own negatives", columns, inputs.run)


def _series(name: str, histogram: ScoreHistogram, bins: int, meaning: Meaning, run: str) -> Series:
    edges, density = histogram.density(bins)
    return Series(name, edges, density, meaning, run, n=histogram.count)
