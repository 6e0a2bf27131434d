"""The Compare page's parts beside the table: one number against another, every pair, and the samples that moved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from cl_viz.core.result import Quantity
from cl_viz.core.view import Table, View, told
from cl_viz.dashboard import cache, drawn_figures, errors, figure_buttons, long_work, panels, state
from cl_viz.dashboard.run_numbers import Runs, numbers_seconds, where_in_python
from cl_viz.dashboard.sample_cards import draw_grid
from cl_viz.dashboard.text import escape
from cl_viz.diagnostics import (
    DIAGNOSTICS,
    MEASURES,
    Point,
    against,
    card_facts,
    changed_neighbors,
    compared_diagnostics,
    run_matrix,
    run_matrix_seconds,
)
from cl_viz.engine.scanner import Scanner
from cl_viz.figures import render

UNIFORMITY, TOLERANCE, TEMPERATURE = (
    "alignment_uniformity.uniformity", "uniformity_tolerance.tolerance", "card.temperature"
)  # fmt: skip
MOST_MOVED = 50


# -- one against another ---------------------------------------------------------------------------------------------
def one_against_another(runs: Runs, step: int | None, layer: str | None) -> None:
    """Draw any number, or fact of the cards, against any other."""
    facts = {opened.name: card_facts(opened.run, step, layer) for opened in runs}
    options = _options(facts)
    usual = (TEMPERATURE if TEMPERATURE in options else TOLERANCE), UNIFORMITY
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        sides = [
            st.selectbox(
                label, list(options), list(options).index(default), key=key, bind="query-params",
                format_func=lambda option: options.get(option, option), width=330,
            )
            for label, key, default in (("Across", "across", usual[0]), ("Upwards", "upwards", usual[1]))
        ]  # fmt: skip
        every = any(len(opened.run.steps) > 1 for opened in runs) and st.toggle(
            "Every step", key="every_step", bind="query-params", help="Each saved step of a run is a point."
        )
    points: list[Point] = []
    absent = []
    for opened in runs:
        with errors.boundary(f"against {opened.name}"):
            found = _points(opened, (str(sides[0]), str(sides[1])), step, layer, every)
            points += found
            absent += [] if found else [opened.name]
    if absent:
        st.caption(escape(f"Not shown, as one of the two is unknown there: {', '.join(absent)}."))
    if points:
        view = against(points)
        _figure(view, "against", runs, _against_lines(runs, sides), _explain_against)


def _options(facts: dict[str, dict[str, Quantity]]) -> dict[str, str]:
    """Return what can be chosen, with its label: facts that a card has, then every declared number."""
    named = dict.fromkeys(key for found in facts.values() for key in found)
    options = {key: f"Card: {key.partition('.')[2]}" for key in named}
    for name in compared_diagnostics():
        spec = DIAGNOSTICS[name]
        options |= {f"{name}.{entry.name}": f"{spec.title}: {entry.label}" for entry in spec.quantities}
    return options


def _points(
    opened: state.OpenRun, sides: tuple[str, str], step: int | None, layer: str | None, every: bool
) -> list[Point]:
    steps = opened.run.steps if every else (step,)
    asked = [key.partition(".")[0] for key in sides if not key.startswith("card.")]
    missing = [opened for name in asked for at in steps if cache.kept_result(opened, name, {}, at, layer) is None]
    job, seconds = f"every step {opened.name} {sides}", numbers_seconds(missing, step, layer)
    long_work.ask_if_long(f"these numbers of every step of {opened.name} take", seconds, job)
    points = []
    for at in steps:
        x, y = (_quantity(opened, key, at, layer) for key in sides)
        if x is not None and y is not None and x.value is not None and y.value is not None:
            points.append(Point(opened.name, x, y))
    return points


def _quantity(opened: state.OpenRun, key: str, step: int | None, layer: str | None) -> Quantity | None:
    if key.startswith("card."):
        return card_facts(opened.run, step, layer).get(key)
    diagnostic, _, name = key.partition(".")
    return cache.result(opened, diagnostic, {}, step, layer).quantities.get(name)


def _against_lines(runs: Runs, sides: Sequence[object]) -> str:
    def value(key: str) -> str:
        diagnostic, _, name = key.partition(".")
        if diagnostic == "card":
            return f"card_facts(run)[{key!r}]"
        return f"cl_viz.diagnose({diagnostic!r}, run)[{name!r}]"

    return (
        "import cl_viz\nfrom cl_viz.diagnostics import Point, against, card_facts\n\n"
        f"runs = [{', '.join(opened.expression for opened in runs)}]\n"
        f"points = [Point(run.name, {value(str(sides[0]))}, {value(str(sides[1]))}) for run in runs]\n"
        "cl_viz.render(against(points), wide=True)"
    )


def _explain_against() -> None:
    st.markdown(
        "Each point is a run, with its 95 % intervals; with *every step*, each saved step of a run. The rank "
        "correlation is Spearman's over the runs' last points, from four runs on. With so few runs it says little of "
        "others: it describes those shown. Runs that differ in more than the one setting mix its effects."
    )


# -- how alike -------------------------------------------------------------------------------------------------------
def every_pair(runs: Runs, step: int | None, layer: str | None, k: int) -> None:
    """Draw the matrix of similarities of all shown runs, where there are three or more."""
    if len(runs) < 3:
        return
    st.header("Every pair of runs", anchor=False)
    labels = {label: key for key, label in MEASURES.items()}
    measure = st.segmented_control(
        "Measure", list(labels), default=next(iter(labels)), required=True, key="measure", bind="query-params"
    )

    def make(scanner: Scanner, progress: Any) -> Any:
        made = [opened.run for opened in runs]
        return run_matrix(made, step=step, layer=layer, k=k, scanner=scanner, progress=progress)

    with errors.boundary("every pair of runs"):
        seconds = run_matrix_seconds([opened.run.get(step, layer) for opened in runs])
        title = "Similarity of every pair of runs"
        found = cache.together(runs, title, make, what=k, step=step, layer=layer, seconds=seconds)
        lines = (
            "import cl_viz\nfrom cl_viz.diagnostics import run_matrix\n\n"
            f"runs = [{', '.join(opened.expression for opened in runs)}]\n"
            f"found = run_matrix(runs, k={k}{where_in_python(step, layer)})\n"
            f"cl_viz.render(found.view({labels[str(measure)]!r}), wide=True)"
        )
        _figure(found.view(labels[str(measure)]), "every pair", runs, lines)
        left_out = [f"Left out: {reason}." for reason in found.left_out.values()]
        st.caption("  \n".join(escape(text) for text in [f"N = {found.count:,}, {found.evidence}", *left_out]))


def moved_samples(shown: panels.Shown, k: int) -> None:
    """Draw a sample whose neighbours changed most, with its neighbours in both runs."""
    reference = state.reference_run()
    having = [(run, result) for run, result in zip(shown.runs, shown.results, strict=True) if "moved" in result.views]
    if not having or reference is None:
        return
    st.header("The samples behind this", anchor=False)
    names = [run.name for run, _ in having]
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        chosen = st.selectbox("Run", names, key="moved_in", bind="query-params", width=240)
        opened, result = having[names.index(chosen) if chosen in names else 0]
        table = result.views["moved"]
        assert isinstance(table, Table)
        rows = np.asarray(table.columns["row"])
        most = min(MOST_MOVED, len(rows))
        place = st.number_input(
            "Sample", 1, most, 1, key="moved_place", bind="query-params", width=130,
            help=f"1 is the sample whose {k} nearest neighbours changed most.",
        )  # fmt: skip
    row = int(rows[min(int(place), most) - 1])
    with errors.boundary("moved samples"):
        before, after = (entry.run.get(shown.step, shown.layer) for entry in (reference, opened))
        change = cache.together(
            (reference, opened), f"Neighbours of row {row:,}",
            lambda scanner, progress: changed_neighbors(before, after, row, k, scanner=scanner, progress=progress),
            what=(row, k), step=shown.step, layer=shown.layer,
        )  # fmt: skip
        st.markdown(
            f"**Row {row:,} keeps {len(change.kept)} of its {len(change.kept) + len(change.lost)} nearest neighbours** "
            f"from {escape(reference.name)} to {escape(opened.name)}."
        )
        groups = (
            ("The sample", [row]),
            ("Near in both", change.kept),
            (f"Near in {reference.name} only", change.lost),
            (f"Near in {opened.name} only", change.gained),
        )
        for title, members in groups:
            if len(members):
                st.markdown(f":small[**{escape(title)}** ({len(members)})]" if title != "The sample" else "")
                draw_grid(reference, before, [int(entry) for entry in members], view=change.views[0], columns=10)
    with st.expander("All samples, those that changed most first", icon=":material/table:"):
        panels.table(shown.only(opened.name), "moved")


def _figure(view: View, name: str, runs: Runs, lines: str, explain: Callable[[], None] | None = None) -> None:
    drawn = render(view, state.theme(), run_colours={opened.name: opened.colour for opened in runs}, wide=True)
    drawn_figures.chart(drawn, f"figure {name}", told(view), panels.MAIN_HEIGHT, wide=True)
    figure_buttons.row(view, f"figure {name}", lines, explain)
