"""Where losses push on a batch, as figures, and what that says in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Source, format_number, worst_first
from cl_viz.core.view import Axis, Bars, Heatmap, Lines, Meaning, Series, Table
from cl_viz.losses import losses
from cl_viz.simulate.forces import GradientAlignment, LossForces

Forces = Mapping[str, LossForces]
"""Forces of each loss, by the loss's label."""

CHUANG = Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224")
WANG_LIU = Source(
    "Wang and Liu 2021, Understanding the Behaviour of Contrastive Loss", "https://arxiv.org/abs/2012.09740"
)
_SHARES: Mapping[str, str] = {
    "positives": "positives", "false_negatives": "false negatives", "hardest": "hardest 1 %",
}  # fmt: skip
_IN_WORDS: Mapping[str, str] = {
    "false_negatives": "on false negatives", "hardest": "on the hardest 1 % of negatives", "positives": "on positives",
}  # fmt: skip
_MUCH = 0.25
"""Share of the gradient on false negatives that is worth a look."""


def force_weights(forces: Forces) -> Lines | None:
    """Return the mean weight of a pair against its score, of every loss; None where no loss acts on scores alone.

    Parameters
    ----------
    forces : Mapping from label to LossForces
    """
    series, steepness = [], {}
    for label, found in forces.items():
        centres = (found.bin_edges[:-1] + found.bin_edges[1:]) / 2
        for name, weights, counts, meaning in _curves(found):
            known = np.isfinite(weights) & (weights > 0)
            if known.any():
                n_pairs = int(counts.sum())
                series.append(Series(name, centres[known], weights[known], meaning, label, n=n_pairs, is_loss=True))
        if found.negative_weight is not None and found.negative_pairs is not None:
            steepness[label] = _steepness(found.negative_weight, found.negative_pairs)
    if not series:
        return None
    told = {label: value for label, value in steepness.items() if np.isfinite(value)}
    title = (
        _compared("Weight of the hardest 1 % of negatives over the mean weight", told)
        if told
        else "Weight of a pair against its score"
    )
    return Lines(
        title, Axis("Score", "cosine", (-1.0, 1.0)), Axis("Weight of a pair", "N |dL/ds|", log=True), tuple(series),
        markers=False,
    )  # fmt: skip


def force_shares(forces: Forces) -> Bars | None:
    """Return the shares of the gradient on positives, on false negatives and on the hardest negatives, a bar a loss.

    None where no loss acts on scores alone.
    """
    series, falses = [], {}
    for label, found in forces.items():
        known = [name for name in _SHARES if _known(found, name)]
        if not known:
            continue
        words = np.array([_SHARES[name] for name in known], dtype=object)
        means = np.array([np.nanmean(found.shares[name]) for name in known])
        spreads = np.array([np.nanstd(found.shares[name]) for name in known])
        series.append(
            Series(
                "share of the gradient", words, means, "other", label, np.clip(means - spreads, 0, 1),
                np.clip(means + spreads, 0, 1), n=found.n_batches, is_loss=True,
            )
        )  # fmt: skip
        if "false_negatives" in known:
            falses[label] = float(means[known.index("false_negatives")])
    if not series:
        return None
    title = _compared("Share on false negatives", falses) if falses else "Shares of the gradient; no labels"
    return Bars(title, Axis(""), Axis("Share of the gradient", "mean ± spread", (0.0, 1.0)), tuple(series))


def force_values(forces: Forces) -> Table:
    """Return the value of every loss with its spread over the batches."""
    rows = [(label, *_moments(found.values), len(found.values)) for label, found in forces.items()]
    names, means, spreads, lows, highs, batches = (np.array(column) for column in zip(*rows, strict=True))
    said = ", ".join(f"{name} {format_number(float(mean))}" for name, mean in zip(names, means, strict=True))
    return Table(
        f"Values over {int(batches[0])} batches: {said}",
        {"Loss": names, "Mean": means, "Standard deviation": spreads, "Lowest": lows, "Highest": highs,
         "Batches": batches},
    )  # fmt: skip


