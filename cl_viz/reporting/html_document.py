"""One self-contained HTML page: the same findings and figures as in the dashboard, readable without a network."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import groupby
from typing import Any

import numpy as np

from cl_viz import __version__
from cl_viz.core.result import Finding, Result, caveat_paragraphs
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import Table
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.figures import compare, render
from cl_viz.figures.theme import THEMES
from cl_viz.reporting.explaining import explanation, source_link
from cl_viz.reporting.tables import all_findings

TABLE_ROWS = 20
"""Rows of a table of samples that a report shows."""
_PICTURES = ("data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,")
_CONTENT_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def html_text(runs: Sequence[Sequence[Result]]) -> str:
    """Return a report on some runs.

    Parameters
    ----------
    runs : sequence of sequence of Result
        The results of each run, in the order of the runs' colours.

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
    figures = _Figures({name: place for place, name in enumerate(names)})
    sections = []
    for section, specs in groupby(_asked(runs), key=lambda spec: spec.section):
        parts = "".join(_question(spec, _results_of(spec, runs), figures) for spec in specs)
        sections.append(f"<h2>{html.escape(section)}</h2>{parts}")
    title = f"cl_viz report: {', '.join(names)}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_CONTENT_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{html.escape(title)}</title><style>{_style()}</style></head><body><main>",
            f"<h1>{html.escape(title)}</h1>",
            *(_summary(results, place) for place, results in enumerate(runs)),
            _contents(runs),
            *sections,
            f"<footer>Made by cl_viz {html.escape(__version__)}.</footer></main>",
            f'<script type="application/json" id="figures">{figures.as_json()}</script>',
            f"<script>{get_plotlyjs()}</script><script>{_asset('report.js')}</script></body></html>",
        )
    )


class _Figures:
    """The figures of a page, each drawn in both themes."""

    def __init__(self, run_colours: Mapping[str, int]) -> None:
        self.run_colours = run_colours
        self.drawn: list[dict[str, Any]] = []

    def place(self, results: Sequence[Result], view: str) -> str:
        """Draw a view of some runs and return the element that shows it."""
        found = compare(results, view)
        self.drawn.append(
            {name: json.loads(render(found, name, run_colours=self.run_colours).to_json()) for name in THEMES}  # type: ignore[arg-type]
        )
        label = html.escape(found.title, quote=True)
        number = len(self.drawn) - 1
        return f'<figure><div class="plot" data-figure="{number}" role="img" aria-label="{label}"></div></figure>'

    def as_json(self) -> str:
        """Return all figures as JSON that cannot end its own script element."""
        return json.dumps(self.drawn, separators=(",", ":")).replace("<", "\\u003c")


def _asked(runs: Sequence[Sequence[Result]]) -> list[DiagnosticSpec]:
    """Return the questions that were answered, in the order of the registry, those of one section together."""
    asked = {result.diagnostic for results in runs for result in results}
    specs = [spec for name, spec in DIAGNOSTICS.items() if name in asked]
    sections = list(dict.fromkeys(spec.section for spec in specs))
    return sorted(specs, key=lambda spec: sections.index(spec.section))


def _results_of(spec: DiagnosticSpec, runs: Sequence[Sequence[Result]]) -> list[Result]:
    return [result for results in runs for result in results if result.diagnostic == spec.name]


def _summary(results: Sequence[Result], place: int) -> str:
    run, caveats = results[0].run, results[0].caveats
    findings = all_findings(results)
    bad = [finding for finding in findings if finding.level in ("bad", "watch")]
    shown = "".join(_finding(finding, linked=True) for finding in bad) or "<li>No problem was found.</li>"
    good = sum(finding.level == "good" for finding in findings)
    facts = f"{html.escape(caveats.lines()[0])}. {good} of {len(findings)} checks are good."
    return (
        f'<section class="run"><h2><span class="chip chip-{place % 8}"></span>{html.escape(run)}</h2>'
        f"<p>{facts}</p><ul class='findings'>{shown}</ul></section>"
    )


