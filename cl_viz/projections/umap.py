"""UMAP: a fuzzy graph of nearest neighbours, laid out by attraction along edges and sampled repulsion."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import ProjectionSpec
from cl_viz.projections._compiled_loops import compiled_before, keep_compiled, note_compiled
from cl_viz.projections._components import principal_components
from cl_viz.projections._inputs import ProjectionInputs
from cl_viz.projections._libraries import layout_library
from cl_viz.projections._torch_layouts import lay_out_with_torch

_LIBRARY = "umap-learn"
_LOOPS = {
    "umap.umap_": ("smooth_knn_dist", "compute_membership_strengths"),
    "umap.layouts": ("_nb_optimize_layout_euclidean_single_epoch",),
}
"""What a map takes that umap-learn compiles anew in every process: most of the time of a map of few rows."""
_COMPILING_SECONDS, _LOADING_SECONDS = 20.0, 3.0
_TQDM = {"bar_format": "{n} {total}", "disable": False, "mininterval": 0.2}


@dataclass(frozen=True)
class UmapParams(Params):
    """McInnes, Healy and Melville 2018, with the defaults of umap-learn."""

    n_neighbors: int = param(
        15, "Neighbours of each row, itself included: few show fine structure, many the whole.", low=2, high=200,
        unit="rows",
    )  # fmt: skip
    min_dist: float = param(
        0.1, "How close points may come: small packs clumps, large spreads them.", low=0.0, high=3.0, unit="map units"
    )
    spread: float = param(1.0, "Scale of the map; min_dist may not exceed it.", low=0.1, high=10.0, unit="map units")
    epochs: int = param(0, "Rounds of the layout; 0 takes 500 up to 10,000 rows and 200 above.", low=0, high=5000)
    negative_samples: int = param(5, "Rows drawn to push away from, for each edge that pulls.", low=1, high=50)
    init: str = param(
        "spectral", "Where points start: eigenvectors of the graph, principal components, or anywhere.",
        choices=("spectral", "pca", "random"),
    )  # fmt: skip


def fit(inputs: ProjectionInputs, params: UmapParams) -> NDArray[np.float32]:
    """Lay the rows out, shape (n, dim); the neighbours are the engine's, distances 1 less the cosine."""
    _check_distances(params)
    if not compiled_before(_LIBRARY):
        inputs.progress(0.0, "UMAP: its loops are compiled, the first time on this machine")
    library = layout_library("umap")
    kept = keep_compiled(_LOOPS)
    size = len(inputs.rows)
    n_neighbors = min(params.n_neighbors, size - 1)
    near = inputs.neighbors(max(1, n_neighbors - 1))
    # umap-learn counts a row as the first of its own neighbours.
    itself = np.arange(size, dtype=np.int32)[:, None]
    indices = np.concatenate([itself, near.indices], axis=1)[:, :n_neighbors]
    distances = np.concatenate([np.zeros((size, 1), np.float32), 1.0 - near.scores], axis=1)[:, :n_neighbors]
    with warnings.catch_warnings(), _written_rounds():
        # That the seed makes it use one thread, that new rows cannot be added, that the graph has several parts.
        warnings.simplefilter("ignore")
        mapper = library.UMAP(
            n_neighbors=n_neighbors,
            n_components=inputs.dim,
            metric="cosine",
            min_dist=params.min_dist,
            spread=params.spread,
            n_epochs=params.epochs or None,
            negative_sample_rate=params.negative_samples,
            init=_start(inputs, params.init),
            random_state=inputs.seed,
            n_jobs=1,
            precomputed_knn=(indices, np.ascontiguousarray(distances, dtype=np.float32)),
            tqdm_kwds={"file": _Epochs(inputs.progress), **_TQDM},
        )
        layout: NDArray[np.float32] = mapper.fit_transform(inputs.rows)
    if kept:
        note_compiled(_LIBRARY)
    return layout


