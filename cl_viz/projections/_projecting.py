"""`project`: a set in, a map with its honesty out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.params import Params
from cl_viz.core.progress import ProgressCallback, or_bar, silent
from cl_viz.core.run import Run
from cl_viz.formats import as_set
from cl_viz.projections._cache import MapCache
from cl_viz.projections._honesty import SAMPLE
from cl_viz.projections._inputs import part_of
from cl_viz.projections._making import MapMaker, as_projection, needs_neighbors
from cl_viz.projections._projection import Projection
from cl_viz.projections._requests import checked_request, known_method, made_params

if TYPE_CHECKING:
    from cl_viz.formats import Source

LAYOUT_PART = 0.9
"""Where the layout ends on the way from 0 to 1, what the map keeps coming after it."""


def project(
    data: EmbeddingSet | Run | Source,
    method: str = "umap",
    *,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
    device: str = "auto",
    every_error: bool = False,
    cache: bool = True,
    progress: ProgressCallback | None = None,
) -> Projection:
    """Make a map of the rows of one view, by cosine.

    Parameters
    ----------
    data : EmbeddingSet or Run, path, or what is in memory
        Of a run the last step and the first layer are taken; what is no set or run is loaded as `cl_viz.load` does.
    method : str
        Name in `cl_viz.projections.PROJECTIONS`: ``"pca"``, ``"umap"``, ``"tsne"``, ``"pacmap"``.
    dim : int
        Dimensions of the map, 2 or 3 where the method can.
    view : str, optional
        By default the first.
    params : mapping or Params, optional
        Parameters of the method; the others keep the papers' defaults.
    seed : int
        0 or above. The same set, parameters and seed give the same map.
    device : str
        Where the neighbours are found and the map is laid out: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``,
        ``"mps"``. On a CUDA GPU torchdr lays out (``pip install 'cl-viz[gpu-maps]'``); without it ``"auto"`` falls
        back to the processor, and the notes say so.
    every_error : bool
        Work out the error of every point. Without it a map of more than 5,000 rows by a method that needs no
        neighbours, PCA, is judged by 2,000 rows that are drawn, each compared with all: no pass over all pairs.
    cache : bool
        Keep the map and the neighbours on disk, and take them from there next time.
    progress : callable, optional
        Called with fraction and message; may raise `Cancelled` to stop.

    Returns
    -------
    Projection
        One point a row, with trustworthiness, neighbour recall and each point's error.

    Raises
    ------
    InputError
        If the method, the view, the dimension or a parameter is not known or out of range, or a method gets too few
        usable rows.
    DeviceError
        If the device is not here.
    MissingDependencyError
        If the method's library is not installed.
    ClVizError
        If the library fails, or lays rows out at points that are not finite.
    """
    embedding_set = as_set(data)
    request = checked_request(embedding_set, method, dim, view, params, seed, device)
    maker = MapMaker.of_set(request, embedding_set, MapCache(cache))
    progress = or_bar(progress, f"Map of {embedding_set.name}")
    layout = maker.layout(part_of(progress, 0.0, LAYOUT_PART))
    kept = maker.kept(layout, every_error, part_of(progress, LAYOUT_PART, 1.0))
    progress(1.0, "done")
    return as_projection(layout, kept, request, embedding_set)


def lay_out(
    data: EmbeddingSet | Run | Source,
    method: str = "umap",
    *,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
    device: str = "auto",
    cache: bool = True,
    progress: ProgressCallback = silent,
) -> Projection:
    """Make a map as `project` does, without working out what it keeps: `judge` does that afterwards."""
    embedding_set = as_set(data)
    request = checked_request(embedding_set, method, dim, view, params, seed, device)
    layout = MapMaker.of_set(request, embedding_set, MapCache(cache)).layout(progress)
    return as_projection(layout, None, request, embedding_set)


def judge(
    projection: Projection,
    data: EmbeddingSet | Run,
    *,
    every_error: bool = False,
    device: str = "auto",
    cache: bool = True,
    progress: ProgressCallback = silent,
) -> Projection:
    """Work out what a map keeps of the neighbourhoods.

    Parameters
    ----------
    projection : Projection
        Of `project`, `lay_out` or `project_aligned`; it is returned as it is where everything is known.
    data : EmbeddingSet or Run
        What it is a map of.
    every_error, device, cache, progress
        See `project`.

    Raises
    ------
    InputError
        If it is a map of another set.
    """
    embedding_set = data.get() if isinstance(data, Run) else data
    if projection.fingerprint != embedding_set.fingerprint:
        raise InputError(
            f"a map of {projection.name} and the set {embedding_set.name}", where="judge", allowed="a map and its set"
        )
    if projection.complete or (projection.judged and not every_error):
        return projection
    request = checked_request(
        embedding_set, projection.method, projection.dim, projection.view, projection.params, projection.seed, device
    )
    layout = {"coordinates": projection.coordinates[projection.usable], "seconds": projection.seconds, "notes": ()}
    kept = MapMaker.of_set(request, embedding_set, MapCache(cache)).kept(layout, every_error, progress)
    found = as_projection(layout, kept, request, embedding_set)
    return replace(
        projection, trustworthiness=found.trustworthiness, neighbor_recall=found.neighbor_recall, error=found.error,
        notes=(*projection.notes, *(note for note in kept["kept_notes"] if note not in projection.notes)), judged=True,
    )  # fmt: skip


def find_kept(
    embedding_set: EmbeddingSet,
    method: str = "umap",
    *,
    dim: int = 2,
    view: str | None = None,
    params: Mapping[str, Any] | Params | None = None,
    seed: int = 0,
) -> Projection | None:
    """Return the map that `project` would take from the disk, or None; nothing is computed. Raises as `project`.

    Where what it keeps is not on disk, the map has not been judged.
    """
    request = checked_request(embedding_set, method, dim, view, params, seed)
    cache, fingerprint = MapCache(), embedding_set.fingerprint
    layout = cache.find(fingerprint, request.key)
    if layout is None:
        return None
    kept = cache.find(fingerprint, request.kept_key(True)) or cache.find(fingerprint, request.kept_key(False))
    return as_projection(layout, kept, request, embedding_set)


def estimate(n: int, dim: int, method: str = "umap", params: Mapping[str, Any] | Params | None = None) -> float:
    """Return about how many seconds a map takes on two cores: neighbours, layout and what it keeps.

    Parameters
    ----------
    n, dim : int
        Rows and columns of the set.
    method, params
        See `project`.

    Returns
    -------
    float
        From constants measured on two cores; without the first start of a worker process. A CUDA GPU takes less.
    """
    return estimate_layout(n, dim, method, params) + estimate_judging(n, dim, method)


def estimate_layout(n: int, dim: int, method: str, params: Mapping[str, Any] | Params | None = None) -> float:
    """Return about how many seconds `lay_out` takes; see `estimate`."""
    spec = known_method(method)
    searched = 0.0 if spec.neighbors is None else _search_seconds(n, dim)
    return searched + spec.seconds(n, dim, made_params(spec, params))


def estimate_judging(n: int, dim: int, method: str, every_error: bool = False) -> float:
    """Return about how many seconds `judge` takes; the neighbours that a layout has found are at hand."""
    spec = known_method(method)
    new_search = needs_neighbors(spec, n, every_error) and spec.neighbors is None
    of_all = 2e-5 * n if needs_neighbors(spec, n, every_error) else 5e-7 * n
    return of_all + min(n, SAMPLE) * n * (dim * 3e-11 + 1e-8) + (_search_seconds(n, dim) if new_search else 0.0)


def _search_seconds(n: int, columns: int) -> float:
    # The first pass over many pairs waits for its compiled loops.
    return (0.5 if n > 2000 else 0.0) + n * n * (columns * 4e-11 + 4e-9)
