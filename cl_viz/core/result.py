"""`Result`: what a diagnostic found, as numbers with intervals, figures as data, findings and caveats."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from cl_viz.core.drawing import drawn
from cl_viz.core.finding import LEVELS, Finding, Findings, Level, Source, worst_first
from cl_viz.core.named import Named
from cl_viz.core.notebook_html import SMALL, cells
from cl_viz.core.quantity import Interval, Quantity, format_number, influence_interval
from cl_viz.core.quantity_table import quantity_table
from cl_viz.core.view import Bars, Histogram, Lines, Scatter, View

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

__all__ = [
    "LEVELS", "Caveats", "Finding", "Findings", "Interval", "Level", "Quantity", "Result", "Source",
    "caveat_paragraphs", "format_number", "influence_interval", "worst_first",
]  # fmt: skip


def caveat_paragraphs(results: Sequence[Result]) -> list[str]:
    """Return what the numbers of one or more results rest on: what is the same for all once, then each run's own."""
    every = [result.caveats.lines() for result in results]
    common = [line for line in every[0] if all(line in lines for lines in every)]
    own = [
        (result.run, [line for line in lines if line not in common])
        for result, lines in zip(results, every, strict=True)
    ]
    return [" · ".join(common), *(f"{run}: {' · '.join(lines)}" for run, lines in own if lines)]


@dataclass(frozen=True)
class Caveats:
    """What a number rests on; shown beside every figure.

    Attributes
    ----------
    n_used, n_excluded : int
        Samples in the statistics; samples left out as NaN, infinite or zero.
    dim : int
        D of the embeddings.
    views : tuple of str
    layer, step : str / int or None
        None where the input does not say.
    normalised, centred : bool
        What was done to the rows before the statistics.
    seed : int or None
        None where nothing was drawn at random.
    notes : tuple of str
        Anything else a careful reader asks.
    """

    n_used: int
    n_excluded: int
    dim: int
    views: tuple[str, ...]
    layer: str | None = None
    step: int | None = None
    normalised: bool = True
    centred: bool = False
    seed: int | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """Return the caveats as short sentences."""
        facts = [
            f"N = {self.n_used:,} samples, D = {self.dim}, views: {', '.join(self.views)}",
            f"layer: {self.layer or 'not stated'}, step: {'not stated' if self.step is None else f'{self.step:,}'}",
            f"rows {'normalised to unit length' if self.normalised else 'not normalised'}, "
            f"{'centred' if self.centred else 'not centred'}",
            f"seed: {'nothing is drawn at random' if self.seed is None else self.seed}",
            f"excluded rows (NaN, infinite or zero): {self.n_excluded:,}",
        ]
        return [*facts, *self.notes]


_HINT = "<code>.figure(name)</code> draws one, <code>.table()</code> gives the numbers as a pandas frame."


@dataclass(frozen=True)
class Result:
    """What one diagnostic found on one input.

    Attributes
    ----------
    diagnostic, run : str
        Names of the diagnostic and of the run.
    quantities : Mapping[str, Quantity]
        By name; ``result["auc"]`` is short for ``result.quantities["auc"]``.
    views : Mapping[str, View]
        Figures as data; the first is the main one. Each is given the N it rests on, where it has none.
    findings : Findings
        Worst first; a tuple.
    caveats : Caveats
    params : Mapping[str, Any]
        As they were given.
    settled : Mapping[str, str]
        What came out of those that left the choice to the data.
    """

    diagnostic: str
    run: str
    quantities: Mapping[str, Quantity]
    views: Mapping[str, View]
    findings: tuple[Finding, ...]
    caveats: Caveats
    params: Mapping[str, Any] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", Findings(worst_first(self.findings)))
        object.__setattr__(self, "quantities", Named("quantity", self.diagnostic, self.quantities))
        counted = {
            name: view if view.n is not None else replace(view, n=self._units(view))
            for name, view in self.views.items()
        }
        object.__setattr__(self, "views", Named("figure", self.diagnostic, counted))

    def _units(self, view: View) -> int:
        """Return how many units a view rests on: what all its curves state, else the samples of the result.

        Pairs are counted by their samples, which are what varies: no more units than rows of all views.
        """
        curves = view.series if isinstance(view, Histogram | Lines | Bars | Scatter) else ()
        stated = {entry.n for entry in curves if entry.meaning != "reference"}
        only = stated.pop() if len(stated) == 1 else None
        n_used = self.caveats.n_used
        return n_used if only is None or only > n_used * len(self.caveats.views) else only

    def __getitem__(self, quantity: str) -> Quantity:
        return self.quantities[quantity]

    @property
    def level(self) -> Level:
        """Worst level among the findings."""
        return self.findings[0].level if self.findings else "unknown"

    def table(self) -> pd.DataFrame:
        """Return the quantities as a pandas frame.

        Returns
        -------
        pandas.DataFrame
            A row a quantity, by name; ``value``, ends of its interval (``low``, ``high``, ``level``), ``unit``, ``n``,
            ``unit_of_n``, ``missing``, and the snapshot it is of. Numbers behind a figure: ``views[name].table()``.
        """
        return quantity_table([self]).drop(columns=["run", "diagnostic"]).set_index("quantity")

    def figure(self, name: str = "", theme: str | None = None, **look: Any) -> go.Figure:
        """Draw one of the figures, as `cl_viz.render` does.

        Parameters
        ----------
        name : str
            Key of ``views``; by default the first.
        theme : {"light", "dark"}, optional
            By default the one that `cl_viz.use_theme` set, at first light.
        **look
            As for `cl_viz.render`.

        Returns
        -------
        plotly.graph_objects.Figure
            ``write_html(path)`` and ``write_image(path)`` save it.

        Raises
        ------
        InputError
            If there is no such figure, or nothing to draw at all.
        """
        return drawn(self.views[name or next(iter(self.views), "")], theme, **look)

    def __repr__(self) -> str:
        return f"Result({self.diagnostic!r}, run={self.run!r}, level={self.level!r}, N={self.caveats.n_used})"

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.quantities)

    def _repr_html_(self) -> str:
        heading = html.escape(f"{self.diagnostic}: {self.run}")
        figures = ", ".join(f"<code>{html.escape(name)}</code>" for name in self.views)
        told = f"<p>Figures: {figures}. {_HINT}</p>" if figures else ""
        caveats = html.escape(" · ".join(self.caveats.lines()))
        numbers = quantity_cells(self.quantities) if self.quantities else ""
        return f"<h4>{heading}</h4>{Findings(self.findings).as_html()}{numbers}{told}<p {SMALL}>{caveats}</p>"


def quantity_cells(quantities: Mapping[str, Quantity]) -> str:
    """Return quantities as a table of HTML: name, label, value with its interval, unit, what to compare with, and N."""

    def compared(entry: Quantity) -> str:
        if entry.reference is None:
            return ""
        said = f" ({entry.reference_label})" if entry.reference_label else ""
        return f"{format_number(entry.reference)}{said}"

    def counted(entry: Quantity) -> str:
        return "" if entry.n is None else f"{entry.n:,}" + f" {entry.unit_of_n}" * (entry.unit_of_n != "samples")

    return cells(
        ("name", "quantity", "value", "unit", "compare with", "N"),
        [
            (name, entry.label, entry.text(), entry.unit, compared(entry), counted(entry))
            for name, entry in quantities.items()
        ],
        code=(0,),
    )
