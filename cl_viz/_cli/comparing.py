"""`cl-viz compare`: several runs side by side, and which of their numbers differ beyond noise."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

import cl_viz
from cl_viz._cli.checking import each_target, named_apart, open_with_bar
from cl_viz._cli.opening import Choices
from cl_viz._cli.progress import progress_bar
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.result import format_number
from cl_viz.diagnostics import RunTable
from cl_viz.engine.scanner import Scanner
from cl_viz.reporting import as_comparison, as_text

_STYLES = {"worse": "bold red", "better": "green", "different": ""}


def compare_targets(
    targets: Sequence[str],
    baseline: str | None,
    choices: Choices,
    *,
    step: int | None,
    layer: str | None,
    device: str,
    resamples: int,
    seed: int,
) -> tuple[RunTable | None, int, int]:
    """Compare runs; return the table, how many targets cannot be used, and on how many cl_viz itself failed.

    There is no table where fewer than two targets can be used, or the baseline cannot.

    Parameters
    ----------
    targets : sequence of str
        The first is the reference, unless another is named.
    baseline : str, optional
        The reference: one of the targets, the name of one of their runs, or one more target.
    choices : Choices
        How every dump is to be read.
    step, layer, device, resamples, seed : optional
    """
    failed: list[Exception] = []
    opened = each_target(list(dict.fromkeys(targets)), lambda target: open_with_bar(target, choices), failed)
    reference = targets[0] if baseline is None else baseline
    names = {run.name: target for target, run in opened.items()}
    if reference not in targets and reference not in names:
        opened = {**each_target([reference], lambda target: open_with_bar(target, choices), failed), **opened}
    reference = reference if reference in opened else names.get(reference, reference)
    runs = named_apart(opened)
    mistakes = sum(not isinstance(error, ClVizError) for error in failed)
    if len(runs) < 2 and not failed:
        raise InputError(
            f"got {len(runs)} run", where="cl-viz compare", allowed="two runs or more",
            remedy="name a second path; a path that stands twice is one run",
        )  # fmt: skip
    if reference not in runs or len(runs) < 2:
        return None, len(failed) - mistakes, mistakes
    with progress_bar("comparing") as report:
        table = cl_viz.compare_runs(
            list(runs.values()), reference=runs[reference].name, step=step, layer=layer, resamples=resamples, seed=seed,
            scanner=Scanner(device), progress=report,
        )  # fmt: skip
    return table, len(failed) - mistakes, mistakes


def write_comparison(table: RunTable) -> None:
    """Write a comparison as JSON on standard output."""
    sys.stdout.write(as_text(as_comparison(table)) + "\n")


def show_runs(console: Console, table: RunTable, reference: str) -> None:
    """Print what differs from the reference beyond noise, the most first, and what was not judged."""
    changes, others = _changes(table), list(table.pairings)
    # The one run that is compared stands in the title, where it does not take the room of the numbers.
    alone = len(others) == 1
    shown = Table(
        title=Text(f"Against {reference}{f', {others[0]}' if alone else ''}: changes beyond noise"),
        title_justify="left", title_style="bold",
    )  # fmt: skip
    for column in (*(() if alone else ("Run",)), "Quantity", "Before", "Now", "Noise", "N", "Change"):
        shown.add_column(column)
    for run, row in changes:
        moved = row.differences[run]
        before, after = row.value(table.reference), row.value(run)
        assert before is not None
        assert after is not None
        numbers = (format_number(value) for value in (before, after, abs(moved.value) / moved.strength))
        direction = row.direction(run)
        said = Text(direction if moved.holds else f"may be {direction}", style=_STYLES[direction])
        owner = () if alone else (Text(run),)
        shown.add_row(
            *owner, Text(_told_apart(row, table)), *map(Text, numbers), Text(_counted(row, table.reference, run)), said
        )
    if shown.row_count:
        console.print(shown)
    else:
        console.print(Text(f"Against {reference}: nothing changed beyond noise."))
    for line in _said_below(table):
        console.print(Text(line, style="dim"))


def _said_below(table: RunTable) -> list[str]:
    without = sum(entry.interval is None and entry.value != 0 for entry in table.differences)
    return [
        *(finding.message for _, finding in table.findings),
        f"{table.title}. {without:,} more differ and have no interval.",
        "Noise: half the width of the 95 % interval of the difference.",
        *table.notes,
        *(["Draw them with --resamples 200."] if table.resamples is None else []),
    ]


def _counted(row: cl_viz.diagnostics.QuantityRow, *runs: str) -> str:
    """Return the N of a quantity in these runs, once where it is the same."""
    counts = (row.quantities[run].n for run in runs)
    return ", ".join(dict.fromkeys("" if n is None else f"{n:,}" for n in counts))


def _told_apart(row: cl_viz.diagnostics.QuantityRow, table: RunTable) -> str:
    """Return the label of a quantity, with its diagnostic where another one has a quantity of that label."""
    alike = {other.title for other in table.rows if other.label == row.label}
    return f"{row.label} ({row.title})" if len(alike) > 1 else row.label


def _changes(table: RunTable) -> list[tuple[str, cl_viz.diagnostics.QuantityRow]]:
    found = [(run, row) for row in table.rows for run, entry in row.differences.items() if entry.beyond_noise]
    return sorted(found, key=lambda entry: (not entry[1].differences[entry[0]].holds, -entry[1].strength(entry[0])))
