"""The checkup: every question to every open run, as one paragraph a run and a grid of levels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from cl_viz.core.progress import duration
from cl_viz.core.result import Finding, Quantity, Result
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.dashboard import aspects, cache, errors, finding_lines, state
from cl_viz.dashboard.long_work import LongWork
from cl_viz.dashboard.navigation import SECTIONS, page_path, page_title
from cl_viz.dashboard.sidebar import chip_image
from cl_viz.dashboard.text import escape, short_mark
from cl_viz.diagnostics import DIAGNOSTICS, all_findings

RUNS_IN_A_ROW = 4
_SENTENCE_AND_LINK = (4.0, 1.1)
"""Widths of a finding and of the link to its figures: the longest title of a page fits at 1280."""
SHOWN_PROBLEMS = 4
"""Problems of a run that are read at once; the others are a click away."""
_BETWEEN_DRAWINGS = 1.0
_FIRST_DRAWING = 0.3
_WAIT_AGAIN = 0.5
"""At least so many seconds between drawings, so many before the first, and so much of the time that has passed: each
takes its moment."""
_NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

Results = dict[str, dict[str, Result]]
"""Run -> diagnostic -> result; a diagnostic that failed on a run is missing there."""


def show(runs: Sequence[state.OpenRun]) -> Results:
    """Draw the checkup and return its results; what takes longer is filled in while the rest can be read already."""
    place = st.empty()
    results: Results = {opened.name: {} for opened in runs}
    problems = st.container()
    waiting: list[LongWork] = []
    began = time.monotonic()
    # Where all is kept, one drawing is enough.
    drawn_at = began - _BETWEEN_DRAWINGS + _FIRST_DRAWING
    quick = sorted((spec for spec in DIAGNOSTICS.values() if spec.quick), key=_cost)
    beside = [spec.name for spec in quick]
    for spec in quick:
        for opened in runs:
            with problems, errors.boundary(f"{spec.name} {opened.name}"):
                try:
                    results[opened.name][spec.name] = cache.result(opened, spec.name, {}, beside=beside)
                except LongWork as work:
                    waiting.append(work)
            # Drawing takes a moment itself: it must not become the work.
            now = time.monotonic()
            if now - drawn_at > max(_BETWEEN_DRAWINGS, _WAIT_AGAIN * (drawn_at - began)):
                _draw(place, results)
                drawn_at = time.monotonic()
    # What is known is read while a slow question is answered.
    _add_kept(runs, results)
    _draw(place, results)
    known = sum(map(len, results.values()))
    slow = slow_work(runs, results)
    if sum(map(len, results.values())) > known:
        _draw(place, results)
    if waiting:
        with problems:
            errors.show_long_work(waiting, "checkup")
    offer(slow)
    return results


def _cost(spec: DiagnosticSpec) -> int:
    """Order in which questions are answered: one set first, many snapshots last."""
    return ("set", "layers", "pair", "family", "steps").index(spec.needs)


def _draw(place: DeltaGenerator, results: Results) -> None:
    with place.container():
        paragraphs(results)
        grid(results)


def _add_kept(runs: Sequence[state.OpenRun], results: Results) -> None:
    """Add the results of slow questions that were answered before."""
    for spec, opened in _slow(runs):
        kept = cache.kept_result(opened, spec.name, {})
        if kept is not None:
            results[opened.name][spec.name] = kept


def slow_work(runs: Sequence[state.OpenRun], results: Results) -> dict[str, list[LongWork]]:
    """Add the results of slow questions that were agreed to, and return what it would take to answer the others."""
    slow: dict[str, list[LongWork]] = {}
    for spec, opened in _slow(runs):
        if spec.name in results[opened.name]:
            continue
        with errors.boundary(f"{spec.name} {opened.name}"):
            try:
                results[opened.name][spec.name] = cache.result(opened, spec.name, {}, only_kept=True)
            except LongWork as work:
                slow.setdefault(spec.name, []).append(work)
    return slow


def _slow(runs: Sequence[state.OpenRun]) -> list[tuple[DiagnosticSpec, state.OpenRun]]:
    """Return every slow question with every run."""
    return [(spec, opened) for spec in DIAGNOSTICS.values() if not spec.quick for opened in runs]


def offer(slow: Mapping[str, Sequence[LongWork]]) -> None:
    """Draw a button for each slow question that is not answered yet, with its estimate."""
    if not slow:
        return
    st.header("Slower questions", anchor=False)
    st.caption("They are answered when you ask. The estimates are for all open runs together, on this machine.")
    with st.container(horizontal=True, gap="small"):
        for name, works in slow.items():
            seconds = sum(work.seconds for work in works)
            st.button(
                f"{DIAGNOSTICS[name].title} (about {duration(seconds)})",
                key=f"_compute slow {name}",
                icon=":material/play_arrow:",
                help=escape(DIAGNOSTICS[name].question),
                on_click=state.allow_jobs,
                args=tuple(work.where or "" for work in works),
            )


def take_away(files: Mapping[str, tuple[str, str, Callable[[], str | bytes]]]) -> None:
    """Draw buttons that save what was found; a file is made when its button is pressed.

    Parameters
    ----------
    files : Mapping
        Label -> suffix, what it is in words, and what makes it.
    """
    with st.container(horizontal=True, gap="xsmall"):
        for label, (suffix, meaning, make) in files.items():
            st.download_button(
                label,
                make,
                f"cl_viz-report.{suffix}",
                key=f"report {suffix}",
                icon=":material/download:",
                type="tertiary",
                on_click="ignore",
                help=meaning,
            )


def paragraphs(results: Results) -> None:
    """Say in plain words what was found in each run; the runs with the worst findings first."""
    ordered = sorted(results, key=lambda name: _severity(results[name]), reverse=True)
    for name in ordered:
        findings = all_findings(results[name].values())
        with st.container(border=True, gap="xsmall"):
            missing = sum(spec.quick and spec.name not in results[name] for spec in DIAGNOSTICS.values())
            st.markdown(f"{chip_image(name)} **{escape(name)}**: {summary(findings, missing)}")
            problems = [finding for finding in findings if finding.level in ("bad", "watch")]
            for finding in problems[:SHOWN_PROBLEMS]:
                _problem(finding, name)
            if len(problems) > SHOWN_PROBLEMS:
                with st.expander(f"{len(problems) - SHOWN_PROBLEMS} more", type="compact"):
                    for finding in problems[SHOWN_PROBLEMS:]:
                        _problem(finding, name)


def _problem(finding: Finding, run: str) -> None:
    """Draw a finding, with a link to the figures that show it."""
    spec = DIAGNOSTICS[finding.diagnostic]
    sentence, link = st.columns(_SENTENCE_AND_LINK, gap="small")
    with sentence:
        finding_lines.in_full(finding)
    with link:
        _link(spec, run, page_title(spec.page.rpartition("/")[2]), icon=":material/arrow_forward:")


def _link(spec: DiagnosticSpec, run: str, label: str, icon: str | None = None) -> None:
    """Draw a link to the page of a question, at its figures of a run."""
    st.page_link(
        page_path(spec.page),
        label=label,
        icon=icon,
        query_params={state.RUN_PARAMETER: [run], **aspects.place_in_address(spec)},
        help=f"Open {escape(spec.title)} with {escape(run)}",
        width="content",
    )


def summary(findings: Sequence[Finding], missing: int = 0) -> str:
    """Count what was found, in words; `missing` questions are not computed yet."""
    counts = {level: sum(finding.level == level for finding in findings) for level in ("bad", "watch", "unknown")}
    parts = []
    if counts["bad"]:
        parts.append(f"{_count(counts['bad'])} problem{'s' if counts['bad'] > 1 else ''}")
    if counts["watch"]:
        parts.append(f"{_count(counts['watch'])} thing{'s' if counts['watch'] > 1 else ''} to watch")
    text = " and ".join(parts) or ("no problem found so far" if missing else "no problem found")
    if counts["unknown"]:
        text += f", {_count(counts['unknown'])} question{'s' if counts['unknown'] > 1 else ''} without an answer"
    good = len(findings) - sum(counts.values())
    if missing:
        text += f", {_count(missing)} question{'s' if missing > 1 else ''} not computed yet"
    return f"{text} ({good} of {len(findings)} checks are good)."


def grid(results: Results) -> None:
    """Draw levels: rows are the questions, columns the runs; a cell opens its page with its run."""
    st.header("All questions", anchor=False)
    names = list(results)
    for start in range(0, len(names), RUNS_IN_A_ROW):
        _grid_part(results, names[start : start + RUNS_IN_A_ROW])


def _grid_part(results: Results, names: list[str]) -> None:
    widths = [1.5, *([1] * len(names))]
    with st.container(border=True, gap="xsmall"):
        header = st.columns(widths, vertical_alignment="bottom")
        header[0].markdown("**Question**")
        for column, name in zip(header[1:], names, strict=True):
            column.markdown(f"{chip_image(name)} **{escape(name)}**")
        section = ""
        for spec in sorted(DIAGNOSTICS.values(), key=_menu_place):
            if spec.section != section:
                section = spec.section
                st.markdown(f":small[**{escape(section)}**]")
            cells = st.columns(widths, vertical_alignment="center")
            cells[0].markdown(escape(spec.question))
            for column, name in zip(cells[1:], names, strict=True):
                with column:
                    _cell(spec, name, results[name].get(spec.name))


def _menu_place(spec: DiagnosticSpec) -> tuple[int, int]:
    """Where the page of a question stands in the menu."""
    section, page = spec.page.split("/")
    pages = SECTIONS.get(section, ())
    return list(SECTIONS).index(section), pages.index(page) if page in pages else len(pages)


def _cell(spec: DiagnosticSpec, run: str, result: Result | None) -> None:
    quantity = headline(result) if result is not None else None
    label = short_mark(result.level) if result is not None else ":gray[:material/hourglass: not computed]"
    with st.container(gap=None):
        _link(spec, run, label if quantity is None else f"{label} **{escape(quantity.text().split(' [')[0])}**")
        if quantity is not None:
            st.caption(escape(quantity.label))


def headline(result: Result) -> Quantity | None:
    """Return the one number of a result: that of its worst finding, or its first."""
    named = [finding.quantity for finding in result.findings if finding.quantity in result.quantities]
    quantity = result.quantities.get(named[0]) if named else next(iter(result.quantities.values()), None)
    return quantity if quantity is not None and quantity.value is not None else None


def _severity(by_diagnostic: dict[str, Result]) -> tuple[int, int]:
    levels = [finding.level for finding in all_findings(by_diagnostic.values())]
    return levels.count("bad"), levels.count("watch")


def _count(number: int) -> str:
    return _NUMBER_WORDS[number] if number < len(_NUMBER_WORDS) else f"{number}"
