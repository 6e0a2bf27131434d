"""Curves of trainings as figures, and what they say in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from cl_viz.core.result import Finding, Source, format_number, worst_first
from cl_viz.core.view import Axis, Lines, Meaning, Series
from cl_viz.simulate.training_course import TrainedLoss, TrainingPoint
from cl_viz.simulate.training_measures import MEASURES

WU = Source(
    "Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    "https://arxiv.org/abs/1805.01978",
)
JING = Source(
    "Jing et al. 2022, Understanding Dimensional Collapse in Contrastive Self-supervised Learning",
    "https://arxiv.org/abs/2110.09348",
)
_COLLAPSED_MEAN = 0.9
_COLLAPSED_RANK = 1.5
_NAMED = 3

Points = Mapping[str, Sequence[TrainingPoint]]
"""Name of each loss -> what was measured while it trained."""

# Figure -> measures in it, with what each stands for, and the axis.
_FIGURES: Mapping[str, tuple[tuple[tuple[str, Meaning], ...], Axis]] = {
    "knn_accuracy": ((("knn_accuracy", "other"),), Axis("kNN accuracy of the backbone", "share", (0.0, 1.0))),
    "loss": ((("loss", "other"),), Axis("Training loss", "each in its own unit")),
    "score_means": (
        (("positive_mean", "positive"), ("negative_mean", "negative")),
        Axis("Mean score", "cosine", (-1.0, 1.0)),
    ),
    "score_variances": (
        (("positive_variance", "positive"), ("negative_variance", "negative")),
        Axis("Variance of scores", "cosine²"),
    ),
    "projector_rank": ((("projector_rank", "other"),), Axis("Effective rank of the projector", "dimensions")),
    "backbone_rank": ((("backbone_rank", "other"),), Axis("Effective rank of the backbone", "dimensions")),
}
FIGURES = tuple(_FIGURES)
"""Names of the figures, the main one first."""


def training_views(points: Points, *, n_images: int | None = None) -> dict[str, Lines]:
    """Return the curves of several trainings as figures.

    Parameters
    ----------
    points : Mapping from the name of a loss to its points
        Losses without points are left out.
    n_images : int, optional
        Images that each point was measured on.

    Returns
    -------
    dict
        Figure by name, `FIGURES`; a figure whose measure is nowhere known is left out.
    """
    found = {}
    for name, (measures, axis) in _FIGURES.items():
        series = [
            entry
            for loss, measured in points.items()
            for measure, meaning in measures
            if (entry := _series(loss, measured, measure, meaning, n_images)) is not None
        ]
        if series:
            title = _title(name, measures[0][0], series)
            found[name] = Lines(title, Axis("Training step", "steps"), axis, tuple(series), n=n_images)
    return found


def training_findings(trained: Sequence[TrainedLoss]) -> list[Finding]:
    """Say what became of each loss, worst first: whether it ended early, collapsed, or learned the labels."""
    return worst_first([_finding(entry) for entry in trained])


def _finding(trained: TrainedLoss) -> Finding:
    name, n_images = trained.run.name, min(1000, trained.run.get().n)
    last = trained.points[-1]
    if trained.stopped.startswith("It ended"):
        return Finding(
            "train", "bad", f"{name}: {trained.stopped}", "Lower the learning rate, or raise the temperature.", JING
        )
    facts = f"after step {last.step:,} (N = {n_images:,} images)"
    if not last.step:
        # An encoder that was never trained says nothing of the loss.
        message = f"{name}: no step was made (N = {n_images:,} images)."
        return Finding("train", "unknown", message, "Train it for some epochs.", JING)
    mean, rank = last.values["negative_mean"], last.values["projector_rank"]
    if mean > _COLLAPSED_MEAN or rank < _COLLAPSED_RANK:
        message = f"{name}: negatives score {format_number(mean)} on average and the effective rank is " \
                  f"{format_number(rank)} {facts}. The embeddings have collapsed."  # fmt: skip
        return Finding("train", "bad", message, "Nothing holds samples apart: add negatives or a variance term.", JING)
    first, accuracy = trained.points[0].values["knn_accuracy"], last.values["knn_accuracy"]
    if math.isnan(accuracy):
        message = f"{name}: positives score {format_number(last.values['positive_mean'])}, negatives " \
                  f"{format_number(mean)} on average {facts}."  # fmt: skip
        return Finding("train", "good", message, "", JING)
    message = (
        f"{name}: neighbours name the label of {format_number(100 * accuracy)} % of the images {facts}, and of "
        f"{format_number(100 * first)} % before training."
    )
    if accuracy <= first:
        return Finding("train", "watch", message, "Train longer, or change the hyper-parameters.", WU)
    return Finding("train", "good", message, "", WU)


def _series(
    loss: str, points: Sequence[TrainingPoint], measure: str, meaning: Meaning, n_images: int | None
) -> Series | None:
    steps = np.array([point.step for point in points], dtype=np.int64)
    values = np.array([point.values[measure] for point in points], dtype=np.float64)
    known = np.isfinite(values)
    if not known.any():
        return None
    label = MEASURES[measure][0].lower()
    return Series(label, steps[known], values[known], meaning, loss, n=n_images, is_loss=True)


def _title(name: str, measure: str, series: Sequence[Series]) -> str:
    last_step = int(max(entry.x[-1] for entry in series))
    if name == "score_means":
        gaps = {}
        for positive, negative in zip(series[::2], series[1::2], strict=False):
            gaps[positive.run] = float(positive.y[-1] - negative.y[-1])
        return _compared("Gap between the means", gaps, last_step)
    label = MEASURES[measure][0]
    if name == "loss":
        # Losses have different units: each is compared with its own start.
        course = [f"{entry.run} {format_number(entry.y[0])} to {format_number(entry.y[-1])}" for entry in series]
        return "Loss: " + ", ".join(course[:_NAMED]) + (", ..." if len(course) > _NAMED else "")
    return _compared(
        label, {entry.run: float(entry.y[-1]) for entry in series if entry.name == label.lower()}, last_step
    )


def _compared(label: str, last: Mapping[str, float], last_step: int) -> str:
    lowest, highest = min(last, key=lambda loss: last[loss]), max(last, key=lambda loss: last[loss])
    if len(last) == 1:
        return f"{label} {format_number(last[lowest])} after step {last_step:,}"
    return f"{label} from {format_number(last[lowest])} ({lowest}) to {format_number(last[highest])} ({highest})"
