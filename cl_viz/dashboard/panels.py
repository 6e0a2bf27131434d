"""What pages are made of: findings, figures with their explanations, tables, caveats, empty states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import streamlit as st

from cl_viz.core.result import Result, caveat_paragraphs, format_number
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.threshold import READ_FROM
from cl_viz.core.view import Heatmap, Lines, SeriesView, Table, View, told
from cl_viz.dashboard import (
    cache,
    drawn_figures,
    errors,
    figure_buttons,
    finding_lines,
    forms,
    pair_links,
    run_names,
    state,
    table_columns,
)
from cl_viz.dashboard.text import cite, escape, read_out
from cl_viz.figures import compare, python_lines
from cl_viz.figures.clicking import with_targets
from cl_viz.figures.heatmap import tallest
from cl_viz.figures.many_bars import MANY, MOST, categories, tall

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MAIN_HEIGHT = 440
"""Pixels of a main figure: more than half of a window of 1280 x 800."""
SIDE_HEIGHT = 370
_ROOM_FOR_LEGEND = 50
"""Pixels that the legend of three runs or more takes from a figure of half the page's width."""
_SHORT_TABLE = 8


@dataclass(frozen=True)
class Shown:
    """What a page shows of one diagnostic: the results of the ticked runs, and how they were asked for.

    Attributes
    ----------
    spec : DiagnosticSpec
    runs : tuple of OpenRun
        Runs that have a result, in the order of `results`.
    results : tuple of Result
    params : Mapping
    step, layer : optional
    """

    spec: DiagnosticSpec
    runs: tuple[state.OpenRun, ...]
    results: tuple[Result, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    step: int | None = None
    layer: str | None = None

    def only(self, name: str) -> Shown:
        """Return what is shown of one run."""
        kept = [(run, result) for run, result in zip(self.runs, self.results, strict=True) if run.name == name]
        runs, results = (tuple(run for run, _ in kept), tuple(result for _, result in kept))
        return Shown(self.spec, runs, results, self.params, self.step, self.layer)


def question(spec: DiagnosticSpec) -> None:
    """Draw the page's title: the question it answers."""
    st.title(spec.question, anchor=False)


def ask(
    spec: DiagnosticSpec, runs: Sequence[state.OpenRun], *, step: int | None = None, layer: str | None = None
) -> Shown:
    """Return the results of a diagnostic on some runs, with the parameters that the controls hold.

    A run whose result cannot be had gets an error box; the others are shown.
    """
    params = forms.chosen(spec, runs)
    having, results = [], []
    for opened in runs:
        with errors.boundary(f"{spec.name} {opened.name}"):
            results.append(cache.result(opened, spec.name, params, step, layer))
            having.append(opened)
    forms.say_settled(results)
    return Shown(spec, tuple(having), tuple(results), params, step, layer)


def no_runs() -> None:
    """Say what to do where no run is open or shown."""
    if state.open_runs():
        st.info("No run is shown. Tick one in the sidebar.", icon=":material/visibility_off:")
    else:
        st.info("No run is open. Open a sample, a file or an upload on the Data page.", icon=":material/database:")
        st.page_link("pages/start/data.py", label="Open a run", icon=":material/add:")


def findings(*shown: Shown) -> None:
    """Draw the findings of all runs and diagnostics, worst first: three in a line each, and all in full on demand."""
    finding_lines.box(
        [(finding, result.run) for part in shown for result in part.results for finding in result.findings]
    )


def figure(
    shown: Shown,
    view_name: str,
    *,
    quantity: str = "",
    height: int = MAIN_HEIGHT,
    log_y: bool = False,
    explained: bool = True,
    marked: int | None = None,
    leads_to_pairs: bool = False,
    wide: bool | None = None,
) -> None:
    """Draw one figure of all shown runs, with its row of quiet buttons.

    Parameters
    ----------
    shown : Shown
    view_name : str
        Key of `Result.views`; runs that lack it are left out, and a figure that no run has is not drawn.
    quantity : str
        What the title compares, with several runs.
    height : int
        Pixels.
    log_y : bool
        Logarithmic vertical axis.
    explained : bool
        Whether "How to read this" is among the buttons.
    marked : int, optional
        A training step that is marked in a figure over training.
    leads_to_pairs : bool
        Whether a click gives a link to the pairs behind that place.
    wide : bool, optional
        Whether it is as wide as the page; by default a figure of the main height is.
    """
    wide = height >= MAIN_HEIGHT if wide is None else wide
    drawn_runs = [run for run, result in zip(shown.runs, shown.results, strict=True) if view_name in result.views]
    colours = {run.name: run.colour for run in drawn_runs}
    if not drawn_runs:
        return
    steps = {run.name: [step for step in run.run.steps if step is not None] for run in drawn_runs}
    mark = None if marked is None else (marked, steps)
    key = f"figure {shown.spec.name} {view_name}"
    if len(drawn_runs) > 2 and not wide:
        height += _ROOM_FOR_LEGEND
    bars = _bars_control(key, shown, view_name)
    view, drawn = drawn_figures.of_results(shown.results, view_name, quantity, colours, log_y, mark, wide, bars)
    targets = with_targets(drawn, view) if leads_to_pairs else drawn
    _chart(targets, key, view, height, bars, wide=wide, clicked=leads_to_pairs)
    if leads_to_pairs:
        params = {info.name: info.default for info in shown.spec.params.describe()} | dict(shown.params)
        pair_links.offer(key, drawn_runs, params, shown.step, shown.layer)
    lines = python_lines(
        shown.spec.name,
        [run.expression for run in drawn_runs],
        view_name,
        quantity=quantity,
        params=shown.params,
        step=shown.step,
        layer=shown.layer,
        others=_others(shown.spec, drawn_runs),
        theme=state.theme(),
        run_colours=_colours_to_name(colours, view),
        log_y=log_y,
        marked=marked if isinstance(view, (Lines, Heatmap)) else None,
        wide=wide,
        bars=bars,
    )
    figure_buttons.row(
        view if not bars else compare(shown.results, view_name, quantity),
        key,
        lines,
        partial(explanation, shown.spec) if explained else None,
    )


def _chart(
    drawn: Figure, key: str, view: View, height: int, bars: drawn_figures.BarsShown, *, wide: bool, clicked: bool
) -> None:
    """Draw the chart itself; bars below each other scroll within its height."""
    place = st.container()
    if isinstance(view, Heatmap):
        height = min(height, tallest(view))
    if bars == "below_each_other":
        place, height = st.container(height=height, border=False), max(height, tall(view))
    with place:
        drawn_figures.chart(drawn, key, told(view), height, wide=wide, clicked=clicked)


def _bars_control(key: str, shown: Shown, view_name: str) -> drawn_figures.BarsShown:
    """Draw the choice between both ends and all of the bars where they are many; return what is done to them."""
    count = max(len(categories(result.views[view_name])) for result in shown.results if view_name in result.views)
    if count <= MANY:
        return ""
    # Not "all": a diagnostic may show the largest of more.
    every = f"Each of the {count:,}" if count <= MOST else f"{MOST:,} of {count:,}"
    chosen = st.segmented_control(
        "Categories", ["Lowest and highest", every], default="Lowest and highest", required=True, key=f"bars {key}",
        label_visibility="collapsed", persist_state="page",
    )  # fmt: skip
    return "below_each_other" if chosen == every else "at_ends"


def _others(spec: DiagnosticSpec, runs: Sequence[state.OpenRun]) -> list[str]:
    """Return the expressions of the runs that the shown ones are compared with."""
    found = (entry for run in runs for entry in cache.compared_with(spec, run))
    return list(dict.fromkeys(entry.expression for entry in found))


def _colours_to_name(colours: Mapping[str, int], view: View) -> dict[str, int] | None:
    """Return the runs' colours where a notebook would not choose the same by itself."""
    in_order = list(colours.values()) == list(range(len(colours))) or len(colours) == 1
    return None if in_order and not _coloured_by_run(view) else dict(colours)


def _coloured_by_run(view: View) -> bool:
    """Whether a figure of one run takes the run's colour: where its curves have no meaning of their own."""
    return isinstance(view, SeriesView) and {entry.meaning for entry in view.series} - {"reference"} == {"other"}


def explanation(spec: DiagnosticSpec) -> None:
    """Explain a diagnostic: definition, formula, reading, traps, limits, quantities with their ranges, sources."""
    st.markdown("**Definition**")
    st.markdown(spec.definition)
    # One formula a line: side by side they would be cut off.
    lines = spec.formula.replace(r", \quad", r" \\[6pt]")
    st.latex(rf"\begin{{gathered}} {lines} \end{{gathered}}")
    st.markdown("**Reading**")
    st.markdown(spec.reading)
    st.markdown("**Traps**")
    st.markdown(spec.traps)
    if spec.thresholds:
        st.markdown("**Limits**")
        st.markdown(READ_FROM)
        st.markdown("\n".join(f"- **{escape(found.what)}**: {escape(found.told())}" for found in spec.thresholds))
    st.markdown("**Quantities**")
    st.markdown(
        "\n".join(f"- **{escape(q.label)}**{_range(q.range, q.unit)}: {escape(q.definition)}" for q in spec.quantities)
    )
    st.markdown("**Sources**")
    st.markdown("\n".join(f"- {cite(source)}" for source in spec.sources))


def explained(spec: DiagnosticSpec) -> None:
    """Draw the button that explains a diagnostic whose figures stand together."""
    with st.popover(read_out("How to read this", spec.title), type="tertiary", icon=":material/menu_book:"):
        explanation(spec)


def _range(ends: tuple[float, float] | None, unit: str) -> str:
    text = "" if ends is None else f"{format_number(ends[0])} to {format_number(ends[1])}"
    joined = ", ".join(part for part in (text, unit) if part)
    return f" ({escape(joined)})" if joined else ""


def quantities(shown: Shown) -> None:
    """Draw all numbers, on demand: rows are quantities, columns runs; intervals stand in the same cell."""
    with st.expander("All numbers", icon=":material/format_list_numbered:"):
        _quantity_table(shown)


def _quantity_table(shown: Shown) -> None:
    names = list(dict.fromkeys(name for result in shown.results for name in result.quantities))
    labels = {name: next(r.quantities[name].label for r in shown.results if name in r.quantities) for name in names}
    table: dict[str, list[str]] = {"Quantity": [labels[name] for name in names]}
    for result in shown.results:
        table[result.run] = [result.quantities[name].text() if name in result.quantities else "" for name in names]
    config = {
        name: st.column_config.TextColumn(short, alignment="right", help=run_names.tip(name, short))
        for name, short in run_names.told_apart(list(table)[1:]).items()
    }
    config["Quantity"] = st.column_config.TextColumn("Quantity", pinned=True)
    st.dataframe(pd.DataFrame(table), hide_index=True, column_config=config, width="stretch", height="content")


def table(shown: Shown, view_name: str) -> None:
    """Draw a table of the first shown run that has it; pictures stand in their cells."""
    result = next((entry for entry in shown.results if view_name in entry.views), None)
    if result is None:
        return
    view = result.views[view_name]
    assert isinstance(view, Table)
    owner = f" ({escape(result.run)})" if len(state.open_runs()) > 1 else ""
    st.markdown(f"{escape(told(view))}{owner}")
    columns = {name: np.asarray(values) for name, values in view.columns.items()}
    columns = {name: values for name, values in columns.items() if table_columns.says_something(values)}
    config = {name: table_columns.column(name, values) for name, values in columns.items()}
    frame = pd.DataFrame(columns)
    height: int | Literal["content"] = SIDE_HEIGHT if len(frame) > _SHORT_TABLE else "content"
    st.dataframe(frame, hide_index=True, column_config=config, width="stretch", height=height, row_height=40)


def caveats(shown: Shown) -> None:
    """Draw what the numbers rest on: the first facts in a line, all of them on demand."""
    if not shown.results:
        return
    paragraphs = caveat_paragraphs(shown.results)
    facts = paragraphs[0].split(" · ")
    with st.expander(f"Rests on: {escape(facts[0] or shown.results[0].caveats.lines()[0])}", type="compact"):
        st.caption("  \n".join(escape(text) for text in paragraphs))


def samples(shown: Shown, view_name: str) -> None:
    """Draw the samples behind a figure, of the reference run, where there are any."""
    if has_view(shown, view_name):
        st.header("The samples behind this", anchor=False)
        table(one_of(shown, view_name), view_name)


def say_whose(shown: Shown, one: Shown, what: str = "The figures show") -> None:
    """Say of which run the figures of one run are, where several are shown."""
    if len(shown.results) < 2:
        return
    reference, name = state.reference_run(), one.results[0].run
    is_reference = reference is not None and reference.name == name
    why = "the reference run of the sidebar" if is_reference else "as the reference run of the sidebar shows none"
    st.caption(f"{what} {escape(name)}, {why}; the numbers are of all shown runs.")


def one_of(shown: Shown, view_name: str) -> Shown:
    """Return what is shown of one run that has a figure: the reference run, or else the first."""
    having = [result.run for result in shown.results if view_name in result.views]
    reference = state.reference_run()
    return shown.only(reference.name if reference is not None and reference.name in having else having[0])


def has_view(shown: Shown, view_name: str) -> bool:
    """Whether any shown result has this figure."""
    return any(view_name in result.views for result in shown.results)
