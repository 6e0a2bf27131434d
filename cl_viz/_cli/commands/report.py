"""`cl-viz report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from cl_viz._cli.options import (
    FINE,
    MISTAKE,
    UNUSABLE,
    Device,
    Group,
    Identifier,
    Image,
    Label,
    Layer,
    Pairs,
    Step,
    Subclass,
    Targets,
    Text,
    Views,
    choices,
)


def report(
    paths: Targets,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="File to write.")] = Path("report.html"),
    format: Annotated[
        Literal["html", "json", "parquet", "md"] | None, typer.Option(help="By default, by the suffix of OUT.")
    ] = None,
    view: Views = None,
    label: Label = None,
    subclass: Subclass = None,
    group: Group = None,
    text: Text = None,
    image: Image = None,
    id: Identifier = None,
    pairs: Pairs = None,
    step: Step = None,
    layer: Layer = None,
    device: Device = "auto",
) -> None:
    """Check some runs and write one self-contained file: findings, figures and all numbers.

    The first path is the reference of diagnostics that compare two runs.
    """
    from cl_viz._cli.opening import check_one_exists

    check_one_exists(paths)
    from cl_viz._cli.checking import check_targets
    from cl_viz._cli.console import answers
    from cl_viz._cli.writing import writing
    from cl_viz.reporting import check_writable, format_of, write_report

    check_writable(output)
    kind = format_of(output, format)
    wanted_roles = choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    outcome = check_targets(paths, wanted_roles, step=step, layer=layer, device=device)
    if outcome.checked:
        with writing(output):
            write_report([(entry.embedding_set, entry.results) for entry in outcome.checked], output, kind)
        size, count = output.stat().st_size / 1e6, len(outcome.checked)
        facts = f"{count} run{'s' if count > 1 else ''}, {size:.1f} MB"
        answers().print(f"{output}: {facts}", markup=False, soft_wrap=True)
    raise typer.Exit(MISTAKE if outcome.mistakes else UNUSABLE if outcome.unusable else FINE)
