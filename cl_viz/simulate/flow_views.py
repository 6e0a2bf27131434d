"""Gradient flows as figures at any recorded step, and what they say in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Source, format_number, worst_first
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Scatter, Series
from cl_viz.simulate.gradient_flow import MEASURES, Flow

Flows = Mapping[str, Flow]
"""Flow of each loss, by the loss's label."""

WANG_ISOLA = Source(
    "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
    "https://arxiv.org/abs/2005.10242",
)
CURVES: tuple[str, ...] = (
    "uniformity", "class_separation", "effective_rank", "mean_positive_score", "mean_negative_score", "knn_accuracy",
)  # fmt: skip
"""Measures that have a figure, in the order they are shown."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "class_separation": (-1.0, 1.0),
    "mean_positive_score": (-1.0, 1.0),
    "mean_negative_score": (-1.0, 1.0),
    "knn_accuracy": (0.0, 1.0),
}
_UNITS = {
    "uniformity": "log mean potential, t = 2", "class_separation": "cosine", "effective_rank": "dimensions",
    "mean_positive_score": "cosine", "mean_negative_score": "cosine", "knn_accuracy": "share",
}  # fmt: skip
_COLLAPSED_MEAN = 0.9
# Classes that are this far apart at the start can be driven together: below so much of it the finding says so.
_SEPARATED = 0.05
_MUCH_KEPT = 0.9
_MOST_CLASSES = 8
_HEMISPHERE_GAP = 2.3


def flow_scores(flows: Flows, record: int = -1) -> Histogram:
    """Return the densities of the scores of positives and negatives at a recorded step, of every loss.

    Parameters
    ----------
    flows : Mapping from label to Flow
    record : int
        Index into `Flow.recorded`; a flow that ended before stays at its end.
    """
    series, gaps = [], {}
    for label, flow in flows.items():
        at = _at(flow, record)
        n_pairs = (int(flow.positive_counts[at].sum()), int(flow.negative_counts[at].sum()))
        for name, counts, total, meaning in (
            ("positives", flow.positive_counts[at], n_pairs[0], "positive"),
            ("negatives", flow.negative_counts[at], n_pairs[1], "negative"),
        ):
            if total:
                density = counts / (total * np.diff(flow.bin_edges))
                series.append(
                    Series(name, flow.bin_edges, density, meaning, label, n=total, is_loss=True)  # type: ignore[arg-type]
                )
        gaps[label] = float(flow.measures["mean_positive_score"][at] - flow.measures["mean_negative_score"][at])
    title = _compared("Gap between the mean scores", gaps) + _when(flows, record)
    # Positives end in a spike at 1: a logarithmic axis leaves the negatives visible, and the range stays the same.
    density = Axis("Density", "per unit of cosine", (0.005, 60.0), log=True)
    return Histogram(title, Axis("Score", "cosine", (-1.0, 1.0)), density, tuple(series))


def flow_spectrum(flows: Flows, record: int = -1) -> Lines:
    """Return the eigenvalues of the covariance at a recorded step as shares of their sum, of every loss."""
    series, first = [], {}
    for label, flow in flows.items():
        shares = flow.spectrum[_at(flow, record)].astype(np.float64)
        if np.isfinite(shares).all():
            index = np.arange(1, len(shares) + 1)
            heights = np.maximum(shares, 1e-8)
            series.append(Series("share of the variance", index, heights, "other", label, is_loss=True))
            first[label] = float(shares[0])
    title = _compared("Share of the largest eigenvalue", first) + _when(flows, record) if first else "Nothing varies"
    return Lines(
        title, Axis("Eigenvalue, largest first"), Axis("Share of the variance", "share", (1e-6, 1.0), log=True),
        tuple(series), markers=False,
    )  # fmt: skip


def flow_curve(flows: Flows, measure: str, record: int = -1) -> Lines | None:
    """Return one measure over the flow, of every loss, with a line at a recorded step; None where it is not defined.

    Parameters
    ----------
    flows : Mapping from label to Flow
    measure : str
        One of `MEASURES`, or ``"loss"``.
    record : int
    """
    series, last = [], {}
    for label, flow in flows.items():
        values = flow.loss if measure == "loss" else flow.measures[measure]
        known = np.isfinite(values)
        if known.any():
            series.append(
                Series(
                    _label(measure).lower(), flow.recorded[known], values[known], "other", label, n=flow.start.n,
                    is_loss=True,
                )
            )  # fmt: skip
            last[label] = float(values[known][-1])
    if not series:
        return None
    step = _step(flows, record)
    unit = "each in its own unit" if measure == "loss" else _UNITS.get(measure, "")
    return Lines(
        _compared(f"{_label(measure)} at the end", last),
        Axis("Step of the flow", "steps"),
        Axis(_label(measure), unit, _RANGES.get(measure)),
        tuple(series),
        (Reference(f"step {step:,}", float(step)),),
        markers=False,
    )


def flow_positions(flow: Flow, label: str, record: int = -1) -> Scatter:
    """Return where the samples are at a recorded step, coloured by class.

    On the circle the points themselves. On the sphere both hemispheres, seen from outside. In more dimensions the plane
    of the largest variance of start and end together; it stays the same over the flow, and so do the axes.

    Parameters
    ----------
    flow : Flow
    label : str
        Label of the loss.
    record : int
    """
    at = _at(flow, record)
    labels = flow.start.labels
    groups = _groups(labels, flow.start.label_names, flow.start.n)
    dim = flow.start.dim
    if dim == 3:
        points, outlines = _hemispheres(flow.positions[at]), _circles((0.0, _HEMISPHERE_GAP))
        x, y = Axis("Left: seen from the front. Right: from the back", "", (-1.15, _HEMISPHERE_GAP + 1.15)), _BLANK
    elif dim == 2:
        points, outlines = flow.positions[at], _circles((0.0,))
        x, y = Axis("First coordinate", "", (-1.25, 1.25)), Axis("Second coordinate", "", (-1.25, 1.25))
    else:
        flat = flow.flat()
        points, outlines = flat[at], ()
        reach = float(np.abs(flat).max()) * 1.05 or 1.0
        x, y = Axis("First direction", "", (-reach, reach)), Axis("Second direction", "", (-reach, reach))
    series = [
        Series(name, points[:, rows, 0].ravel(), points[:, rows, 1].ravel(), "other", label, n=int(rows.sum()))
        for name, rows in groups
    ]
    title = f"{label}, step {int(flow.recorded[at]):,}: {_said(flow, at)}"
    return Scatter(title, x, y, (*series, *outlines), equal=True)


_BLANK = Axis("Height", "", (-1.15, 1.15))


def flow_findings(flows: Flows) -> list[Finding]:
    """Say where each loss leads, worst first."""
    return worst_first([_finding(label, flow) for label, flow in flows.items()])


def _finding(label: str, flow: Flow) -> Finding:
    n_samples, steps = flow.start.n, int(flow.recorded[-1])
    where = f"after {steps:,} steps (N = {n_samples:,} samples)"
    if flow.stopped is not None:
        message = f"{label}: {flow.stopped}".rstrip(".") + f" ({where.partition('(')[2]}."
        return Finding("flow", "bad", message, "Make the steps smaller, or raise the temperature.", WANG_ISOLA)
    measures = flow.measures
    mean = measures["mean_negative_score"][-1]
    separation, uniformity, rank = (measures[name] for name in ("class_separation", "uniformity", "effective_rank"))
    if mean > _COLLAPSED_MEAN:
        message = f"{label} draws everything together: negatives score {format_number(mean)} on average {where}."
        return Finding("flow", "bad", message, "Nothing holds samples apart: add a term that does.", WANG_ISOLA)
    detail = (
        f" Uniformity goes from {format_number(uniformity[0])} to {format_number(uniformity[-1])}, the effective rank "
        f"from {format_number(rank[0])} to {format_number(rank[-1])}."
    )
    if math.isnan(separation[-1]):
        message = (
            f"{label}: positives end at a mean score of {format_number(measures['mean_positive_score'][-1])}, "
            f"negatives at {format_number(mean)}, {where}.{detail}"
        )
        return Finding("flow", "good", message, "", WANG_ISOLA)
    if max(abs(separation[0]), abs(separation[-1])) < 2 * _SEPARATED:
        message = (
            f"{label}: uniformity goes from {format_number(uniformity[0])} to {format_number(uniformity[-1])} {where}. "
            f"Classes stand apart neither before nor after: class separation {format_number(separation[-1])}."
        )
        return Finding("flow", "good", message, "", WANG_ISOLA)
    change = f"from {format_number(separation[0])} to {format_number(separation[-1])} {where}.{detail}"
    if separation[0] > _SEPARATED and separation[-1] < _MUCH_KEPT * separation[0]:
        message = f"{label} drives classes together: class separation goes {change}"
        advice = "Free embeddings have no encoder that keeps classes near: prefer a loss that pushes them less."
        return Finding("flow", "watch", message, advice, WANG_ISOLA)
    return Finding("flow", "good", f"{label}: class separation goes {change}", "", WANG_ISOLA)


def _at(flow: Flow, record: int) -> int:
    return min(record, len(flow.recorded) - 1) if record >= 0 else len(flow.recorded) - 1


def _step(flows: Flows, record: int) -> int:
    return max(int(flow.recorded[_at(flow, record)]) for flow in flows.values())


def _when(flows: Flows, record: int) -> str:
    return f", step {_step(flows, record):,}"


def _label(measure: str) -> str:
    return "Loss" if measure == "loss" else MEASURES[measure][0]


def _said(flow: Flow, at: int) -> str:
    separation, uniformity = flow.measures["class_separation"][at], flow.measures["uniformity"][at]
    if not math.isnan(separation):
        return f"class separation {format_number(separation)}"
    return f"uniformity {format_number(uniformity)}"


def _groups(
    labels: NDArray[np.int64] | None, names: tuple[str, ...], n_samples: int
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return the rows of each class; of many classes the rest is one group."""
    if labels is None:
        return [("samples", np.ones(n_samples, dtype=bool))]
    counts = np.bincount(labels, minlength=len(names))
    first = np.sort(
        np.argsort(-counts, kind="stable")[: _MOST_CLASSES if len(names) <= _MOST_CLASSES else _MOST_CLASSES - 1]
    )
    groups = [(names[label], labels == label) for label in first]
    if len(names) > len(first):
        groups.append((f"{len(names) - len(first)} other classes", ~np.isin(labels, first)))
    return groups


def _hemispheres(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place points of the sphere on two discs: the front half left, the back half right, seen from behind."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    front = y <= 0
    across = np.where(front, x, _HEMISPHERE_GAP - x)
    return np.stack([across, z], axis=-1)


def _circles(centres: tuple[float, ...]) -> tuple[Series, ...]:
    angle = np.linspace(0, 2 * np.pi, 121)
    return tuple(Series("outline", centre + np.cos(angle), np.sin(angle), "reference") for centre in centres)


def _compared(what: str, values: Mapping[str, float]) -> str:
    known = {label: value for label, value in values.items() if not math.isnan(value)}
    if not known:
        return what
    lowest, highest = min(known, key=lambda label: known[label]), max(known, key=lambda label: known[label])
    if len(known) == 1:
        return f"{what} {format_number(known[lowest])}"
    return f"{what} from {format_number(known[lowest])} ({lowest}) to {format_number(known[highest])} ({highest})"
