"""`cl-viz plan`."""

from __future__ import annotations

from typing import Annotated

import typer

import cl_viz
from cl_viz._cli.options import Device, Layer, Step, Target, Views, choices


def plan(
    path: Target,
    neighbors: Annotated[int | None, typer.Option(min=1, max=200, help="Nearest neighbours to find besides.")] = None,
    view: Views = None,
    step: Step = None,
    layer: Layer = None,
    device: Device = "auto",
) -> None:
    """Say about how long the pass over all pairs takes here and how much memory, without making it."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import open_target

    found = open_target(path, choices(view)).get(step, layer)
    sizes = " + ".join(f"{size:,}" for size in found.sizes)
    planned = cl_viz.plan(found, device, neighbors=neighbors)
    answers().print(f"{path}: N = {sizes}, D = {found.dim}: {planned.scores:,} scores, {planned}", markup=False)
