"""PaCMAP: near, mid-near and far pairs, weighted in phases so that the large picture comes first."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import ProjectionSpec
from cl_viz.projections._compiled_loops import compiled_before, note_compiled
from cl_viz.projections._inputs import Near, ProjectionInputs
from cl_viz.projections._libraries import layout_library
from cl_viz.projections._torch_layouts import lay_out_with_torch

_LIBRARY = "pacmap"
_COMPILING_SECONDS, _LOADING_SECONDS = 16.0, 3.0
_EXTRA = 50
"""Neighbours beyond those wanted, among which the scaled distances choose, as in the authors' code."""
_SIGMA = slice(3, 6)
"""Neighbours whose mean distance is a row's own scale: the fourth to the sixth."""
_LEAST_SIGMA = 1e-10


@dataclass(frozen=True)
class PacmapParams(Params):
    """Wang, Huang, Rudin and Shaposhnik 2021, with the defaults of their code."""

    n_neighbors: int = param(10, "Near pairs of each row.", low=1, high=100, unit="pairs")
    mid_near_ratio: float = param(
        0.5, "Mid-near pairs for each near pair: they hold the large picture.", low=0.0, high=5.0
    )
    further_ratio: float = param(2.0, "Further pairs for each near pair: they push apart.", low=0.1, high=10.0)
    iterations: int = param(250, "Rounds of the last phase, after two of 100.", low=1, high=5000, unit="rounds")
    learning_rate: float = param(1.0, "Step of the optimiser.", low=0.01, high=10.0, log=True)


def fit(inputs: ProjectionInputs, params: PacmapParams) -> NDArray[np.float32]:
    """Lay the rows out, shape (n, dim); near pairs are of the engine's neighbours, by distances between unit rows."""
    if not compiled_before(_LIBRARY):
        inputs.progress(0.0, "PaCMAP: its loops are compiled, the first time on this machine")
    library = layout_library("pacmap")
    n_neighbors = _fitting(inputs, params)
    near = inputs.neighbors(min(n_neighbors + _EXTRA, len(inputs.rows) - 1))
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        mapper = library.PaCMAP(
            n_components=inputs.dim,
            n_neighbors=n_neighbors,
            MN_ratio=params.mid_near_ratio,
            FP_ratio=params.further_ratio,
            pair_neighbors=near_pairs(near, n_neighbors),
            lr=params.learning_rate,
            num_iters=(100, 100, params.iterations),
            random_state=inputs.seed,
            verbose=True,
        )
        with contextlib.redirect_stdout(_Rounds(inputs.progress, 200 + params.iterations)):
            layout: NDArray[np.float32] = mapper.fit_transform(_wide_enough(inputs))
    # It has numba keep them itself.
    note_compiled(_LIBRARY)
    return layout


def fit_on_gpu(inputs: ProjectionInputs, params: PacmapParams, device: str) -> NDArray[np.float32]:
    """Lay the rows out by torchdr; mid-near and further pairs are drawn anew in every round."""
    n_neighbors = _fitting(inputs, params)
    return lay_out_with_torch(
        inputs, device, "PACMAP", min(n_neighbors + _EXTRA, len(inputs.rows) - 1), 200 + params.iterations, "pca",
        n_neighbors=n_neighbors, MN_ratio=params.mid_near_ratio, FP_ratio=params.further_ratio,
        lr=params.learning_rate,
    )  # fmt: skip


def _wide_enough(inputs: ProjectionInputs) -> NDArray[np.float32]:
    """Return the rows with as many columns as the map at least: zeros change no distance, and PaCMAP wants them."""
    missing = max(0, inputs.dim - inputs.rows.shape[1])
    return np.pad(inputs.rows, ((0, 0), (0, missing))) if missing else inputs.rows


