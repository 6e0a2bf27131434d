"""Which samples are selected on the Map page, in each of the runs it shows.

`selected` turns outlines into rows; `current_rows` says what is selected now, for whatever uses a selection elsewhere;
`MapMemory.select` takes rows that were found otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cl_viz.dashboard.map_colouring import Shown
from cl_viz.dashboard.map_memory import MapMemory
from cl_viz.figures.map_colours import Categories, Colouring
from cl_viz.figures.polygon import inside
from cl_viz.projections import Projection

Rows = NDArray[np.bool_]


def selected(
    memory: MapMemory,
    shown: Sequence[Shown],
    colours: Sequence[Colouring],
    elsewhere: Mapping[str, Projection],
) -> list[Rows | None]:
    """Return the selected rows of each map that is shown; None for all where nothing is selected.

    Parameters
    ----------
    memory : MapMemory
    shown : sequence of Shown
    colours : sequence of Colouring
        Of each map; kinds that are hidden are not selected by an outline.
    elsewhere : Mapping[str, Projection]
        Maps of other steps by place: outlines may have been drawn on one of them.
    """
    owner, rows = _owner(memory, shown, elsewhere)
    if rows is None:
        return [None] * len(shown)
    if memory.picked is None:
        rows = rows & visible(memory, colours[owner])
    return [rows if index == owner else carried(rows, shown[owner], entry) for index, entry in enumerate(shown)]


def _owner(memory: MapMemory, shown: Sequence[Shown], elsewhere: Mapping[str, Projection]) -> tuple[int, Rows | None]:
    """Return which map the selection was made on, and its rows there."""
    for index, entry in enumerate(shown):
        if memory.picked is not None and memory.picked_of == entry.opened.name and len(memory.picked) == entry.n:
            return index, memory.picked
        if memory.picked is None and memory.outlines and memory.outlined.startswith(f"{entry.slot}@"):
            projection = entry.projection if memory.outlined == entry.place else elsewhere.get(memory.outlined)
            if projection is not None and projection.dim == 2 and len(projection.coordinates) == entry.n:
                return index, inside([np.array(outline) for outline in memory.outlines], projection.coordinates)
    return 0, None


def visible(memory: MapMemory, colouring: Colouring) -> Rows:
    """Return the rows whose kind is not hidden."""
    if not isinstance(colouring, Categories):
        return np.ones(len(colouring.values), dtype=bool)
    return ~np.isin(colouring.codes, list(memory.hidden))


def carried(rows: Rows, source: Shown, target: Shown) -> Rows:
    """Return the same samples in another map: by id where both sets have ids, else by row where they are as many."""
    first, second = (entry.embedding_set.role("id", entry.view) for entry in (source, target))
    if first is not None and second is not None:
        return np.isin(second.astype(str), first[rows].astype(str))
    return rows if len(rows) == target.n else np.zeros(target.n, dtype=bool)


def clicked_row(memory: MapMemory, shown: Sequence[Shown], colours: Sequence[Colouring]) -> tuple[int, int] | None:
    """Return the map and the row that was clicked: the visible point nearest to the place, or None."""
    for index, (entry, colouring) in enumerate(zip(shown, colours, strict=True)):
        points = entry.projection.coordinates
        if memory.clicked is None or memory.clicked_at != entry.place or len(memory.clicked) != points.shape[1]:
            continue
        distances = np.square(points - np.array(memory.clicked, dtype=np.float32)).sum(axis=1)
        distances[~visible(memory, colouring)] = np.nan
        if np.isfinite(distances).any():
            return index, int(np.nanargmin(distances))
    return None


def current_rows(
    memory: MapMemory, shown: Sequence[Shown], colours: Sequence[Colouring], elsewhere: Mapping[str, Projection]
) -> tuple[Shown, NDArray[np.int64]] | None:
    """Return the map that a selection belongs to and its rows, ascending; None where nothing is selected."""
    owner, _ = _owner(memory, shown, elsewhere)
    rows = selected(memory, shown, colours, elsewhere)[owner]
    return None if rows is None else (shown[owner], np.flatnonzero(rows))
