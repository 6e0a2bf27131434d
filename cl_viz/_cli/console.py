"""The terminal: answers on standard output, everything else on standard error."""

from __future__ import annotations

import re

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cl_viz.core.errors import ClVizError

REPORT_HINT = "This is a mistake in cl_viz. Please report it with the line below and the command that led to it."

OPTIONS = (
    "Here, the options --view, --label, --subclass, --group, --text, --image, --id and --pairs say what the Data page "
    "does; cl-viz info PATH lists arrays and columns."
)
_ELSEWHERE = re.compile(r"Data page|\b(?:views|label|subclass|group|text|image|id|pairs)=")


def answers() -> Console:
    """Return the console of standard output."""
    return Console(highlight=False)


def messages() -> Console:
    """Return the console of standard error."""
    return Console(stderr=True, highlight=False)


def show_error(error: ClVizError) -> None:
    """Show an error as what happened, where, what is allowed and what to do."""
    rows = [("What", error.what), ("Where", error.where), ("Allowed", error.allowed), ("What to do", error.remedy)]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in (*rows, ("", as_options(*(text or "" for _, text in rows)))):
        if text:
            table.add_row(label, Text(text))
    messages().print(Panel(table, title="This cannot be done", title_align="left", border_style="red"))


def as_options(*texts: str) -> str:
    """Return how the command line says what texts say of the Data page or of arguments; empty if they speak of none.

    Errors and findings are worded once, for pages, notebooks and terminals.
    """
    found = any(_ELSEWHERE.search(text) for text in texts)
    return OPTIONS if found else ""


def show_mistake(error: Exception, where: str = "") -> None:
    """Show an error that nobody foresaw, in one line, with the path it happened on where that is known."""
    line = ": ".join(part for part in (where, type(error).__name__, str(error)) if part)
    messages().print(Panel(Text(f"{REPORT_HINT}\n{line}"), title="Unexpected error", title_align="left"))
