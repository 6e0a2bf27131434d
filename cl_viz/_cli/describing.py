"""What `cl-viz info` says of a dump and of a run, and which diagnostics there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cl_viz.core.run import Run
from cl_viz.core.specs import ProjectionSpec
from cl_viz.formats import Inspection


def show_dump(console: Console, found: Inspection) -> None:
    """Print the arrays and columns of a dump, and the views and roles that would be guessed from them."""
    if found.problem:
        _heading(console, f"{found.path}: format {found.format}")
        console.print(Text(f"As it is, this file cannot be opened: {found.problem}", style="red"))
    else:
        _heading(console, f"{found.path}: a dump, format {found.format}")
    arrays = _table("Array", "Shape", "Type", "View")
    views = {array: view for view, array in found.views.items()}
    for name, facts in found.arrays.items():
        _row(arrays, name, " x ".join(f"{size:,}" for size in facts.shape), facts.dtype, views.get(name, ""))
    console.print(arrays)
    if found.columns:
        roles = {column: str(role) for role, column in found.roles.items()}
        columns = _table("Column", "Type", "Entries", "Distinct", "Role", "Examples")
        for name, column in found.columns.items():
            examples = ", ".join(column.examples)
            _row(columns, name, column.dtype, f"{column.size:,}", f"{column.distinct:,}", roles.get(name, ""), examples)
        console.print(columns)
    for note in found.notes:
        console.print(Text(note))


def show_run(console: Console, run: Run) -> None:
    """Print the card of a run, its training steps and its layers; nothing is embedded for this."""
    _heading(console, f"{run.name}: a run, {run.source}")
    card = _table("Card", "")
    for key, value in run.card.items():
        _row(card, key, _plain(value))
    console.print(card)
    steps = ", ".join("not stated" if step is None else f"{step:,}" for step in run.steps)
    layers = ", ".join("not stated" if layer is None else layer for layer in run.layers)
    console.print(Text(f"steps: {steps}"))
    console.print(Text(f"layers: {layers}"))


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)


def _heading(console: Console, text: str) -> None:
    console.print(Text(text, style="bold"))


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))


def show_diagnostics(console: Console) -> None:
    """Print every diagnostic: its name, its question, and its parameters with their ranges."""
    from cl_viz.diagnostics import DIAGNOSTICS

    table = _table("Diagnostic", "Question", "Parameters")
    for spec in DIAGNOSTICS.values():
        parameters = "; ".join(f"{info.name}: {info.allowed}" for info in spec.params.describe())
        _row(table, spec.name, spec.question + ("" if spec.quick else " (slow)"), parameters)
    console.print(table)


def show_methods(console: Console, specs: Sequence[ProjectionSpec]) -> None:
    """Print the methods of mapping: name, dimensions, fewest rows, and parameters with their ranges."""
    table = _table("Method", "Dimensions", "Rows", "Parameters")
    for spec in specs:
        parameters = "; ".join(f"{info.name} = {info.default!r}: {info.allowed}" for info in spec.params.describe())
        _row(table, spec.name, " or ".join(map(str, spec.dims)), f"{spec.least_rows} or more", parameters)
    console.print(table)
