"""What a notebook shows of an object: a heading above a small table of facts."""

from __future__ import annotations

import html
from collections.abc import Mapping

_MOST_FACTS = 40
_MOST_LETTERS = 200


def fact_table(heading: str, facts: Mapping[str, object]) -> str:
    """Return a heading and a table as HTML; everything is escaped, what is long is shortened.

    Parameters
    ----------
    heading : str
    facts : Mapping
        What stands beside each name; facts that are None or empty text are left out.
    """
    told = {name: str(value) for name, value in facts.items() if value is not None and str(value)}
    rows = "".join(
        f'<tr><th style="text-align:left">{_escaped(str(name))}</th>'
        f'<td style="text-align:left">{_escaped(told[name])}</td></tr>'
        for name in list(told)[:_MOST_FACTS]
    )
    more = f"<small>and {len(told) - _MOST_FACTS:,} more</small>" if len(told) > _MOST_FACTS else ""
    return f"<p><b>{_escaped(heading)}</b></p><table>{rows}</table>{more}"


def _escaped(text: str) -> str:
    return html.escape(text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 3]}...")