def near_pairs(near: Near, n_neighbors: int) -> NDArray[np.int32]:
    """Return the near pairs: for each row the neighbours of smallest distance scaled by both ends' densities.

    Parameters
    ----------
    near : Near
        `n_neighbors` + 50 of each row, or all others.
    n_neighbors : int

    Returns
    -------
    NDArray[np.int32], shape (n * n_neighbors, 2)
    """
    squared = near.chords.astype(np.float64) ** 2
    columns = near.chords[:, _SIGMA] if near.chords.shape[1] > _SIGMA.start else near.chords
    sigma = np.maximum(columns.mean(axis=1, dtype=np.float64), _LEAST_SIGMA)
    scaled = squared / sigma[:, None] / sigma[near.indices]
    order = np.argsort(scaled, axis=1, kind="stable")[:, :n_neighbors]
    chosen = np.take_along_axis(near.indices, order, axis=1)
    rows = np.repeat(np.arange(len(chosen), dtype=np.int32), n_neighbors)
    return np.stack([rows, chosen.reshape(-1).astype(np.int32)], axis=1)


def _fitting(inputs: ProjectionInputs, params: PacmapParams) -> int:
    """Return how many near pairs fit beside the mid-near and further ones, by the rule of the authors' code."""
    size, wanted = len(inputs.rows), params.n_neighbors
    pairs = wanted + round(wanted * params.mid_near_ratio) + round(wanted * params.further_ratio)
    if pairs < size:
        return wanted
    found = max(1, min(wanted, int(size / (1 + params.mid_near_ratio + params.further_ratio))))
    if found < wanted:
        inputs.notes.append(f"{found} near pairs of each row: more leave no further pairs among {size} rows")
    return found


class _Rounds:
    """Takes what PaCMAP prints, ``Iteration: 10, Loss: 1.0``, as progress."""

    def __init__(self, progress: Callable[[float, str], None], total: int) -> None:
        self._progress, self._total, self._outside = progress, total, sys.stdout

    def write(self, text: str) -> int:
        name, _, rest = text.partition(":")
        number = rest.split(",")[0].strip()
        if name == "Iteration" and number.isdigit():
            # Whoever is told may print.
            with contextlib.redirect_stdout(self._outside):
                self._progress(int(number) / self._total, f"PaCMAP: round {number} of {self._total}")
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


@contextlib.contextmanager
def _quiet() -> Any:
    """Keep PaCMAP from telling that a seed is set, which is what was asked for."""
    logger = logging.getLogger("pacmap.pacmap")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def seconds(n: int, columns: int, params: PacmapParams) -> float:
    """About how long `fit` takes on two cores, compiling included where its loops are not kept yet."""
    begun = _LOADING_SECONDS if compiled_before(_LIBRARY) else _COMPILING_SECONDS
    pairs = params.n_neighbors * (1 + params.mid_near_ratio + params.further_ratio)
    return begun + n * pairs * (200 + params.iterations) * 8e-8 + n * min(columns, 4096) * 2e-7 + n * 1e-4


SPEC = ProjectionSpec(
    name="pacmap",
    label="PaCMAP",
    params=PacmapParams,
    fit=fit,
    seconds=seconds,
    description=(
        "Three kinds of pairs: near ones, chosen among each row's exact nearest by Euclidean distance between unit "
        "rows, scaled by how dense both ends are; mid-near ones, the second closest of six rows drawn at random; "
        "further ones, drawn at random. The mid-near pairs weigh much at first and nothing at the end, which sets the "
        "large picture before the small one (the authors' code, which first takes sets of more than 100 columns to "
        "their 100 leading components for the mid-near pairs). Maps of fewer than about 36 rows have fewer near pairs. "
        "On a CUDA GPU torchdr lays out, and draws the mid-near and further pairs anew in every round."
    ),
    sources=(
        Source(
            "Wang, Huang, Rudin and Shaposhnik 2021, Understanding How Dimension Reduction Tools Work",
            "https://jmlr.org/papers/v22/20-1061.html",
        ),
    ),
    least_rows=20,
    neighbors=lambda params: params.n_neighbors + _EXTRA,
    fit_on_gpu=fit_on_gpu,
)
