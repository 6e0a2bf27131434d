"""Samples that were picked, against all others: scores within and across, entries of a column, nearest samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.validation import row_blocks
from cl_viz.core.view import Axis, Bars, Histogram, Series

_MOST_PICKED, _MOST_OTHERS = 1_500, 4_000
"""Samples of each kind that are scored; beyond that they are drawn at random."""
_BINS = 80
_EXACT_NUMBERS = 1 << 22
_LONGEST_TICK, _LONGEST_IN_TITLE = 18, 40
_MOST_BARS = 12


def selection_scores(
    embedding_set: EmbeddingSet, view: str, picked: NDArray[np.bool_], *, seed: int = 0
) -> Histogram | None:
    """Return how alike picked samples are to each other, and to the others.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view : str
    picked : NDArray[np.bool_], shape (N,)
    seed : int
        Of the draw where there are more than 1,500 picked or 4,000 other samples.

    Returns
    -------
    Histogram or None
        Densities of cosines; no sample is paired with itself. None with fewer than two usable picked samples.
    """
    usable = embedding_set.quality[view].usable
    generator = np.random.default_rng(seed)
    inside, all_inside = _drawn(np.flatnonzero(picked & usable), _MOST_PICKED, generator)
    outside, all_outside = _drawn(np.flatnonzero(~picked & usable), _MOST_OTHERS, generator)
    if len(inside) < 2:
        return None
    first = _unit(embedding_set, view, inside)
    edges = np.linspace(-1.0, 1.0, _BINS + 1)
    within = (first @ first.T)[np.triu_indices(len(inside), 1)]
    series = [_series("within the selection", within, edges, "positive", len(inside))]
    title = f"Within the selection scores are {within.mean():.3f} on average (N = {len(inside):,})"
    if len(outside):
        across = (first @ _unit(embedding_set, view, outside).T).ravel()
        series.append(_series("to the others", across, edges, "other", len(outside)))
        title += f", to the others {across.mean():.3f} (N = {len(outside):,})"
    if not (all_inside and all_outside):
        title += f", drawn at random with seed {seed}"
    return Histogram(title, Axis("Score", "cosine", (-1.0, 1.0)), Axis("Density", "of pairs"), tuple(series))


def _drawn(rows: NDArray[np.int64], most: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], bool]:
    """Return at most so many rows, and whether they are all of them."""
    if len(rows) <= most:
        return rows, True
    return np.sort(generator.choice(rows, most, replace=False)), False


def _unit(embedding_set: EmbeddingSet, view: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    norms = embedding_set.quality[view].norms[rows]
    found: NDArray[np.float64] = np.asarray(embedding_set.views[view][rows], dtype=np.float64) / norms[:, None]
    return found


def _series(name: str, scores: NDArray[np.float64], edges: NDArray[np.float64], meaning: Any, n: int) -> Series:
    counts, _ = np.histogram(np.clip(scores, -1.0, 1.0), edges)
    density = counts / (counts.sum() * np.diff(edges))
    return Series(name, edges, density, meaning, n=n)


def selection_mix(names: tuple[str, ...], codes: NDArray[np.integer], picked: NDArray[np.bool_], what: str) -> Bars:
    """Return the share of each entry among the picked samples and among all.

    Parameters
    ----------
    names : tuple of str
        Entries.
    codes : NDArray of int, shape (N,)
        Index into `names`.
    picked : NDArray[np.bool_], shape (N,)
        At least one is picked.
    what : str
        What the entries are of.

    Returns
    -------
    Bars
        The most frequent entries of the selection, at most twelve.
    """
    inside = np.bincount(codes[picked], minlength=len(names))
    overall = np.bincount(codes, minlength=len(names))
    n = int(picked.sum())
    shown = np.argsort(-inside, kind="stable")[: min(_MOST_BARS, len(names))]
    labels = np.array(_told_apart([names[index] for index in shown]), dtype=object)
    most = int(shown[0])
    entry = _cut(names[most], _LONGEST_IN_TITLE)
    title = f"{100 * inside[most] / n:.0f} % of the selection is {entry} (N = {n:,}), of all samples "
    title += f"{100 * overall[most] / len(codes):.0f} % (N = {len(codes):,})"
    return Bars(
        title,
        Axis(what),
        Axis("Share", "of samples", (0.0, 1.0)),
        (
            Series("selection", labels, inside[shown] / n, "positive", n=n),
            Series("all samples", labels, overall[shown] / len(codes), "other", n=len(codes)),
        ),
    )


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _told_apart(names: list[str]) -> list[str]:
    """Return names short enough for the ticks of an axis; those that begin alike get a number."""
    found: list[str] = []
    for name in names:
        cut, number = _cut(name, _LONGEST_TICK), 1
        while cut in found:
            number += 1
            cut = f"{_cut(name, _LONGEST_TICK)} ({number})"
        found.append(cut)
    return found


def nearest_samples(
    embedding_set: EmbeddingSet, view: str, row: int, k: int, progress: ProgressCallback = silent
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the samples most like one, and their cosines, in the original space.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    view : str
    row : int
        A usable row of the view.
    k : int
    progress : callable
        Called with fraction and message after each block of rows; may raise `Cancelled` to stop.

    Returns
    -------
    rows : NDArray[np.int64], shape (min(k, usable others),)
        Nearest first; of equal scores the lower row first.
    scores : NDArray[np.float64]
        In float64, whatever the rows are held in.
    """
    array, quality = embedding_set.views[view], embedding_set.quality[view]
    one = np.asarray(array[row], dtype=np.float64) / quality.norms[row]
    rough = np.full(len(array), -np.inf, dtype=np.float64)
    for rows in row_blocks(array):
        progress(rows.start / len(array), "nearest samples")
        usable = quality.usable[rows]
        norms = quality.norms[rows][usable]
        block = np.asarray(array[rows])[usable] if not usable.all() else np.asarray(array[rows])
        # Many rows are looked at roughly, in what they are held in; the best of them again, exactly.
        is_tame = block.dtype == np.float32 and len(norms) and norms.min() > 1e-9 and norms.max() < 1e9
        kind = np.float32 if is_tame else np.float64
        rough[rows][usable] = (block.astype(kind, copy=False) @ one.astype(kind)) / norms
    rough[row] = -np.inf
    kept = min(k, int(np.isfinite(rough).sum()))
    if not kept:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    least = np.partition(rough, len(rough) - kept)[len(rough) - kept]
    near = np.flatnonzero(rough >= least - _rough_error(embedding_set.dim))
    scores = np.empty(len(near))
    step = max(1, _EXACT_NUMBERS // embedding_set.dim)
    for start in range(0, len(near), step):
        some = near[start : start + step]
        scores[start : start + step] = np.asarray(array[some], dtype=np.float64) @ one / quality.norms[some]
    scores = np.clip(scores, -1.0, 1.0)
    order = np.argsort(-scores, kind="stable")[:kept]
    return near[order], scores[order]


def _rough_error(dim: int) -> float:
    """Return twice what a cosine from float32 can be off by, for unit rows of `dim` entries."""
    return 4.0 * float(np.finfo(np.float32).eps) * (dim + 4)
