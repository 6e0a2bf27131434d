"""`Finding`: one plain sentence about what was found, with its level; and several of them, worst first."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cl_viz.core.notebook_html import LEFT, SMALL, chip

if TYPE_CHECKING:
    import pandas as pd

Level = Literal["bad", "watch", "unknown", "good"]
LEVELS: tuple[Level, ...] = ("bad", "watch", "unknown", "good")
"""Worst first; `unknown` means that an input is missing, never that something is wrong."""


@dataclass(frozen=True)
class Source:
    """Where a definition or a threshold comes from.

    Attributes
    ----------
    citation : str
        Authors, year, short title.
    url : str
        Stable address (DOI or arXiv); shown as a link, never fetched.
    """

    citation: str
    url: str = ""


@dataclass(frozen=True)
class Finding:
    """One plain sentence about what was found.

    Attributes
    ----------
    diagnostic : str
        Name of the diagnostic that says so.
    level : {"bad", "watch", "unknown", "good"}
    message : str
        One sentence with the number and its N.
    advice : str
        What to try, or what to add.
    source : Source or None
        Who says that this number matters.
    quantity : str
        Name of the quantity it rests on.
    """

    diagnostic: str
    level: Level
    message: str
    advice: str = ""
    source: Source | None = None
    quantity: str = ""

    def __repr__(self) -> str:
        return " ".join(part for part in (f"{self.level} ({self.diagnostic}):", self.message, self.advice) if part)

    def _repr_html_(self) -> str:
        return f"<p>{chip(self.level)} {self.as_html()}</p>"

    def as_html(self) -> str:
        """Return message and advice as HTML."""
        advice = f" <i>{html.escape(self.advice)}</i>" if self.advice else ""
        return f"{html.escape(self.message)}{advice}"


class Findings(tuple[Finding, ...]):
    """Findings as they stand, worst first where they come from a result; a tuple that a notebook shows as a table."""

    __slots__ = ()

    def table(self) -> pd.DataFrame:
        """Return a pandas frame with a row a finding: diagnostic, level, message, advice, quantity, source."""
        import pandas as pd

        columns = ["diagnostic", "level", "message", "advice", "quantity", "source"]
        rows = [
            (entry.diagnostic, entry.level, entry.message, entry.advice, entry.quantity, _cited(entry.source))
            for entry in self
        ]
        return pd.DataFrame(rows, columns=columns)

    def of(self, *levels: Level) -> Findings:
        """Return those of some levels."""
        return Findings(entry for entry in self if entry.level in levels)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self)) or "no findings"

    def _repr_html_(self) -> str:
        return self.as_html(diagnostics=True)

    def as_html(self, *, diagnostics: bool = False) -> str:
        """Return a table: level, diagnostic where asked for, message with advice and, unless so, its source."""
        rows = "".join(
            f"<tr><td {LEFT}>{chip(entry.level)}</td>"
            + (f"<td {LEFT}><code>{html.escape(entry.diagnostic)}</code></td>" if diagnostics else "")
            + f"<td {LEFT}>{entry.as_html()}{'' if diagnostics else _linked(entry.source)}</td></tr>"
            for entry in self
        )
        return f"<table>{rows}</table>"


def _cited(source: Source | None) -> str:
    return "" if source is None else " ".join(filter(None, (source.citation, source.url)))


def _linked(source: Source | None) -> str:
    if source is None:
        return ""
    cited = html.escape(source.citation)
    if source.url.startswith(("https://", "http://")):
        cited = f'<a href="{html.escape(source.url)}" target="_blank" rel="noopener">{cited}</a>'
    return f"<br><span {SMALL}>{cited}</span>"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by level, worst first, keeping their order within a level."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))
