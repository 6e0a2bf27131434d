"""t-SNE: neighbours drawn together so that who is whose neighbour has about the same probabilities as before."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import Params, param
from cl_viz.core.result import Source
from cl_viz.core.specs import ProjectionSpec
from cl_viz.projections._components import principal_components
from cl_viz.projections._inputs import ProjectionInputs
from cl_viz.projections._libraries import layout_library
from cl_viz.projections._torch_layouts import lay_out_with_torch

_FIRST_SPREAD = 1e-4
"""Standard deviation of the first coordinate at the start, as openTSNE's authors advise."""
MOST_GPU_ROWS = 20_000
"""On a GPU every round holds all pairs of points: 1.6 GB for so many, several times over."""


@dataclass(frozen=True)
class TsneParams(Params):
    """van der Maaten and Hinton 2008, with the defaults of openTSNE."""

    perplexity: float = param(
        30.0, "Effective neighbours of each row; three times as many are read, so at most a third of N.", low=2.0,
        high=66.0, unit="neighbours",
    )  # fmt: skip
    early_exaggeration: float = param(
        12.0, "How many times the pull is raised at first, so that clumps can pass each other.", low=1.0, high=100.0
    )
    early_iterations: int = param(250, "Rounds with early exaggeration.", low=0, high=2000, unit="rounds")
    exaggeration: float = param(
        1.0, "How many times the pull is raised after that: above 1 clumps are tighter, 4 is close to UMAP.", low=1.0,
        high=30.0,
    )  # fmt: skip
    iterations: int = param(500, "Rounds after the early ones.", low=1, high=5000, unit="rounds")
    init: str = param(
        "pca", "Where points start: principal components keep the large picture; anywhere does not.",
        choices=("pca", "random"),
    )  # fmt: skip


def fit(inputs: ProjectionInputs, params: TsneParams) -> NDArray[np.float64]:
    """Lay the rows out, shape (n, dim); the neighbours are the engine's, distances Euclidean between unit rows."""
    library = layout_library("openTSNE", "affinity", "nearest_neighbors")
    near = inputs.neighbors(neighbors(params))
    perplexity = _perplexity(inputs, params)
    index = library.nearest_neighbors.PrecomputedNeighbors(
        near.indices.astype(np.int64), near.chords.astype(np.float64)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        affinities = library.affinity.PerplexityBasedNN(knn_index=index, perplexity=perplexity, n_jobs=1)
        layout = library.TSNEEmbedding(
            _start(inputs, params.init), affinities, learning_rate="auto", n_jobs=1, random_state=inputs.seed
        )
        phases = (
            (params.early_iterations, params.early_exaggeration, 0.5),
            (params.iterations, params.exaggeration, 0.8),
        )
        before, total = 0, params.early_iterations + params.iterations
        for rounds, exaggeration, momentum in phases:
            if rounds:
                layout = layout.optimize(
                    n_iter=rounds, exaggeration=exaggeration, momentum=momentum, propagate_exception=True,
                    callbacks=[_report(inputs, before, total)], callbacks_every_iters=min(10, rounds),
                )  # fmt: skip
            before += rounds
    return np.asarray(layout, dtype=np.float64)


def fit_on_gpu(inputs: ProjectionInputs, params: TsneParams, device: str) -> NDArray[np.floating]:
    """Lay the rows out by torchdr, which sums over all pairs of points; it has no late exaggeration."""
    if params.exaggeration != 1.0:
        inputs.notes.append("laid out by the processor after all: late exaggeration is not there on a GPU")
        return fit(inputs, params)
    return lay_out_with_torch(
        inputs, device, "TSNE", neighbors(params), params.early_iterations + params.iterations, params.init,
        perplexity=_perplexity(inputs, params), early_exaggeration_coeff=params.early_exaggeration,
        early_exaggeration_iter=params.early_iterations,
    )  # fmt: skip


def _perplexity(inputs: ProjectionInputs, params: TsneParams) -> float:
    """Return the perplexity, at most a third of the neighbours there are."""
    found = int(inputs.neighbors(neighbors(params)).indices.shape[1])
    if found / 3 >= params.perplexity:
        return params.perplexity
    inputs.notes.append(f"perplexity {found / 3:.3g}: a third of the {found} neighbours there are")
    return found / 3


def _start(inputs: ProjectionInputs, init: str) -> NDArray[np.float64]:
    generator = np.random.default_rng(inputs.seed)
    if init == "random":
        return generator.normal(scale=_FIRST_SPREAD, size=(len(inputs.rows), inputs.dim))
    scores = principal_components(inputs.rows, inputs.dim, inputs.seed).scores
    spread = float(scores[:, 0].std())
    if spread > 0:
        scores = scores * (_FIRST_SPREAD / spread)
    # Points that coincide would never part.
    return scores + generator.normal(scale=0.01 * _FIRST_SPREAD, size=scores.shape)


def _report(inputs: ProjectionInputs, before: int, total: int) -> Callable[[int, float, Any], None]:
    def report(iteration: int, error: float, embedding: Any) -> None:
        done = before + iteration
        inputs.progress(done / total, f"t-SNE: round {done} of {total}")

    return report


def neighbors(params: TsneParams) -> int:
    """How many neighbours of each row are read."""
    return int(np.ceil(3 * params.perplexity))


def seconds(n: int, columns: int, params: TsneParams) -> float:
    """About how long `fit` takes on two cores."""
    rounds = params.early_iterations + params.iterations
    return 1.0 + rounds * (n * params.perplexity * 4e-8 + n * 2e-6 + 0.01) + n * params.perplexity * 1e-5


SPEC = ProjectionSpec(
    name="tsne",
    label="t-SNE",
    params=TsneParams,
    fit=fit,
    seconds=seconds,
    description=(
        "Each row gives its exact nearest neighbours probabilities that fall with the squared Euclidean distance "
        "between unit rows, 2 - 2 cosine, at a width that makes the number of effective neighbours the perplexity; "
        "points are moved until a heavy-tailed law on the map gives about the same probabilities (openTSNE, one "
        "thread; up to 20,000 rows torchdr on a CUDA GPU, with all pairs of points in every round). It starts from "
        "principal components, which keeps some of the large picture. Sizes of clumps and distances between them "
        "say nothing: dense clumps are spread out until all are about equally dense. Another perplexity is another "
        "map: look at several."
    ),
    sources=(
        Source(
            "van der Maaten and Hinton 2008, Visualizing Data using t-SNE",
            "https://jmlr.org/papers/v9/vandermaaten08a.html",
        ),
        Source(
            "Kobak and Berens 2019, The art of using t-SNE for single-cell transcriptomics (start, learning rate)",
            "https://doi.org/10.1038/s41467-019-13056-x",
        ),
        Source(
            "Policar, Strazar and Zupan 2024, openTSNE: A Modular Python Library for t-SNE Dimensionality Reduction",
            "https://doi.org/10.18637/jss.v109.i03",
        ),
    ),
    dims=(2,),
    least_rows=8,
    neighbors=neighbors,
    fit_on_gpu=fit_on_gpu,
    most_gpu_rows=MOST_GPU_ROWS,
)
