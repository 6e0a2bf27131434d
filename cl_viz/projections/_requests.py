"""What a map is asked for by, checked; the methods there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.params import Params
from cl_viz.core.registry import Registry
from cl_viz.core.specs import ProjectionSpec
from cl_viz.engine.rows import check_usable
from cl_viz.projections._torch_layouts import LIBRARY, layout_device

PROJECTIONS: Registry[ProjectionSpec] = Registry("cl_viz.projections", ProjectionSpec)


@dataclass(frozen=True)
class MapRequest:
    """A map that was asked for, checked.

    Attributes
    ----------
    method, dim, view, seed, device
        See `project`.
    params : Params
    laid_out_on : str
        The GPU that lays it out; nothing where the processor does.
    """

    method: str
    dim: int
    view: str
    params: Params
    seed: int
    device: str = "auto"
    laid_out_on: str = ""

    @property
    def spec(self) -> ProjectionSpec:
        """The method."""
        return PROJECTIONS[self.method]

    @property
    def key(self) -> dict[str, Any]:
        """Everything the layout depends on besides the set."""
        found = {
            "map": self.method, "dim": self.dim, "view": self.view, "params": self.params.as_dict(), "seed": self.seed,
        }  # fmt: skip
        return {**found, "laid out by": LIBRARY} if self.laid_out_on else found

    def kept_key(self, every_error: bool) -> dict[str, Any]:
        """Everything that what the map keeps depends on besides the set."""
        return {**self.key, "kept": "every error" if every_error else "usual"}


def checked_request(
    embedding_set: EmbeddingSet, method: str, dim: int, view: str | None, params: Mapping[str, Any] | Params | None,
    seed: int, device: str = "auto",
) -> MapRequest:  # fmt: skip
    """Return a request whose every part can be used; raises as `project`, without computing anything."""
    spec = known_method(method)
    if dim not in spec.dims:
        raise InputError(f"dim = {dim!r}", where=spec.name, allowed=" or ".join(map(str, spec.dims)))
    view = view or embedding_set.view_names[0]
    if view not in embedding_set.views:
        raise InputError(f"no view {view!r}", where=embedding_set.name, allowed=", ".join(embedding_set.view_names))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
        raise InputError(f"seed = {seed!r}", where="project", allowed="a whole number from 0 to 2,147,483,647")
    laid_out_on = layout_device(spec, len(embedding_set.views[view]), device)
    return MapRequest(method, int(dim), view, made_params(spec, params), int(seed), device, laid_out_on)


def known_method(method: str) -> ProjectionSpec:
    """Return the spec of a method; raises `InputError` naming those there are."""
    if method not in PROJECTIONS:
        raise InputError(f"no method {method!r}", where="project", allowed=", ".join(PROJECTIONS))
    return PROJECTIONS[method]


def made_params(spec: ProjectionSpec, params: Mapping[str, Any] | Params | None) -> Params:
    """Return the parameters of a method from what was given; raises `InputError` where they are not its own."""
    if isinstance(params, Params):
        if not isinstance(params, spec.params):
            raise InputError(
                f"parameters of the type {type(params).__name__}", where=spec.name, allowed=spec.params.__name__
            )
        return params
    return spec.params.make(dict(params or {}))


def check_rows(embedding_set: EmbeddingSet, request: MapRequest, usable: int) -> None:
    """Raise where a view has too few usable rows for the method."""
    check_usable(embedding_set, request.view, usable)
    if usable < request.spec.least_rows:
        raise InputError(
            f"view {request.view!r} has {usable} usable rows",
            where=f"{request.spec.label} of {embedding_set.name}",
            allowed=f"{request.spec.least_rows} or more",
            remedy="use the method pca, or add samples",
        )
