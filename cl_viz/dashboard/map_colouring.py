"""What the points of the Map page can be coloured by: a metadata column, the map's own error, a number a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from cl_viz.core.embedding_set import Column, EmbeddingSet, Role
from cl_viz.core.run import Snapshot
from cl_viz.dashboard import cache, state
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.diagnostics import SAMPLE_QUANTITIES, available_quantities
from cl_viz.engine.memory import array_bytes
from cl_viz.figures.map_colours import Categories, Colouring, Scale, by_entries, by_numbers, colour_column
from cl_viz.projections import Projection

ERROR = "error of the map"
"""Share of a sample's nearest neighbours that the map loses."""
ONE_COLOUR = "one colour"
_KEPT_BYTES = 5e8
_LOOKED_AT = 1000
_FIRST: tuple[Role, ...] = ("label", "group", "subclass")
_NOT_COLOURS: tuple[Role, ...] = ("image", "text")


@dataclass(frozen=True)
class Shown:
    """One of the maps that are shown, with all that belongs to it.

    Attributes
    ----------
    slot : str
    opened : OpenRun
    embedding_set : EmbeddingSet
    view : str
    snapshot : Snapshot
        Step and layer of the set.
    frame : str
        What its coordinates are in.
    projection : Projection
    """

    slot: str
    opened: state.OpenRun
    embedding_set: EmbeddingSet
    view: str
    snapshot: Snapshot
    frame: str
    projection: Projection

    @property
    def step(self) -> str:
        """Its step as text, for the address."""
        return str(self.snapshot.step)

    @property
    def place(self) -> str:
        """Name of its coordinates in the address."""
        return f"{self.slot}@{self.step}"

    @property
    def n(self) -> int:
        """Rows of its view."""
        return len(self.projection.coordinates)


@st.cache_resource(show_spinner=False, scope="session")
def _store() -> BoundedStore[object]:
    return BoundedStore(_KEPT_BYTES, array_bytes)


def options(embedding_set: EmbeddingSet, view: str) -> list[str]:
    """Return what can be chosen, the label first; pictures and texts are no colours, names of single samples last."""
    columns = embedding_set.columns(view)
    first = [name for role in _FIRST if (name := embedding_set.roles.get(role, "")) in columns]
    left_out = {embedding_set.roles.get(role) for role in _NOT_COLOURS}
    named = [name for name in columns if name not in first and name not in left_out and columns[name].ndim == 1]
    single = [name for name in named if _hardly_repeats(columns[name])]
    named = [name for name in named if name not in single]
    quantities = [SAMPLE_QUANTITIES[name].label for name in available_quantities(embedding_set, view)]
    found = list(dict.fromkeys([*first, *named, ERROR, *quantities, *single]))
    return found if first or named else [ONE_COLOUR, *found]


def _hardly_repeats(column: Column) -> bool:
    """Whether a column of text has an entry of its own for most samples, as far as the first of them tell."""
    if column.dtype.kind not in "UO":
        return False
    looked_at = column[:_LOOKED_AT].tolist()
    return len(looked_at) > 1 and 2 * len(set(map(str, looked_at))) > len(looked_at)


def no_colours(shown: Sequence[Shown]) -> list[Colouring]:
    """Return one colour for all samples of the maps."""
    return _split(_of_column(ONE_COLOUR, shown), shown)


def colourings(choice: str, shown: Sequence[Shown], step: int | None, layer: str | None) -> list[Colouring]:
    """Return the colours of each map, in one legend.

    Parameters
    ----------
    choice : str
        One of `options`.
    shown : sequence of Shown
    step, layer : optional
        Of the runs.

    Returns
    -------
    list of Colouring
        A map whose set lacks the choice is of one kind, `no entry`.

    Raises
    ------
    LongWork, Cancelled, ClVizError
        As `cache.sample_quantity`, where the choice is a number that each sample has.
    """
    if any(choice in entry.embedding_set.columns(entry.view) for entry in shown) or choice == ONE_COLOUR:
        key = ("colours", choice, tuple((entry.embedding_set.fingerprint, entry.view) for entry in shown))
        kept = _store().get(key)
        if kept is None:
            kept = _store().put(key, _of_column(choice, shown))
        return _split(kept, shown)  # type: ignore[arg-type]
    if choice == ERROR:
        return _split(
            by_numbers(choice, np.concatenate([entry.projection.error for entry in shown]), (0.0, 1.0)), shown
        )
    name = next((spec.name for spec in SAMPLE_QUANTITIES.values() if spec.label == choice), "")
    found = [cache.sample_quantity(entry.opened, name, entry.view, step, layer) for entry in shown]
    unit = f" ({found[0].unit})" if found[0].unit else ""
    return _split(by_numbers(f"{choice}{unit}", np.concatenate([each.values for each in found])), shown)


def _of_column(choice: str, shown: Sequence[Shown]) -> Colouring:
    if choice == ONE_COLOUR:
        return by_entries("samples", np.repeat("all samples", sum(entry.n for entry in shown)))
    columns = [entry.embedding_set.columns(entry.view).get(choice) for entry in shown]
    # Numbers that are labels are kinds, however many they are.
    is_kind = any(entry.embedding_set.roles.get(role) == choice for entry in shown for role in _FIRST)
    make = by_entries if is_kind else colour_column
    if len(columns) == 1 and columns[0] is not None:
        return make(choice, columns[0])
    parts = [
        np.full(entry.n, None, dtype=object) if column is None else column
        for entry, column in zip(shown, columns, strict=True)
    ]
    kinds = {part.dtype.kind for part in parts}
    mixed = parts if len(kinds) == 1 else [part.astype(object) for part in parts]
    return make(choice, np.concatenate(mixed))


def _split(joint: Colouring, shown: Sequence[Shown]) -> list[Colouring]:
    """Give each map its rows of colours that were made for all maps together."""
    ends = np.cumsum([entry.n for entry in shown])[:-1]
    if isinstance(joint, Scale):
        return [Scale(joint.label, part, joint.low, joint.high) for part in np.split(joint.values, ends)]
    return [
        Categories(joint.label, joint.names, part, joint.distinct, joint.grey) for part in np.split(joint.codes, ends)
    ]