def _question(spec: DiagnosticSpec, results: Sequence[Result], figures: _Figures) -> str:
    several = len(results) > 1
    findings = "".join(
        _finding(finding, result.run if several else "") for result in results for finding in result.findings
    )
    views = dict.fromkeys(name for result in results for name in result.views)
    shown = []
    for name in views:
        having = [result for result in results if name in result.views]
        first = having[0].views[name]
        shown.append(_table(first, having[0].run) if isinstance(first, Table) else figures.place(having, name))
    return (
        f'<section id="{html.escape(spec.name)}"><h3>{html.escape(spec.question)}</h3>'
        f"<ul class='findings'>{findings}</ul>{''.join(shown)}{_quantities(results)}{_caveats(results)}"
        f"<details><summary>How to read this</summary>{explanation(spec)}</details></section>"
    )


def _contents(runs: Sequence[Sequence[Result]]) -> str:
    """Return the questions as links to their answers, folded: the page is long."""
    links = "".join(
        f'<li><a href="#{html.escape(spec.name)}">{html.escape(spec.question)}</a></li>' for spec in _asked(runs)
    )
    return f"<details><summary>All questions of this report</summary><ul>{links}</ul></details>"


def _finding(finding: Finding, run: str = "", *, linked: bool = False) -> str:
    owner = f"<b>{html.escape(run)}</b>: " if run else ""
    advice = f" <i>{html.escape(finding.advice)}</i>" if finding.advice else ""
    source = f" <small>{source_link(finding.source)}</small>" if finding.source else ""
    figures = f' <small><a href="#{html.escape(finding.diagnostic)}">figures</a></small>' if linked else ""
    level = html.escape(finding.level)
    return (
        f'<li><span class="level {level}">{level}</span> {owner}{html.escape(finding.message)}{advice}{source}{figures}'
        "</li>"
    )


def _quantities(results: Sequence[Result]) -> str:
    names = dict.fromkeys(name for result in results for name in result.quantities)
    if not names:
        return ""
    head = "".join(f"<th>{html.escape(result.run)}</th>" for result in results)
    rows = []
    for name in names:
        label = next(result.quantities[name].label for result in results if name in result.quantities)
        cells = (result.quantities[name].text() if name in result.quantities else "" for result in results)
        rows.append(
            f"<tr><th>{html.escape(label)}</th>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        )
    return (
        "<details><summary>All numbers</summary><div class='wide'><table><thead><tr><th>Quantity</th>"
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _table(view: Table, run: str) -> str:
    columns = {name: np.asarray(values)[:TABLE_ROWS] for name, values in view.columns.items()}
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(f'<td>{_entry(value)}</td>' for value in row)}</tr>"
        for row in zip(*columns.values(), strict=True)
    )
    total = len(next(iter(view.columns.values()), ()))
    rest = f" The first {TABLE_ROWS} of {total:,} rows." if total > TABLE_ROWS else ""
    return (
        f"<details><summary>{html.escape(view.title)} ({html.escape(run)})</summary><div class='wide'><table><thead>"
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div><p>{rest}</p></details>"
    )


def _entry(value: object) -> str:
    if isinstance(value, float | np.floating):
        return f"{float(value):.3f}"
    text = str(value)
    # Only pictures that are in the page itself; an address elsewhere would be fetched.
    if text.startswith(_PICTURES):
        return f'<img src="{html.escape(text, quote=True)}" alt="the sample" height="32">'
    return html.escape(text)


def _caveats(results: Sequence[Result]) -> str:
    return "".join(f"<p class='caveats'>{html.escape(text)}</p>" for text in caveat_paragraphs(results) if text)


def _style() -> str:
    """Return the style sheet with the colours of both themes."""

    def colours(name: str) -> str:
        theme = THEMES[name]
        chips = "".join(f"--chip-{place}:{colour};" for place, colour in enumerate(theme.runs))
        own = {"background": theme.background, "text": theme.text, "muted": theme.muted, "grid": theme.grid}
        own["bad"] = theme.meanings["negative"]
        return "".join(f"--{key}:{value};" for key, value in own.items()) + chips

    chips = "".join(f".chip-{place}{{background:var(--chip-{place})}}" for place in range(8))
    dark = f"@media screen and (prefers-color-scheme:dark){{:root{{{colours('dark')}color-scheme:dark}}}}"
    return f":root{{{colours('light')}color-scheme:light}}{dark}{chips}{_asset('report.css')}"


def _asset(name: str) -> str:
    return (files("cl_viz.reporting") / "assets" / name).read_text(encoding="utf-8")
