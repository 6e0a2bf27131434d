"""A diagnostic explained in HTML: Markdown becomes HTML, LaTeX becomes MathML, so that nothing is fetched."""

from __future__ import annotations

import html
from collections.abc import Sequence

from cl_viz.core.result import Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.threshold import READ_FROM, Limit
from cl_viz.reporting.formulas import mathml


def explanation(spec: DiagnosticSpec) -> str:
    """Return definition, formula, reading, traps, limits, quantities and sources as HTML."""
    quantities = "".join(_quantity(quantity) for quantity in spec.quantities)
    sources = "".join(f"<li>{source_link(source)}</li>" for source in spec.sources)
    return (
        f"<h4>Definition</h4>{markdown(spec.definition)}{mathml(spec.formula)}"
        f"<h4>Reading</h4>{markdown(spec.reading)}"
        f"<h4>Traps</h4>{markdown(spec.traps)}"
        f"{_limits(spec.thresholds)}"
        f"<h4>Quantities</h4><ul>{quantities}</ul><h4>Sources</h4><ul>{sources}</ul>"
    )


def _limits(thresholds: Sequence[Limit]) -> str:
    if not thresholds:
        return ""
    entries = "".join(f"<li><b>{html.escape(found.what)}</b>: {html.escape(found.told())}</li>" for found in thresholds)
    return f"<h4>Limits</h4><p>{READ_FROM}</p><ul>{entries}</ul>"


def markdown(text: str) -> str:
    """Return Markdown as HTML; raw HTML in the text stays text."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": False}).render(text))


def source_link(source: Source) -> str:
    """Return a source as a link that is followed only when clicked."""
    text = html.escape(source.citation)
    if not source.url.startswith(("https://", "http://")):
        return text
    return f'<a href="{html.escape(source.url)}" rel="noreferrer">{text}</a>'


def _quantity(quantity: QuantitySpec) -> str:
    ends = "" if quantity.range is None else " to ".join(format_number(end) for end in quantity.range)
    facts = ", ".join(part for part in (ends, quantity.unit) if part)
    extra = f" ({html.escape(facts)})" if facts else ""
    return f"<li><b>{html.escape(quantity.label)}</b>{extra}: {html.escape(quantity.definition)}</li>"
