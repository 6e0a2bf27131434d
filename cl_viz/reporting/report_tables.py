"""The tables of a report, folded: all numbers of a question, and the samples behind it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from cl_viz.core.result import Result, format_number
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import PICTURES, Table

TABLE_ROWS = 20
"""Rows of a table of samples that a report shows."""
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
        rows.append([html.escape(label), *map(html.escape, cells)])
    kind = "numbers" if len(results) <= _MOST_IN_COLUMN else "numbers across"
    return f'<details class="{kind}"><summary>All numbers</summary>{_table(spec.question, heads, rows)}</details>'


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
