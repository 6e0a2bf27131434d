"""Findings as tables in a terminal, and what they mean for the exit code."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cl_viz._cli.console import as_options
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.progress import duration
from cl_viz.core.result import Finding, Level, Result, format_number
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics import DIAGNOSTICS, all_findings, estimate
from cl_viz.reporting import Comparison

_STYLES: dict[Level, str] = {"bad": "bold red", "watch": "yellow", "unknown": "dim", "good": "green"}


def show_findings(
    console: Console, run: Run, snapshot: Snapshot, embedding_set: EmbeddingSet, results: Sequence[Result]
) -> None:
    """Print the findings of one run, worst first, with advice and source under each."""
    table = Table(
        title=Text(f"{run.name}: {_facts(embedding_set, snapshot)}"), title_justify="left", title_style="bold"
    )
    table.add_column("Level", no_wrap=True)
    table.add_column("Diagnostic", no_wrap=True)
    table.add_column("Finding", overflow="fold")
    findings = all_findings(results)
    for finding in findings:
        table.add_row(Text(finding.level, style=_STYLES[finding.level]), Text(finding.diagnostic), _sentences(finding))
    console.print(table)
    if options := as_options(*(finding.advice for finding in findings)):
        console.print(Text(options, style="dim"))


def show_numbers(console: Console, results: Sequence[Result]) -> None:
    """Print every quantity with its interval and N, and what they rest on."""
    for result in results:
        table = Table("Quantity", "Value")
        for quantity in result.quantities.values():
            table.add_row(Text(quantity.label), Text(quantity.text()))
        console.print(table)
        for line in result.caveats.lines():
            console.print(Text(line, style="dim"))


def show_left_out(console: Console, run: Run, snapshot: Snapshot, results: Sequence[Result]) -> None:
    """Print which slow diagnostics could be run too, and about how long they take beyond passes over pairs."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in sorted(DIAGNOSTICS.keys() - {result.diagnostic for result in results}):
        seconds = estimate(name, run, step=snapshot.step, layer=snapshot.layer)
        if seconds > 0:
            spec = DIAGNOSTICS[name]
            table.add_row(Text(name), Text(spec.question), Text(f"about {duration(seconds)}"))
    if table.row_count:
        console.print(Text("Left out because slow; cl-viz diagnose NAME PATH runs one:", style="dim"))
        console.print(table, style="dim")


def show_comparison(console: Console, compared: Comparison, before: str) -> None:
    """Print what changed beyond noise."""
    table = Table(title=Text(f"Against {before}: changes beyond noise"), title_justify="left", title_style="bold")
    for column in ("Run", "Quantity", "Before", "Now", "Noise", "Change"):
        table.add_column(column)
    for change in compared.changes:
        numbers = (format_number(value) for value in (change.before, change.after, change.allowed))
        style = {"worse": "bold red", "better": "green", "different": ""}[change.direction]
        table.add_row(Text(change.run), Text(change.label), *map(Text, numbers), Text(change.direction, style=style))
    if compared.changes:
        console.print(table)
    else:
        console.print(Text(f"Against {before}: nothing changed beyond noise."))
    console.print(
        Text(
            f"{compared.n_judged} quantities were judged; {compared.n_without_interval} differ and have no interval.",
            style="dim",
        )
    )
    for run in compared.missing:
        console.print(Text(f"{run} is in {before} and was not checked now.", style="yellow"))


def _facts(embedding_set: EmbeddingSet, snapshot: Snapshot) -> str:
    sizes = " + ".join(f"{size:,}" for size in dict.fromkeys(embedding_set.sizes))
    facts = [f"N = {sizes}", f"D = {embedding_set.dim}", f"views {', '.join(embedding_set.view_names)}"]
    if snapshot.step is not None:
        facts.append(f"step {snapshot.step:,}")
    if snapshot.layer is not None:
        facts.append(f"layer {snapshot.layer}")
    return ", ".join(facts)


def _sentences(finding: Finding) -> Text:
    text = Text(finding.message)
    if finding.advice:
        text.append(f"\n{finding.advice}", style="italic")
    if finding.source is not None:
        text.append(f"\n{finding.source.citation}", style="dim")
    return text
