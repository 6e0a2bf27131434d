"""`cl-viz check`."""

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


def check(
    paths: Targets,
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
    json: Annotated[
        str | None, typer.Option("--json", metavar="OUT", help="Also write everything as JSON; - writes only that.")
    ] = None,
    fail_on: Annotated[
        Literal["bad", "watch"] | None, typer.Option(help="Exit with 1 where a finding is at this level or worse.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="JSON of an earlier check; exit with 1 where a quantity got worse."),
    ] = None,
    junit: Annotated[str | None, typer.Option(metavar="OUT", help="Write the findings as JUnit XML.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Print annotations for GitHub Actions.")] = False,
    device: Device = "auto",
) -> None:
    """Run every quick diagnostic and show the findings, worst first.

    Exit code 0: fine. 1: as --fail-on or --baseline ask for. 2: input that cannot be used. 3: a mistake in cl_viz.

    A path that fails is shown as an error, and the others are checked all the same.
    """
    from cl_viz._cli.opening import check_one_exists

    check_one_exists(paths)
    from cl_viz._cli.checking import check_targets, gate, report_checked
    from cl_viz.reporting import check_writable, read_document

    # What cannot be read or written is told before the work, and not after.
    for output in (json, junit):
        if output not in (None, "-"):
            check_writable(output)
    if baseline is not None:
        read_document(baseline)
    wanted_roles = choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    outcome = check_targets(paths, wanted_roles, step=step, layer=layer, device=device)
    report_checked(outcome.checked, json)
    failing = gate(outcome.checked, fail_on, baseline, junit, github)
    if outcome.mistakes:
        raise typer.Exit(MISTAKE)
    raise typer.Exit(UNUSABLE if outcome.unusable else FOUND if failing else FINE)
