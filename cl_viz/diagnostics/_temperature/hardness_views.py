"""The figures of `hardness`, as data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Series, Table, View
from cl_viz.diagnostics._scores.score_views import SCORE
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values
from cl_viz.diagnostics._temperature.hardness_measures import HardnessMeasures, own_share
from cl_viz.diagnostics._temperature.temperature_curves import TEMPERATURES

TEMPERATURE = Axis("Temperature", "", (float(TEMPERATURES[0]), float(TEMPERATURES[-1])), log=True)
ROWS = 200
"""Rows of the table of samples."""

Weighed = tuple[Values, Values, Values]


def views(measures: HardnessMeasures, bins: int) -> dict[str, View]:
    """Return the figures; those whose input is missing are left out."""
    weighed = _weighed(measures, bins)
    found: dict[str, View] = {
        "push": push(measures, weighed),
        "effective": effective(measures),
        "penalty": penalty(measures, weighed),
        "spread": spread(measures),
    }
    if measures.anchors.has_labels:
        found["false_negatives"] = false_negatives(measures)
    if measures.anchors.has_positives:
        found["loss"] = loss(measures)
    found["samples"] = samples(measures)
    return found


def _weighed(measures: HardnessMeasures, bins: int) -> Weighed:
    """Return the push on each bin of scores, that on false negatives, and the share of the anchors' negatives.

    That on false negatives is of the anchors and negatives that have a label.
    """
    total, same, count = _by_score(measures, bins)
    if measures.anchors.has_labels and measures.anchors.labelled is not measures.anchors:
        same = _by_score(replace(measures, anchors=measures.anchors.labelled), bins)[1]
    return total, same, count


def _by_score(measures: HardnessMeasures, bins: int) -> Weighed:
    total, same, count = np.zeros(bins), np.zeros(bins), np.zeros(bins)
    for queries, log_sum in zip(measures.anchors.queries, measures.log_sums, strict=True):
        scores, share, own = own_share(queries, log_sum, measures.temperature)
        place = np.clip(((scores + 1) * (bins / 2)).astype(np.int64), 0, bins - 1)
        total += np.bincount(place, weights=share, minlength=bins)
        same += np.bincount(place, weights=share * own, minlength=bins)
        count += np.bincount(place, weights=queries.sketch.cells(queries.roles).counts, minlength=bins)
    whole = total.sum() or 1.0
    return total / whole, same / whole, count / (count.sum() or 1.0)


def push(measures: HardnessMeasures, weighed: Weighed) -> Histogram:
    """Negatives by score, and the push on them by score."""
    total, same, count = weighed
    bins = len(total)
    edges = np.linspace(-1.0, 1.0, bins + 1)
    run, width, n_used = measures.anchors.inputs.run, 2 / bins, measures.anchors.n_anchors
    series = [
        Series("negatives", edges, count / width, "negative", run, n=n_used),
        Series("push on them", edges, total / width, "other", run, n=n_used),
    ]
    if measures.anchors.has_labels and same.any():
        n_labelled = measures.anchors.labelled.n_anchors
        series.append(Series("push on the same label", edges, same / width, "false_negative", run, n=n_labelled))
    share = questions.mean_of(measures.effective / np.maximum(1.0, measures.n_negatives))
    return Histogram(
        f"{format_number(100 * share)} % of the negatives carry the push at temperature {measures.temperature:g}",
        SCORE,
        Axis("Density", "per unit of cosine"),
        tuple(series),
    )


def penalty(measures: HardnessMeasures, weighed: Weighed) -> Lines:
    """Mean relative penalty of a negative, by its score, in units of an even push."""
    total, _, count = weighed
    bins = len(total)
    middles = (np.linspace(-1, 1, bins + 1)[:-1] + 1 / bins)[count > 0]
    # Both are shares: their ratio is 1 where a negative takes what an even push would give it.
    times = total[count > 0] / count[count > 0]
    top = float(times.max()) if len(times) else 1.0
    shown = times > 1e-12
    return Lines(
        f"The hardest negatives take {format_number(top)} times an even push at temperature {measures.temperature:g}",
        SCORE,
        Axis("Relative penalty", "times an even push", (1e-6, 1e4), log=True),
        (Series("relative penalty", middles[shown], times[shown], "other", measures.anchors.inputs.run,
                n=measures.anchors.n_anchors),),
        (Reference("even push", 1.0, "y"),),
        markers=False,
    )  # fmt: skip


def effective(measures: HardnessMeasures) -> Lines:
    """Share of the negatives that carry the push, at every temperature, both ways of counting."""
    anchors = measures.anchors
    curves, run = anchors.curves, anchors.inputs.run
    here = questions.mean_of(measures.effective)
    return Lines(
        f"{format_number(here)} effective negatives at temperature {measures.temperature:g}",
        TEMPERATURE,
        Axis("Effective negatives", "share of all", (0.0, 1.0)),
        (
            Series("exp(entropy)", TEMPERATURES, curves.effective_share, "other", run, n=curves.n),
            Series("1 / sum of squares", TEMPERATURES, curves.sample_share, "other", run, n=curves.n),
            Series("random directions", TEMPERATURES, measures.random_curve(TEMPERATURES), "reference", run),
        ),
        here_and_trained(anchors, measures.temperature),
        markers=False,
        n=anchors.n_anchors,
    )


def spread(measures: HardnessMeasures) -> Histogram:
    """Effective negatives, anchor by anchor."""
    share = measures.effective / np.maximum(1.0, measures.n_negatives)
    share = share[np.isfinite(share)]
    edges = np.linspace(0.0, 1.0, 51)
    counts = np.histogram(share, edges)[0] / max(1, len(share))
    low, high = (np.quantile(measures.effective[np.isfinite(measures.effective)], q) for q in (0.05, 0.95))
    return Histogram(
        f"90 % of the anchors have {format_number(float(low))} to {format_number(float(high))} effective negatives",
        Axis("Effective negatives of an anchor", "share of all", (0.0, 1.0)),
        Axis("Anchors", "share", (0.0, 1.0)),
        (Series("anchors", edges, counts, "other", measures.anchors.inputs.run, n=len(share)),),
        (Reference("random directions", measures.random_share),),
        n=measures.anchors.n_anchors,
    )


def false_negatives(measures: HardnessMeasures) -> Lines:
    """Share of the push on false negatives, at every temperature."""
    anchors = measures.anchors
    curves, here = anchors.labelled.curves, measures.false_negative_push
    return Lines(
        f"{format_number(100 * here)} % of the push on negatives {anchors.where_negatives_are} falls on the same "
        f"label at temperature {measures.temperature:g}",
        TEMPERATURE,
        Axis("Push on false negatives", "share", (0.0, 1.0)),
        (Series("push", TEMPERATURES, curves.false_negative_push, "false_negative", anchors.inputs.run, n=curves.n),),
        (
            Reference("their share of the negatives", anchors.false_negative_share, "y"),
            *here_and_trained(anchors, measures.temperature),
        ),
        markers=False,
        n=anchors.labelled.n_anchors,
    )


def loss(measures: HardnessMeasures) -> Lines:
    """InfoNCE over the loss of embeddings whose scores are all equal, at every temperature."""
    anchors = measures.anchors
    even = float(np.log1p(anchors.n_negatives))
    curves = anchors.curves
    here = questions.mean_of(np.logaddexp(0.0, measures.margins))
    return Lines(
        f"InfoNCE {format_number(here)} nats at temperature {measures.temperature:g}; equal scores have "
        f"{format_number(even)}",
        TEMPERATURE,
        Axis("InfoNCE loss", "nats"),
        (Series("loss", TEMPERATURES, curves.loss, "other", anchors.inputs.run, n=curves.n),),
        (Reference("equal scores", even, "y"), *here_and_trained(anchors, measures.temperature)),
        markers=False,
        n=anchors.n_anchors,
    )


def here_and_trained(anchors: Anchors, temperature: float) -> tuple[Reference, ...]:
    """Mark the chosen temperature and, where it differs, the one the run was trained at."""
    trained = anchors.run_temperature
    found = [Reference("chosen", temperature)]
    if trained is not None:
        same = abs(trained / temperature - 1) < 1e-9
        found = [Reference("trained at", trained)] if same else [*found, Reference("trained at", trained)]
    return tuple(found)


def samples(measures: HardnessMeasures) -> Table:
    """The anchors of the first view whose push rests on the fewest negatives."""
    queries = measures.anchors.queries[0]
    sketch = queries.sketch
    n_rows = len(sketch.rows)
    effective_here, size = measures.effective[:n_rows], measures.sample_size[:n_rows]
    order = np.argsort(np.where(np.isfinite(size), size, np.inf), kind="stable")[:ROWS]
    tail = sketch.tail(queries.roles)[0][order, 0]
    columns = {
        "row": sketch.rows[order],
        "effective negatives": effective_here[order],
        "by sum of squares": size[order],
        "hardest negative": np.where(np.isfinite(tail), tail, np.nan),
        "push on it": measures.hardest_share[:n_rows][order],
        **row_columns(measures.anchors, sketch.view, sketch.rows[order]),
    }
    return Table("Samples whose push rests on the fewest negatives", columns, measures.anchors.inputs.run)


def row_columns(anchors: Anchors, view: str, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is known of rows of a view, by role."""
    found = {}
    for role in ("label", "subclass", "group", "text", "image"):
        column = anchors.inputs.embedding_set.role(role, view)
        if column is not None:
            found[role] = column[rows]
    return found
