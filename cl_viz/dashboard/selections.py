"""The selections that a session keeps, and the runs in which they stand as groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import InputError
from cl_viz.dashboard import state
from cl_viz.samples import Selection, group_run

MOST = 100
"""Selections of one session."""


@dataclass(frozen=True)
class Kept:
    """A selection, and the run it was made in."""

    selection: Selection
    run: str
    view: str


def keep(opened: state.OpenRun, rows: NDArray[np.bool_], name: str, *, view: str, how: str) -> Kept:
    """Keep some samples of a run under a name; one of the same name is replaced.

    Raises
    ------
    InputError
        If the name cannot be used, nothing is selected, or there are too many already.
    """
    kept = state.selections()
    found = Selection.of(opened.run.get(), rows, name, view=view, how=how)
    if found.name not in kept and len(kept) >= MOST:
        raise InputError(f"{MOST} selections are kept", where="Map", remedy="forget one first")
    made = Kept(found, opened.name, view)
    kept[found.name] = made
    return made


def forget(name: str) -> None:
    """Forget a selection; runs in which it is a group keep it."""
    state.selections().pop(name, None)


def group(runs: Sequence[state.OpenRun], names: Sequence[str]) -> None:
    """Make selections the groups of runs, on every page; runs keep their place and colour.

    Raises
    ------
    InputError
        If a selection does not fit a run.
    """
    chosen = [state.selections()[name].selection for name in names]
    for opened in runs:
        plain = state.ungrouped().get(opened.name, opened)
        read = ", ".join(f"cl_viz.samples.read_selection({entry.name + '.parquet'!r}, run.get())" for entry in chosen)
        made = group_run(plain.run, chosen)
        made.get()  # a selection that does not fit is an error here, not on every page
        expression = f"(lambda run: cl_viz.samples.group_run(run, [{read}]))({plain.expression})"
        state.add_run(made, expression=expression, origin=plain.origin, key=plain.key, replaces=opened.name)
        state.ungrouped()[opened.name] = plain


def ungroup(runs: Sequence[state.OpenRun]) -> None:
    """Give runs the groups back that they came with."""
    for opened in runs:
        plain = state.ungrouped().pop(opened.name, None)
        if plain is not None:
            state.add_run(
                plain.run, expression=plain.expression, origin=plain.origin, key=plain.key, replaces=opened.name
            )
