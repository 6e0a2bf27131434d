"""`cl-viz diagnose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cl_viz._cli.options import (
    FINE,
    MISTAKE,
    TARGET,
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
    Text,
    Views,
    choices,
)
from cl_viz.core.errors import InputError


def diagnose(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The diagnostic; the word list shows all.", show_default=False)
    ],
    paths: Annotated[list[str] | None, typer.Argument(metavar="PATH", help=TARGET, show_default=False)] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; once for each.")
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
    json: Annotated[
        str | None, typer.Option("--json", metavar="OUT", help="Also write everything as JSON; - writes only that.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Run one diagnostic, also a slow one, and show its findings and all its numbers.

    The first path is the reference of diagnostics that compare two runs. NAME "list" lists the diagnostics.
    """
    from cl_viz._cli.checking import check_targets, report_checked
    from cl_viz._cli.console import answers
    from cl_viz._cli.describing import show_diagnostics
    from cl_viz._cli.opening import SAMPLE
    from cl_viz._cli.parameters import read_parameters
    from cl_viz.diagnostics import DIAGNOSTICS

    if name == "list":
        show_diagnostics(answers())
        raise typer.Exit(FINE)
    wanted_roles = choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    if name not in DIAGNOSTICS and (name.startswith(SAMPLE) or Path(name).exists()):
        raise InputError(
            f"{name} is no diagnostic but something to look at",
            where="cl-viz diagnose",
            allowed="NAME, then PATH",
            remedy=f"cl-viz check {name} runs every quick diagnostic; cl-viz diagnose list lists all",
        )
    wanted = {name: read_parameters(DIAGNOSTICS[name], param or [])}
    if not paths:
        raise InputError("no path was given", where="cl-viz diagnose", allowed=TARGET)
    outcome = check_targets(paths, wanted_roles, step=step, layer=layer, device=device, diagnostics=wanted)
    report_checked(outcome.checked, json, numbers=True)
    raise typer.Exit(MISTAKE if outcome.mistakes else UNUSABLE if outcome.unusable else FINE)
