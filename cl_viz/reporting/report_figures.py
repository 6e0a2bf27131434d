"""The figures of a report: each in both themes and for paper, under a caption that says what it found on each run."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cl_viz.core.result import Result
from cl_viz.core.view import Heatmap, counted, told
from cl_viz.figures import compare, render
from cl_viz.figures.captions import together, without_title
from cl_viz.figures.many_bars import MANY, at_ends, categories
from cl_viz.figures.theme import THEMES

CHIPS = 8
"""Colours of runs; a ninth run takes the first again."""


class ReportFigures:
    """The figures of a page, each drawn in both themes.

    Parameters
    ----------
    run_colours : Mapping[str, int]
        Number of each run's colour.
    """

    def __init__(self, run_colours: Mapping[str, int]) -> None:
        self.run_colours = run_colours
        self.drawn: list[dict[str, Any]] = []

    def place(self, results: Sequence[Result], views: Sequence[str]) -> str:
        """Draw the views of some runs and return the elements that show them, the first as wide as the page.

        Matrices cannot be laid over each other: with several runs each has its own, side by side.
        """
        shown: list[str] = []
        for view in views:
            having = [result for result in results if view in result.views]
            matrices = len(having) > 1 and isinstance(having[0].views[view], Heatmap)
            for group in [[result] for result in having] if matrices else [having]:
                shown.append(self._figure(group, view, wide=not shown and not matrices, named=len(results) > 1))
        return f'<div class="figures">{"".join(shown)}</div>' if shown else ""

    def _figure(self, results: Sequence[Result], view: str, *, wide: bool, named: bool) -> str:
        found = compare(results, view)
        if len(categories(found)) > MANY:
            found = at_ends(found)
        drawn = {name: self._drawn(found, name, wide) for name in THEMES}
        # On paper every figure is half as wide as the page: labels and axes are laid out anew.
        self.drawn.append(drawn | {"paper": self._drawn(found, "light", False)} if wide else drawn)
        number = len(self.drawn) - 1
        return (
            f"<figure{' class=main' if wide else ''}>{self._caption(results, view, number, named)}"
            f'<div class="plot" data-figure="{number}" role="img" aria-labelledby="caption-{number}"></div></figure>'
        )

    def _drawn(self, view: Any, theme: Any, wide: bool) -> Any:
        return json.loads(without_title(render(view, theme, run_colours=self.run_colours, wide=wide)).to_json())

    def _caption(self, results: Sequence[Result], view: str, number: int, named: bool) -> str:
        shown = [result.views[view] for result in results]
        counts = list(dict.fromkeys(counted(entry) for entry in shown))
        own, several = len(counts) > 1, len(results) > 1
        if several and len({entry.title for entry in shown}) == 1:
            parts = [together(shown[0].title), *([together(", ".join(counts))] if own else [])]
        else:
            parts = [
                (self.chip(result.run) + f"{html.escape(result.run)}: " if named else "")
                + together(told(entry) if own else entry.title)
                for result, entry in zip(results, shown, strict=True)
            ]
        if not own and counts[0]:
            parts[-1] += f" <small>{together(counts[0])}{' in each run' if several else ''}</small>"
        lines = "".join(f"<div>{part}</div>" for part in parts)
        return f'<figcaption id="caption-{number}">{lines}</figcaption>'

    def chip(self, run: str) -> str:
        """Return a square in the colour of a run; what it means stands beside it."""
        return f'<span class="chip chip-{self.run_colours[run] % CHIPS}"></span>'

    def as_json(self) -> str:
        """Return all figures as JSON that cannot end its own script element."""
        return json.dumps(self.drawn, separators=(",", ":")).replace("<", "\\u003c")
