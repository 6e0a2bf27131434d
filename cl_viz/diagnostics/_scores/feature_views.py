"""The figures of `feature_transformation`, as data."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cl_viz.core.result import Quantity, format_number
from cl_viz.core.view import Axis, Histogram, Lines, Meaning, Reference, Scatter, Series, View
from cl_viz.diagnostics._scores.feature_mixing import Floats, Scores

SCORE = Axis("Score", "cosine", (-1.0, 1.0))


def views(
    before: Scores, after: Scores, quantities: Mapping[str, Quantity], temperature: float, bins: int, run: str
) -> dict[str, View]:
    """Return the distribution of scores, what each positive becomes, and the push by rank."""
    return {
        "distribution": _distribution(before, after, quantities, bins, run),
        "push_by_rank": _push_by_rank(before, after, temperature, run),
        "positives": _positives(before, after, run),
    }


def _distribution(before: Scores, after: Scores, quantities: Mapping[str, Quantity], bins: int, run: str) -> Histogram:
    edges = np.linspace(-1.0, 1.0, bins + 1)

    def density(name: str, scores: Floats, meaning: Meaning) -> Series:
        counts = np.histogram(scores, edges)[0]
        return Series(name, edges, counts / (scores.size * np.diff(edges)), meaning, run, n=scores.size)

    queue = after.negatives[:, : after.negatives.shape[1] - after.n_mixed]
    series = [
        density("positives after", after.positive, "positive"),
        density("queue after", queue, "negative"),
    ]
    if after.n_mixed:
        series.append(density("mixed hard negatives", after.mixed, "other"))
    series += [
        density("positives before", before.positive, "reference"),
        density("queue before", before.negatives, "reference"),
    ]
    numbers = [quantities[f"{name}_{when}"].value for name in ("positive_mean", "negative_mean")
               for when in ("before", "after")]  # fmt: skip
    told = [format_number(value) for value in numbers if value is not None]
    title = f"Positive mean {told[0]} to {told[1]}, negative mean {told[2]} to {told[3]}"
    below = float((after.positive < -1).mean())
    if below:
        title += f"; {format_number(100 * below)} % of positives fall below -1"
    return Histogram(title, SCORE, Axis("Density", "per unit of cosine"), tuple(series))


def _push_by_rank(before: Scores, after: Scores, temperature: float, run: str) -> Lines:
    """Mean share of the push on the k-th hardest negative of an anchor."""
    series, halves = [], []
    for name, scores, meaning in (("before", before, "reference"), ("after", after, "negative")):
        push = -np.sort(-scores.push(temperature), axis=1)
        mean = push.mean(axis=0)
        halves.append(float(mean[: max(1, len(mean) // 100)].sum()))
        ranks = np.arange(1, len(mean) + 1)
        shown = np.unique(np.geomspace(1, len(mean), 80).astype(np.int64)) - 1
        series.append(Series(name, ranks[shown], mean[shown], meaning, run, n=len(push)))  # type: ignore[arg-type]
    title = (
        f"The hardest 1 % of the negatives take {format_number(100 * halves[0])} % of the push before, "
        f"{format_number(100 * halves[1])} % after"
    )
    return Lines(
        title,
        Axis("Rank of the negative, hardest first", log=True),
        Axis("Share of the push", "mean over anchors", log=True),
        tuple(series),
        markers=False,
    )


def _positives(before: Scores, after: Scores, run: str) -> Scatter:
    """How far each positive falls, against where it was."""
    fall = before.positive - after.positive
    worst = int(np.argmax(np.abs(fall)))
    title = (
        f"Positives fall by {format_number(float(fall.mean()))} on average, at most from "
        f"{format_number(before.positive[worst])} to {format_number(after.positive[worst])}"
        if np.any(fall != 0)
        else "Positives stay where they are"
    )
    return Scatter(
        title,
        Axis("Score before", "cosine", (-1.0, 1.0)),
        Axis("Fall of the score", "cosine"),
        (Series("positives", before.positive, fall, "positive", run, n=len(fall)),),
        (Reference("stays where it is", 0.0, "y"),),
    )
