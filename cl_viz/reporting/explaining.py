"""A diagnostic explained in HTML: Markdown becomes HTML, LaTeX becomes MathML, so that nothing is fetched."""

from __future__ import annotations

import html

from cl_viz.core.result import Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.reporting.formulas import mathml


def explanation(spec: DiagnosticSpec) -> str:
    """Return definition, formula, reading, traps, quantities and sources as HTML."""
    from markdown_it import MarkdownIt

    # Raw HTML in the text stays text.
    render = MarkdownIt("commonmark", {"html": False}).render
    quantities = "".join(_quantity(quantity) for quantity in spec.quantities)
    sources = "".join(f"<li>{source_link(source)}</li>" for source in spec.sources)
    return (
        f"<h4>Definition</h4>{render(spec.definition)}{mathml(spec.formula)}"
        f"<h4>Reading</h4>{render(spec.reading)}"
        f"<h4>Traps</h4>{render(spec.traps)}"
        f"<h4>Quantities</h4><ul>{quantities}</ul><h4>Sources</h4><ul>{sources}</ul>"
    )


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
