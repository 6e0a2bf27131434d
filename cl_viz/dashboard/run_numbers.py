"""The Compare page's table: every number of every run, with which differences are beyond noise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cl_viz.core.result import Finding, Result
from cl_viz.core.view import Table, told
from cl_viz.dashboard import cache, errors, figure_buttons, run_names, state
from cl_viz.dashboard.long_work import LongWork
from cl_viz.dashboard.text import escape
from cl_viz.diagnostics import (
    HOW_TO_READ,
    Pairing,
    Resamples,
    RunTable,
    Shown,
    compared_diagnostics,
    pairing,
    resample,
    resample_seconds,
    tabulate,
)
from cl_viz.engine.scanner import Scanner

Runs = Sequence[state.OpenRun]
ANY = "any run"
NOISE = {"influences": 0, "50 resamples": 50, "200 resamples": 200, "1,000 resamples": 1000}
"""How noise is judged: resamples drawn, 0 for none."""
_UNASKED_SECONDS = 4.0
_A_DIAGNOSTIC = 0.4
"""Seconds a diagnostic of a thousand samples takes, for the estimate of those not computed yet."""
_FIRST = ("dimension_ranks", "spectrum", "isotropy", "class_cosines", "neural_collapse", "data_quality", "lidar")
"""Diagnostics that need no pass over pairs: their numbers are there at once."""
_BETWEEN_DRAWINGS = 1.0
_TABLE_HEIGHT = 560


def all_numbers(
    runs: Runs,
    step: int | None,
    layer: str | None,
    row: DeltaGenerator,
    say: Callable[[Sequence[tuple[Finding, str]]], None],
) -> None:
    """Draw the table of every quick number of every run, filled in while it is computed.

    Parameters
    ----------
    runs : sequence of OpenRun
    step, layer : optional
    row : DeltaGenerator
        The row of the page's controls, to which those of the table are added.
    say : callable
        Draws what is found, each finding with the run it is of, in the place of what it drew before.
    """
    reference = _reference(runs)
    others = [opened.name for opened in runs if opened is not reference]
    cells: Shown = "values"
    by, only, draws = "", False, 0
    if others:
        with row:
            cells, by, only, draws = _table_controls(others)
    else:
        st.info(
            f"Unknown: what differs from {escape(reference.name)}. Show or open a second run in the sidebar to see "
            "which numbers differ beyond noise.",
            icon=":material/help:",
        )
    place, problems = st.empty(), st.container()
    results: dict[str, list[Result]] = {opened.name: [] for opened in runs}
    missing = []
    for name in sorted(compared_diagnostics(), key=lambda name: (name not in _FIRST, name)):
        for opened in runs:
            kept = cache.kept_result(opened, name, {}, step, layer)
            if kept is None:
                missing.append((opened, name))
            else:
                results[opened.name].append(kept)
    pairings = {
        opened.name: pairing(reference.run.get(step, layer), opened.run.get(step, layer), (reference.name, opened.name))
        for opened in runs
        if opened is not reference
    }

    resamples: Resamples | None = None

    def draw() -> tuple[Table, RunTable]:
        table = tabulate(results, pairings, reference.name, resamples)
        view = table.view([row for row in table.sorted_by(by) if not only or row.strength(by) > 1], cells)
        say([(finding, run) for run, finding in table.findings])
        with place.container():
            _draw_table(view, table)
        return view, table

    with problems:
        _compute(missing, results, draw, step, layer)
        if draws and len(runs) > 1:
            draw()
            with errors.boundary("resamples"):
                resamples = _resampled(runs, pairings, reference.name, draws, step, layer)
    _below_table(*draw(), runs, step, layer)


def _resampled(
    runs: Runs, pairings: Mapping[str, Pairing], reference: str, draws: int, step: int | None, layer: str | None
) -> Resamples:
    """Return the numbers on resamples; asked for first where they take long."""
    asked = compared_diagnostics()

    def make(scanner: Scanner, progress: Any) -> Resamples:
        made = [opened.run for opened in runs]
        return resample(
            made, pairings, reference, asked, step=step, layer=layer, draws=draws, device=scanner.device,
            progress=progress,
        )  # fmt: skip

    seconds = resample_seconds([opened.run.get(step, layer) for opened in runs], asked, draws)
    return cache.together(
        runs, f"Judging by {draws:,} resamples", make, what=(reference, draws), step=step, layer=layer, seconds=seconds
    )


def _reference(runs: Runs) -> state.OpenRun:
    reference = state.reference_run()
    return next((opened for opened in runs if reference is not None and opened.name == reference.name), runs[0])


def _table_controls(others: Sequence[str]) -> tuple[Shown, str, bool, int]:
    """Draw what the table shows; return its cells, the run it is sorted by, whether it is cut, and the resamples."""
    shown = st.segmented_control(
        "Cells", get_args(Shown), default="values", required=True, key="cells", bind="query-params",
        help="The numbers themselves, or their differences from the reference run; each with its 95 % interval.",
    )  # fmt: skip
    by = st.selectbox(
        "Sorted by the difference of", [ANY, *others], key="sorted_by", bind="query-params", width=220,
        help="Rows whose difference from the reference is the largest multiple of noise come first.",
    )  # fmt: skip
    noise = st.selectbox(
        "Noise judged by", list(NOISE), key="noise", bind="query-params", width=170,
        help="At once: by the influence of each sample, of numbers that have one. Resamples: every diagnostic is "
        "computed again on other draws of the same samples, the same ones in runs that share them; this takes "
        "longer and judges more numbers.",
    )  # fmt: skip
    only = st.toggle("Only beyond noise", key="only_beyond", bind="query-params")
    return shown or "values", "" if by in (None, ANY) else str(by), only, NOISE.get(str(noise), 0)


def _compute(
    missing: Sequence[tuple[state.OpenRun, str]], results: dict[str, list[Result]], draw: Callable[[], Any],
    step: int | None, layer: str | None,
) -> None:  # fmt: skip
    """Fill in what is missing: at once what takes some seconds, the rest when it is asked for."""
    began = drawn = time.monotonic()
    job = "all numbers"
    for place, (opened, name) in enumerate(missing):
        now = time.monotonic()
        left = numbers_seconds([run for run, _ in missing[place:]], step, layer)
        if now - began > _UNASKED_SECONDS and left > _UNASKED_SECONDS and not state.is_confirmed(job):
            what = f"the other {len(missing) - place:,} of all numbers take"
            errors.show_long_work([LongWork.lasting(what, left, job)], "all numbers")
            return
        with errors.boundary(f"numbers {name} {opened.name}"):
            beside = {asked for run, asked in missing if run is opened}
            results[opened.name].append(cache.result(opened, name, {}, step, layer, beside=beside))
        if now - drawn > _BETWEEN_DRAWINGS:
            draw()
            drawn = time.monotonic()


def numbers_seconds(runs: Runs, step: int | None, layer: str | None) -> float:
    """Return about how long the numbers of runs take that are not computed yet."""
    return sum(_A_DIAGNOSTIC * max(1.0, opened.run.get(step, layer).n / 1000) for opened in runs)


def _draw_table(view: Table, table: RunTable) -> None:
    st.markdown(f"**{escape(told(view))}**")
    frame = pd.DataFrame(dict(view.columns))
    config: dict[str, Any] = {
        table.heading(run): st.column_config.TextColumn(
            table.heading(run).replace(run, short, 1), alignment="right", width=240, help=run_names.tip(run, short)
        )
        for run, short in run_names.told_apart(table.runs).items()
    }
    # Names in full where that leaves every run in sight at a width of 1280.
    config["quantity"] = st.column_config.TextColumn("Quantity", pinned=True, width=280 if len(table.runs) < 3 else 150)
    # Before the runs it would push a third one out of a window of 1280.
    order = ["quantity", *map(table.heading, table.runs)]
    order += [name for name in frame.columns if name not in order]
    config["diagnostic"] = st.column_config.TextColumn("From", width=150)
    config["times noise"] = st.column_config.NumberColumn(
        "Times noise", format="%.1f", help="The largest difference over what noise explains; beyond noise above 1."
    )
    config["noise by"] = st.column_config.TextColumn("Noise by")
    config["why"] = st.column_config.TextColumn("Why not judged, or not paired")
    height: int | Literal["content"] = "content" if len(frame) < 12 else _TABLE_HEIGHT
    st.dataframe(frame, hide_index=True, column_config=config, column_order=order, width="stretch", height=height)


def _below_table(view: Table, table: RunTable, runs: Runs, step: int | None, layer: str | None) -> None:
    if not table.pairings:
        code = f"import cl_viz\n\nrun = {runs[0].expression}\ncl_viz.check(run{where_in_python(step, layer)})"
        figure_buttons.row(view, "figure all numbers", code)
        st.caption(f"N = {runs[0].run.get(step, layer).n:,} samples.")
        return
    code = (
        f"import cl_viz\n\nruns = [{', '.join(opened.expression for opened in runs)}]\n"
        f"cl_viz.compare_runs(runs, reference={table.reference!r}{where_in_python(step, layer)}{_drawn(table)})"
    )
    figure_buttons.row(view, "figure all numbers", code, _explain_table)
    st.caption("  \n".join(escape(line) for line in table.notes))


def _drawn(table: RunTable) -> str:
    return "" if table.resamples is None else f", resamples={table.resamples.draws}, seed={table.resamples.seed}"


def where_in_python(step: int | None, layer: str | None) -> str:
    """Return step and layer as arguments of Python."""
    return "".join(f", {name}={value!r}" for name, value in (("step", step), ("layer", layer)) if value is not None)


def _explain_table() -> None:
    st.markdown(HOW_TO_READ)
