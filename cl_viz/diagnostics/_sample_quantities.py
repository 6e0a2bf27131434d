"""`sample_quantities`: numbers that each sample has, to colour a map by, to sort a table by, to select with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.diagnostics._running import as_run
from cl_viz.diagnostics._sample_measures import (
    SAMPLE_QUANTITIES,
    Asked,
    SampleQuantityParams,
    SampleQuantitySpec,
    Values,
    has_positives,
)
from cl_viz.engine.inputs import SetInputs, gather
from cl_viz.engine.scanner import Scanner

if TYPE_CHECKING:
    from cl_viz.encoders import Target


@dataclass(frozen=True, eq=False)
class SampleQuantity:
    """One number a row.

    Attributes
    ----------
    name, label, unit, definition, range
        See `SampleQuantitySpec`.
    values : NDArray[np.float64], shape (N,)
        In the order of the view's rows; NaN where it is unknown. Read-only.
    view : str
    note : str
        What it depends on: neighbours, temperature, which pairs are negatives.
    """

    name: str
    label: str
    unit: str
    definition: str
    range: tuple[float, float] | None
    values: Values
    view: str
    note: str = ""

    @property
    def n(self) -> int:
        """Rows that have it."""
        return int(np.isfinite(self.values).sum())

    def __repr__(self) -> str:
        return f"SampleQuantity({self.name!r}, view={self.view!r}, N={self.n:,} of {len(self.values):,})"


def sample_quantities(
    data: Target,
    names: Sequence[str] | None = None,
    *,
    view: str | None = None,
    params: Mapping[str, Any] | SampleQuantityParams | None = None,
    scanner: Scanner | None = None,
    progress: ProgressCallback = silent,
) -> dict[str, SampleQuantity]:
    """Return numbers that each sample has.

    Parameters
    ----------
    data : EmbeddingSet or Run, path, or what is in memory
        What `cl_viz.open_run` takes. Of a run the last step and the first layer are taken, and the
        temperature of its card.
    names : sequence of str, optional
        Names in `cl_viz.diagnostics.SAMPLE_QUANTITIES`; by default all that the set has the inputs for. Those that
        need passes over all pairs take their time: ask for what is wanted.
    view : str, optional
        Whose rows; by default the first.
    params : mapping or SampleQuantityParams, optional
        ``k``, ``temperature``, ``negative_views``, ``rho``, ``smallest``, ``largest``.
    scanner : Scanner, optional
        Keeps neighbours and passes for whoever asks next.
    progress : callable

    Returns
    -------
    dict of SampleQuantity
        By name, in the order asked for.

    Raises
    ------
    InputError
        On an unknown name, view or parameter.
    MissingInputError
        If a quantity asked for by name lacks its input: labels, a second view, more rows.
    """
    run = as_run(data)
    inputs = gather("set", run, scanner=scanner, progress=progress)
    assert isinstance(inputs, SetInputs)
    embedding_set = inputs.embedding_set
    view = view or embedding_set.view_names[0]
    if view not in embedding_set.views:
        raise InputError(f"no view {view!r}", where=embedding_set.name, allowed=", ".join(embedding_set.view_names))
    unknown = [name for name in names or () if name not in SAMPLE_QUANTITIES]
    if unknown:
        raise InputError(f"no quantity {unknown[0]!r}", where="sample_quantities", allowed=", ".join(SAMPLE_QUANTITIES))
    if not isinstance(params, SampleQuantityParams):
        made = SampleQuantityParams.make(dict(params or {}), dict(inputs.card))
        assert isinstance(made, SampleQuantityParams)
        params = made
    if params.smallest >= params.largest:
        raise InputError(
            f"smallest = {params.smallest:g} is not below largest = {params.largest:g}", where="sample_quantities",
            allowed="smallest below largest",
        )  # fmt: skip
    chosen = list(dict.fromkeys(names)) if names is not None else available_quantities(embedding_set, view, params.k)
    asked = Asked(inputs, view, params, tuple(chosen))
    return {name: _quantity(SAMPLE_QUANTITIES[name], asked) for name in chosen}


def available_quantities(embedding_set: EmbeddingSet, view: str, k: int = 10) -> list[str]:
    """Return the names of the quantities that a view has the inputs for."""
    lacking: set[str] = set()
    if embedding_set.role("label", view) is None:
        lacking.add("labels")
    if not has_positives(embedding_set, view):
        lacking.add("two_views")
    if int(embedding_set.usable_rows[view].sum()) <= k:
        lacking.add("neighbors")
    return [name for name, spec in SAMPLE_QUANTITIES.items() if not lacking & set(spec.needs)]


def _quantity(spec: SampleQuantitySpec, asked: Asked) -> SampleQuantity:
    values = spec.compute(asked)
    values.setflags(write=False)
    return SampleQuantity(
        spec.name, spec.label, spec.unit, spec.definition, spec.range, values, asked.view, asked.note(spec)
    )