def alignment_heatmap(alignment: GradientAlignment, labels: tuple[str, ...]) -> Heatmap:
    """Return the cosines between the gradients of losses, mean over batches.

    Parameters
    ----------
    alignment : GradientAlignment
    labels : tuple of str
        Shown for each loss, in its order.
    """
    cosine = np.asarray(alignment.cosine, dtype=np.float64)
    title = "One loss has nothing to be compared with"
    if len(labels) > 1:
        first, second = np.unravel_index(np.argmin(np.where(np.eye(len(labels)) > 0, np.inf, cosine)), cosine.shape)
        title = (
            f"Least alike: {labels[first]} and {labels[second]}, cosine {format_number(float(cosine[first, second]))}"
        )
    return Heatmap(
        title,
        Axis("Loss"),
        Axis("Loss"),
        cosine,
        labels,
        labels,
        Axis("Cosine of gradients", "", (-1.0, 1.0)),
        centre=0.0,
    )


def force_findings(forces: Forces) -> list[Finding]:
    """Say for every loss what its gradient is spent on, worst first."""
    return worst_first([_finding(label, found) for label, found in forces.items()])


def _finding(label: str, found: LossForces) -> Finding:
    sample = f"(N = {found.batch_size:,} samples a batch, {found.n_batches} batches)"
    if not np.isfinite(found.values).all():
        message = f"{label} has no finite value on these batches {sample}."
        return Finding(
            "forces", "bad", message, "Raise the temperature, or look at the rows on the Data page.", WANG_LIU
        )
    parts = [f"{_percent(found, name)} {words}" for name, words in _IN_WORDS.items() if _known(found, name)]
    if not parts:
        message = f"{label} acts on coordinates and not on the scores of pairs alone: no pair has a share of its " \
                  f"gradient {sample}."  # fmt: skip
        return Finding("forces", "unknown", message, "Look where it leads: the flow needs no shares.", WANG_LIU)
    message = f"{label}: of its gradient {', '.join(parts)} {sample}."
    if not _known(found, "false_negatives") and "labels" in losses()[found.loss].needs:
        return Finding(
            "forces", "good", f"{message} Its positives are the labels: it has no false negatives.", "", WANG_LIU
        )
    if not _known(found, "false_negatives"):
        advice = "Add labels (Data page) to see what falls on false negatives."
        return Finding("forces", "unknown", message, advice, CHUANG)
    share = float(np.nanmean(found.shares["false_negatives"]))
    if share > _MUCH:
        advice = "Raise the temperature, or choose a loss that discounts false negatives (debiased, supervised)."
        return Finding("forces", "watch", message, advice, CHUANG)
    return Finding("forces", "good", message, "", CHUANG)


def _known(found: LossForces, name: str) -> bool:
    return name in found.shares and bool(np.isfinite(found.shares[name]).any())


def _percent(found: LossForces, name: str) -> str:
    return f"{format_number(100 * float(np.nanmean(found.shares[name])))} %"


def _curves(found: LossForces) -> list[tuple[str, NDArray[Any], NDArray[Any], Meaning]]:
    curves: list[tuple[str, Any, Any, Meaning]] = [
        ("positives", found.positive_weight, found.positive_pairs, "positive"),
        ("negatives", found.negative_weight, found.negative_pairs, "negative"),
        ("false negatives", found.false_negative_weight, found.false_negative_pairs, "false_negative"),
    ]
    return [(name, weights, counts, meaning) for name, weights, counts, meaning in curves if weights is not None]


def _steepness(weights: NDArray[Any], counts: NDArray[Any]) -> float:
    """Return the mean weight of the hardest hundredth of the pairs over that of all."""
    known = np.isfinite(weights) & (counts > 0)
    pairs, weight = counts[known].astype(np.float64), weights[known]
    total = float((pairs * weight).sum())
    if not total:
        return float("nan")
    left = 0.01 * pairs.sum()
    hardest = 0.0
    for count, value in zip(pairs[::-1], weight[::-1], strict=True):
        taken = min(count, left)
        hardest += taken * value
        left -= taken
    return float(hardest / (0.01 * pairs.sum()) / (total / pairs.sum()))


def _moments(values: NDArray[Any]) -> tuple[float, float, float, float]:
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return float(np.mean(values)), spread, float(np.min(values)), float(np.max(values))


def _compared(what: str, values: Mapping[str, float]) -> str:
    lowest, highest = min(values, key=lambda label: values[label]), max(values, key=lambda label: values[label])
    if len(values) == 1:
        return f"{what}: {format_number(values[lowest])}"
    return f"{what}: {format_number(values[lowest])} ({lowest}) to {format_number(values[highest])} ({highest})"
