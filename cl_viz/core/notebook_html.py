"""Pieces of what notebooks show: tables, and the level of a finding, readable on a light and on a dark page."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterable, Sequence

LEFT = 'style="text-align:left;vertical-align:top"'
"""Of a cell: notebooks set text to the right by themselves."""
SMALL = 'style="font-size:.85em;opacity:.8"'
"""Of what stands below the numbers."""
# Each has a contrast of 4.5 to white text, so that it does not matter what the page behind is.
_COLOURS = {"bad": "#b3261e", "watch": "#8a5a00", "unknown": "#5f6368", "good": "#1b6e3c"}
_SIGNS = {"bad": "✕", "watch": "△", "unknown": "?", "good": "✓"}


def chip(level: str) -> str:
    """Return a level as a word with its sign on its colour."""
    look = "color:#fff;border-radius:4px;padding:0 6px;white-space:nowrap;font-weight:600;font-size:.9em"
    return f'<span style="background:{_COLOURS[level]};{look}">{_SIGNS[level]} {level}</span>'


def cells(heads: Sequence[str], rows: Iterable[Sequence[str]], *, code: Collection[int] = ()) -> str:
    """Return a table of text; everything is escaped. Columns whose place is in `code` hold names of a program."""
    head = "".join(f"<th {LEFT}>{html.escape(entry)}</th>" for entry in heads)

    def cell(place: int, entry: str) -> str:
        shown = html.escape(entry)
        return f"<td {LEFT}>{f'<code>{shown}</code>' if place in code else shown}</td>"

    body = "".join(f"<tr>{''.join(cell(place, entry) for place, entry in enumerate(row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def folded(summary: str, content: str) -> str:
    """Return what is shown when somebody asks for it, under a line that is always there."""
    return f'<details><summary style="cursor:pointer">{html.escape(summary)}</summary>{content}</details>'