def fit_on_gpu(inputs: ProjectionInputs, params: UmapParams, device: str) -> NDArray[np.float32]:
    """Lay the rows out by torchdr; it has no spectral start, and takes principal components for it."""
    _check_distances(params)
    n_neighbors = max(2, min(params.n_neighbors, len(inputs.rows) - 1))
    if params.init == "spectral":
        inputs.notes.append("started from principal components")
    return lay_out_with_torch(
        inputs, device, "UMAP", n_neighbors - 1, _epochs(len(inputs.rows), params), params.init,
        n_neighbors=n_neighbors, min_dist=params.min_dist, spread=params.spread,
        negative_sample_rate=params.negative_samples,
    )  # fmt: skip


def _check_distances(params: UmapParams) -> None:
    if params.min_dist > params.spread:
        raise InputError(
            f"min_dist = {params.min_dist:g} exceeds spread = {params.spread:g}", where="umap",
            allowed="min_dist up to spread",
        )  # fmt: skip


def _epochs(size: int, params: UmapParams) -> int:
    """Return how many rounds the layout takes, by the rule of umap-learn."""
    return params.epochs or (500 if size <= 10_000 else 200)


def _start(inputs: ProjectionInputs, init: str) -> Any:
    """Return where points start: a name that umap-learn knows, or coordinates."""
    if init == "random":
        return "random"
    if init == "spectral" and len(inputs.rows) > inputs.dim + 2:
        return "spectral"
    scores = principal_components(inputs.rows, inputs.dim, inputs.seed).scores
    largest = np.abs(scores).max()
    noise = np.random.default_rng(inputs.seed).normal(scale=1e-4, size=scores.shape)
    return (10.0 * scores / (largest or 1.0) + noise).astype(np.float32)


@contextmanager
def _written_rounds() -> Iterator[None]:
    """Have umap-learn write its rounds: in a notebook it takes a tqdm that draws a bar instead, and leaves it there."""
    from tqdm.std import tqdm

    layouts: Any = importlib.import_module("umap.layouts")
    theirs, layouts.tqdm = layouts.tqdm, tqdm
    try:
        yield
    finally:
        layouts.tqdm = theirs


class _Epochs:
    """Takes what tqdm writes, ``epoch of epochs``, as progress."""

    def __init__(self, progress: Callable[[float, str], None]) -> None:
        self._progress = progress

    def write(self, text: str) -> None:
        numbers = text.replace("\r", " ").split()
        if len(numbers) == 2 and all(number.isdigit() for number in numbers) and int(numbers[1]):
            self._progress(int(numbers[0]) / int(numbers[1]), f"UMAP: round {numbers[0]} of {numbers[1]}")

    def flush(self) -> None:
        """Nothing is held back."""


def seconds(n: int, columns: int, params: UmapParams) -> float:
    """About how long `fit` takes on two cores, compiling included where its loops are not kept yet."""
    begun = _LOADING_SECONDS if compiled_before(_LIBRARY) else _COMPILING_SECONDS
    return begun + n * _epochs(n, params) * params.n_neighbors * (1 + params.negative_samples) * 3e-8 + n * 3e-4


SPEC = ProjectionSpec(
    name="umap",
    label="UMAP",
    params=UmapParams,
    fit=fit,
    seconds=seconds,
    description=(
        "A graph of each row's exact nearest neighbours, with weights that fall with 1 less the cosine relative to "
        "the row's own nearest, is laid out by pulling along its edges and pushing from rows drawn at random "
        "(umap-learn, one thread, so that a seed gives one map; torchdr on a CUDA GPU). Who is near whom is kept as"
        " far as it can be. Distances between clumps, their sizes and the empty space around them come from the "
        "layout and say little."
    ),
    sources=(
        Source(
            "McInnes, Healy and Melville 2018, UMAP: Uniform Manifold Approximation and Projection",
            "https://arxiv.org/abs/1802.03426",
        ),
        Source("Damrich and Hamprecht 2021, On UMAP's true loss function", "https://arxiv.org/abs/2103.14608"),
    ),
    least_rows=4,
    neighbors=lambda params: max(1, params.n_neighbors - 1),
    fit_on_gpu=fit_on_gpu,
)
