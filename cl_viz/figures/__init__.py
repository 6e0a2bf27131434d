"""View -> plotly figure; theme; colours. The only place that builds figures.

`explore` needs the diagnostics, and with them torch: it is loaded when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cl_viz.figures.comparing import compare
from cl_viz.figures.many_bars import at_ends, below_each_other
from cl_viz.figures.marking import at_step
from cl_viz.figures.notebook import csv_text, python_lines
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import use_theme

if TYPE_CHECKING:
    from cl_viz.figures.exploring import explore

__all__ = [
    "at_ends", "at_step", "below_each_other", "compare", "csv_text", "explore", "python_lines", "render", "use_theme",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "explore":
        from cl_viz.figures.exploring import explore

        return explore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
