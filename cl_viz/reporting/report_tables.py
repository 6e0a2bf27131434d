"""The tables of a report: what differs between runs, and, folded, all numbers of a question and its samples."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

import numpy as np

from cl_viz.core.result import Result, format_number
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import PICTURES, Table
from cl_viz.diagnostics import QuantityRow, RunTable
from cl_viz.reporting.comparing import beyond_noise

TABLE_ROWS = 20
"""Rows of a table of samples, or of differences between runs, that a report shows unfolded."""
_MOST_IN_COLUMN = 4
"""Runs whose numbers fit into half of a sheet of paper."""


def numbers_table(spec: DiagnosticSpec, results: Sequence[Result]) -> str:
    """Return every number of a question, a row each, and a column for each run; empty where there is none."""
    names = dict.fromkeys(name for result in results for name in result.quantities)
    if not names:
        return ""
    heads = ["Quantity", *(result.run for result in results)]
    rows = []
    for name in names:
        label = next(result.quantities[name].label for result in results if name in result.quantities)
        cells = [result.quantities[name].text() if name in result.quantities else "not computed" for result in results]
        rows.append([html.escape(label), *map(_unbroken, cells)])
    kind = "numbers" if len(results) <= _MOST_IN_COLUMN else "numbers across"
    return f'<details class="{kind}"><summary>All numbers</summary>{_table(spec.question, heads, rows)}</details>'


def differences_table(table: RunTable) -> str:
    """Return the quantities that differ from the reference beyond noise, the most first, and, folded, every one."""
    rows = beyond_noise(table)
    title = f"<p><b>{html.escape(table.title)}.</b></p>"
    shown = _table(table.title, _heads(table), _rows(table, rows[:TABLE_ROWS])) if rows else ""
    rest = f"<p>The {TABLE_ROWS} of {len(rows):,} that differ most.</p>" if len(rows) > TABLE_ROWS else ""
    every = _table("All quantities of all runs", [*_heads(table), "Why not judged, or not paired"],
                   _rows(table, table.sorted_by(), why=True))  # fmt: skip
    folded = f"<details><summary>All {len(table.rows):,} quantities of all runs</summary>{every}</details>"
    return f"{title}{shown}{rest}{folded}"


def _heads(table: RunTable) -> list[str]:
    return ["Quantity", "From", *map(table.heading, table.runs), "Times noise", "Noise by"]


def _rows(table: RunTable, rows: Sequence[QuantityRow], *, why: bool = False) -> list[list[str]]:
    """Return the cells of rows as HTML."""
    return [
        [
            html.escape(row.label),
            html.escape(row.title),
            *(_unbroken(row.cell(run)) for run in table.runs),
            "" if math.isnan(row.strength()) else f"{row.strength():.1f}",
            html.escape(row.noise),
            *([html.escape(row.reason)] if why else []),
        ]
        for row in rows
    ]


def _unbroken(cell: str) -> str:
    """Return a value with its interval as HTML that no line break parts inside the brackets."""
    return re.sub(r"\[[^\]]*\]", lambda found: f'<span class="together">{found[0]}</span>', html.escape(cell))


def samples_table(view: Table, run: str) -> str:
    """Return a table of one run, its first `TABLE_ROWS` rows."""
    columns = {name: np.asarray(values)[:TABLE_ROWS] for name, values in view.columns.items()}
    rows = [[_entry(value) for value in row] for row in zip(*columns.values(), strict=True)]
    total = len(next(iter(view.columns.values()), ()))
    rest = f"<p>The first {TABLE_ROWS} of {total:,} rows.</p>" if total > TABLE_ROWS else ""
    title = f"{view.title} ({run})"
    table = _table(title, list(columns), rows)
    return f"<details><summary>{html.escape(title)}</summary>{table}{rest}</details>"


def _table(name: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; `rows` are HTML, and the first cell of each names it."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    return (
        f'<div class="wide"><table aria-label="{html.escape(name, quote=True)}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _entry(value: object) -> str:
    if isinstance(value, float | np.floating):
        return format_number(float(value))
    text = str(value)
    if text.startswith(PICTURES):
        return f'<img src="{html.escape(text, quote=True)}" alt="the sample" height="32">'
    return html.escape(text)
