"""Layouts by torchdr, on a GPU: the same neighbours, parameters and seed as on the processor."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.errors import MissingDependencyError
from cl_viz.core.specs import ProjectionSpec
from cl_viz.engine.device import resolve_device
from cl_viz.projections._components import principal_components
from cl_viz.projections._inputs import ProjectionInputs
from cl_viz.projections._libraries import layout_library

LIBRARY, EXTRA = "torchdr", "gpu-maps"
MISSING = f"torchdr is not installed, so the processor laid it out; pip install 'cl-viz[{EXTRA}]' for the GPU"
_LEAST_SQUARED = 1e-12
"""Squared distance of copies: PaCMAP divides by it."""
_REPORT_EVERY = 10
"""Rounds between two reports of progress, which are also where a layout can be stopped."""


def layout_device(spec: ProjectionSpec, rows: int, device: str) -> str:
    """Return the GPU that lays a map out, or nothing where the processor does.

    Parameters
    ----------
    spec : ProjectionSpec
    rows : int
    device : str
        As asked for: ``"auto"`` takes a CUDA GPU where there is one and torchdr is installed.

    Raises
    ------
    DeviceError
        If the device is not here.
    MissingDependencyError
        If a CUDA GPU was asked for by name, and torchdr is not installed.
    """
    found = resolve_device(device)
    if found.type != "cuda" or spec.fit_on_gpu is None or rows > (spec.most_gpu_rows or rows):
        return ""
    if importlib.util.find_spec(LIBRARY) is not None:
        return str(found)
    if device == "auto":
        return ""
    raise MissingDependencyError(
        f"{spec.label} on {device} needs {LIBRARY}", where="map",
        remedy=f"pip install 'cl-viz[{EXTRA}]', or device='auto', which falls back to the processor",
    )  # fmt: skip


def notes_on_device(spec: ProjectionSpec, rows: int, device: str, laid_out_on: str) -> tuple[str, ...]:
    """Return what a person should know of where a map was laid out."""
    if laid_out_on:
        return (f"laid out by torchdr on {laid_out_on}",)
    if spec.fit_on_gpu is None or resolve_device(device).type != "cuda":
        return ()
    if spec.most_gpu_rows is not None and rows > spec.most_gpu_rows:
        return (f"laid out by the processor: on a GPU {spec.label} takes at most {spec.most_gpu_rows:,} rows",)
    return (MISSING,)


def lay_out_with_torch(
    inputs: ProjectionInputs,
    device: str,
    method: str,
    neighbors: int,
    rounds: int,
    init: str,
    **settings: Any,
) -> NDArray[np.float32]:
    """Lay rows out by a method of torchdr.

    Parameters
    ----------
    inputs : ProjectionInputs
        Its neighbours take the place of the library's own search.
    device : str
        As torch names it.
    method : str
        Class of torchdr: ``"UMAP"``, ``"TSNE"``, ``"PACMAP"``.
    neighbors : int
        Neighbours of each row that it reads.
    rounds : int
    init : str
        ``"random"``, else principal components.
    **settings
        What the class takes besides.

    Returns
    -------
    NDArray[np.float32], shape (n, dim)
    """
    library = layout_library(LIBRARY, extra=EXTRA)
    target = torch.device(device)
    near = inputs.neighbors(neighbors)
    start = "random" if init == "random" else _spread_components(inputs)
    with warnings.catch_warnings(), _seeded(inputs.seed, target):
        warnings.simplefilter("ignore")
        mapper = _watched(getattr(library, method), inputs, rounds)(
            n_components=inputs.dim, max_iter=rounds, init=start, device=target, backend=None, distributed=False,
            process_duplicates=False, verbose=False, **settings,
        )  # fmt: skip
        # Squared Euclidean distances between unit rows, 2 - 2 s; each method brings them to a scale of its own.
        squared = torch.from_numpy(np.maximum(_LEAST_SQUARED, 2.0 - 2.0 * near.scores)).to(target)
        indices = torch.from_numpy(near.indices.astype(np.int64)).to(target)
        _give_neighbors(mapper.affinity_in, squared, indices)
        layout = mapper.fit_transform(torch.from_numpy(inputs.rows).to(target))
    found: NDArray[np.float32] = layout.detach().cpu().numpy().astype(np.float32)
    return found


def _spread_components(inputs: ProjectionInputs) -> NDArray[np.float64]:
    """Return principal components with a little noise: points that coincide would never part."""
    scores = principal_components(inputs.rows, inputs.dim, inputs.seed).scores
    spread = float(scores[:, 0].std()) or 1.0
    return scores + np.random.default_rng(inputs.seed).normal(scale=0.01 * spread, size=scores.shape)


def _give_neighbors(affinity: Any, squared: torch.Tensor, indices: torch.Tensor) -> None:
    """Have an affinity of torchdr take the engine's neighbours for its own search's."""
    if not hasattr(affinity, "_distance_matrix"):
        raise MissingDependencyError(
            "this release of torchdr cannot be given neighbours", where="map",
            remedy=f"pip install 'cl-viz[{EXTRA}]', which names a release that can",
        )  # fmt: skip

    def given(rows: torch.Tensor, k: Any = None, return_indices: bool = False) -> Any:
        count = min(int(k), indices.shape[1])
        # A method may scale what it is given in place.
        distances = squared[:, :count].clone()
        return (distances, indices[:, :count].clone()) if return_indices else distances

    affinity._distance_matrix = given


def _watched(made: Any, inputs: ProjectionInputs, rounds: int) -> Any:
    """Return a class of torchdr that says how far it is after every few rounds."""

    class Watched(made):  # type: ignore[misc]
        rounds_done = 0

        def on_training_step_end(self) -> None:
            super().on_training_step_end()
            self.rounds_done += 1
            if self.rounds_done % _REPORT_EVERY == 0:
                inputs.progress(min(1.0, self.rounds_done / rounds), f"round {self.rounds_done:,} of {rounds:,}")

    return Watched


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from a seed, with sums in one order where the device has such; the caller's generator is left alone."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
