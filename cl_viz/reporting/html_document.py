"""One self-contained HTML page: the same findings and figures as in the dashboard, readable without a network."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import groupby

from cl_viz import __version__
from cl_viz.core.result import Finding, Result, caveat_paragraphs
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import Table
from cl_viz.diagnostics import DIAGNOSTICS, HOW_TO_READ, RunTable, all_findings
from cl_viz.figures.captions import together
from cl_viz.figures.theme import THEMES
from cl_viz.reporting.explaining import explanation, markdown, source_link
from cl_viz.reporting.report_figures import CHIPS, ReportFigures
from cl_viz.reporting.report_tables import differences_table, numbers_table, samples_table

SECTIONS = ("Start", "Scores", "Temperature", "Geometry", "Groups", "Runs")
"""Sections in the order of the dashboard's menu; others follow."""
_CONTENT_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def html_text(runs: Sequence[Sequence[Result]], differences: RunTable | None = None) -> str:
    """Return a report on some runs.

    Parameters
    ----------
    runs : sequence of sequence of Result
        The results of each run, in the order of the runs' colours.
    differences : RunTable, optional
        What differs between them, as `compare_found` makes it.

    Returns
    -------
    str
        A page that asks nothing of the network: plotly.js and all figures are in it, once in light and once in dark
        colours.
    """
    # Five megabytes of script: read only where a page is made.
    from plotly.offline import get_plotlyjs

    runs = [results for results in runs if results]
    names = [results[0].run for results in runs]
    figures = ReportFigures({name: place for place, name in enumerate(names)})
    sections = []
    for section, specs in groupby(_asked(runs), key=lambda spec: spec.section):
        parts = "".join(_question(spec, _results_of(spec, runs), figures) for spec in specs)
        sections.append(f'<h2>{html.escape(section)}</h2><div class="answers">{parts}</div>')
    title = f"cl_viz report: {', '.join(names)}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title><style>{_style()}</style></head><body><main>",
            f"<h1>{html.escape(title)}</h1>",
            *(_summary(results, figures) for results in runs),
            "" if differences is None else _differences(differences),
            _contents(runs),
            *sections,
            f'<footer class="on-paper">Made by cl_viz {html.escape(__version__)}.</footer></main>',
            f'<script type="application/json" id="figures">{figures.as_json()}</script>',
            f"<script>{get_plotlyjs()}</script><script>{_asset('report.js')}</script></body></html>",
        )
    )


def _asked(runs: Sequence[Sequence[Result]]) -> list[DiagnosticSpec]:
    """Return the questions that were answered, sections in the order of the menu."""
    asked = {result.diagnostic for results in runs for result in results}
    specs = [spec for name, spec in DIAGNOSTICS.items() if name in asked]
    sections = list(dict.fromkeys([*SECTIONS, *(spec.section for spec in specs)]))
    return sorted(specs, key=lambda spec: sections.index(spec.section))


def _results_of(spec: DiagnosticSpec, runs: Sequence[Sequence[Result]]) -> list[Result]:
    return [result for results in runs for result in results if result.diagnostic == spec.name]


def _summary(results: Sequence[Result], figures: ReportFigures) -> str:
    run, caveats = results[0].run, results[0].caveats
    findings = all_findings(results)
    bad = [finding for finding in findings if finding.level in ("bad", "watch")]
    shown = "".join(_finding(finding, linked=True) for finding in bad) or "<li>No problem was found.</li>"
    good = sum(finding.level == "good" for finding in findings)
    facts = f"{together(caveats.lines()[0])}. {good} of {len(findings)} checks are good."
    return (
        f'<section class="run"><h2>{figures.chip(run)}{html.escape(run)}</h2>'
        f"<p>{facts}</p><ul class='findings'>{shown}</ul></section>"
    )


def _differences(table: RunTable) -> str:
    """Return what differs between the runs beyond noise, with how it was judged."""
    findings = "".join(_finding(replace(finding, advice=""), run) for run, finding in table.findings)
    notes = "".join(f"<p class='caveats'>{together(line)}</p>" for line in table.notes)
    return (
        f'<section class="differences"><h2>How do the runs differ?</h2><ul class="findings">{findings}</ul>'
        f"{differences_table(table)}{notes}"
        f"<details><summary>How to read this</summary>{markdown(HOW_TO_READ)}</details></section>"
    )


def _question(spec: DiagnosticSpec, results: Sequence[Result], figures: ReportFigures) -> str:
    several = len(results) > 1
    findings = "".join(
        _finding(finding, result.run if several else "") for result in results for finding in result.findings
    )
    views = [(name, result, view) for result in results for name, view in result.views.items()]
    drawn = dict.fromkeys(name for name, _, view in views if not isinstance(view, Table))
    samples = "".join(samples_table(view, result.run) for _, result, view in views if isinstance(view, Table))
    return (
        f'<section id="{html.escape(spec.name)}"><h3>{html.escape(spec.question)}</h3>'
        f"<ul class='findings'>{findings}</ul>{figures.place(results, list(drawn))}{samples}"
        f"{numbers_table(spec, results)}{_caveats(results)}"
        f"<details><summary>How to read this</summary>{explanation(spec)}</details></section>"
    )


def _contents(runs: Sequence[Sequence[Result]]) -> str:
    """Return the questions as links to their answers, folded: the page is long."""
    links = "".join(
        f'<li><a href="#{html.escape(spec.name)}">{html.escape(spec.question)}</a></li>' for spec in _asked(runs)
    )
    return f"<details class='contents'><summary>All questions of this report</summary><ul>{links}</ul></details>"


def _finding(finding: Finding, run: str = "", *, linked: bool = False) -> str:
    owner = f"<b>{html.escape(run)}</b>: " if run else ""
    advice = f" <i>{html.escape(finding.advice)}</i>" if finding.advice else ""
    source = f" <small>{source_link(finding.source)}</small>" if finding.source else ""
    figures = ""
    if linked:
        question = html.escape(DIAGNOSTICS[finding.diagnostic].question, quote=True)
        place = f'href="#{html.escape(finding.diagnostic)}" aria-label="figures: {question}"'
        figures = f" <small><a {place}>figures</a></small>"
    level = html.escape(finding.level)
    return (
        f'<li><span class="level {level}">{level}</span> {owner}{together(finding.message)}{advice}{source}{figures}'
        "</li>"
    )


def _caveats(results: Sequence[Result]) -> str:
    return "".join(f"<p class='caveats'>{together(text)}</p>" for text in caveat_paragraphs(results) if text)


def _style() -> str:
    """Return the style sheet with the colours of both themes."""

    def colours(name: str) -> str:
        theme = THEMES[name]
        chips = "".join(f"--chip-{place}:{colour};" for place, colour in enumerate(theme.runs))
        own = {"background": theme.background, "text": theme.text, "muted": theme.muted, "grid": theme.grid}
        own["bad"] = theme.meanings["negative"]
        return "".join(f"--{key}:{value};" for key, value in own.items()) + chips

    chips = "".join(f".chip-{place}{{background:var(--chip-{place})}}" for place in range(CHIPS))
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{colours('dark')}color-scheme:dark}}}}"
    return f":root{{{colours('light')}color-scheme:light}}{dark}{chips}{_asset('report.css')}"


def _asset(name: str) -> str:
    return (files("cl_viz.reporting") / "assets" / name).read_text(encoding="utf-8")
