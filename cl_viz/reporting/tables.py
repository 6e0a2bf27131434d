"""Results as one long table, and as Markdown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cl_viz.core.quantity_table import quantity_table
from cl_viz.core.result import Finding, Result
from cl_viz.diagnostics import RunTable, all_findings
from cl_viz.reporting.comparing import beyond_noise

if TYPE_CHECKING:
    import pandas as pd


def quantities_table(runs: Sequence[Sequence[Result]]) -> pd.DataFrame:
    """Return every quantity of every run as one row.

    Parameters
    ----------
    runs : sequence of sequence of Result
        The results of each run.

    Returns
    -------
    pandas.DataFrame
        With the columns of `cl_viz.core.quantity_table.quantity_table`.
    """
    return quantity_table(result for results in runs for result in results)


def parquet_bytes(runs: Sequence[Sequence[Result]]) -> bytes:
    """Return the table of quantities as a Parquet file."""
    buffer = io.BytesIO()
    quantities_table(runs).to_parquet(buffer, index=False)
    return buffer.getvalue()


def markdown_text(runs: Sequence[Sequence[Result]], differences: RunTable | None = None) -> str:
    """Return findings, what differs between the runs, and quantities as Markdown, for issues, pull requests and notes.

    Parameters
    ----------
    runs : sequence of sequence of Result
        The results of each run.
    differences : RunTable, optional
        What differs between them, as `compare_found` makes it.
    """
    parts = ["# What cl_viz found", "", *([] if differences is None else _differences(differences))]
    for results in runs:
        if not results:
            continue
        parts += [f"## {_plain(results[0].run)}", "", f"{_plain(results[0].caveats.lines()[0])}", ""]
        parts += [_line(finding) for finding in all_findings(results)]
        parts += ["", "| Quantity | Value |", "|---|---|"]
        for result in results:
            parts += [
                f"| {_plain(quantity.label)} | {_plain(quantity.text())} |" for quantity in result.quantities.values()
            ]
        parts.append("")
    return "\n".join(parts)


def _differences(table: RunTable) -> list[str]:
    """Return the lines that tell what differs between the runs beyond noise, the most first."""
    rows = beyond_noise(table)
    parts = ["## How do the runs differ?", ""]
    parts += [f"- **{finding.level}** {_plain(finding.message)}" for _, finding in table.findings]
    parts += ["", f"{_plain(table.title)}.", ""]
    if rows:
        heads = ["Quantity", "From", *map(table.heading, table.runs), "Times noise"]
        parts += [_cells(heads), "|---" * len(heads) + "|"]
        parts += [_cells([row.label, row.title, *map(row.cell, table.runs), f"{row.strength():.1f}"]) for row in rows]
        parts.append("")
    return [*parts, *(f"{_plain(line)}  " for line in table.notes), ""]


def _cells(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, texts))} |"


def _line(finding: Finding) -> str:
    advice = f" *{_plain(finding.advice)}*" if finding.advice else ""
    source = f" ({_plain(finding.source.citation)})" if finding.source else ""
    return f"- **{finding.level}** {_plain(finding.message)}{advice}{source}"


def _plain(text: str) -> str:
    """Return text in which Markdown finds nothing to do."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|~$" else letter for letter in text.replace("\n", " "))
