"""`cl-viz compare`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from cl_viz._cli.options import (
    FINE,
    FOUND,
    MISTAKE,
    UNUSABLE,
    Device,
    Group,
    Identifier,
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


def compare(
    paths: Targets,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="What the others are compared with; by default the first path."),
    ] = None,
    view: Views = None,
    label: Label = None,
    subclass: Subclass = None,
    group: Group = None,
    text: Text = None,
    id: Identifier = None,
    pairs: Pairs = None,
    step: Step = None,
    layer: Layer = None,
    resamples: Annotated[
        int, typer.Option(help="Judge every number on so many resamples of the samples, 200 for example; takes longer.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    format: Annotated[Literal["table", "json"], typer.Option(help="What is printed.")] = "table",
    fail_on: Annotated[
        Literal["worse", "different"] | None,
        typer.Option(help="Exit with 1 where a number is worse, or differs at all, at a false discovery rate of 5 %."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Print which quantities of two or more runs differ by more than noise: sample by sample where they share samples.

    Exit code 0: fine. 1: differences as --fail-on asks for. 2: input that cannot be used. 3: a mistake in cl_viz.
    """
    from cl_viz._cli.comparing import compare_targets, show_runs, write_comparison
    from cl_viz._cli.console import answers

    wanted_roles = choices(view, pairs, label=label, subclass=subclass, group=group, text=text, id=id)
    table, unusable, mistakes = compare_targets(
        paths, baseline, wanted_roles, step=step, layer=layer, device=device, resamples=resamples, seed=seed
    )
    failing = False
    if table is not None:
        if format == "json":
            write_comparison(table)
        else:
            show_runs(answers(), table, baseline or paths[0])
        failing = bool(table.changed_for(fail_on))
    raise typer.Exit(MISTAKE if mistakes else UNUSABLE if unusable else FOUND if failing else FINE)
