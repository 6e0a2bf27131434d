"""`cl-viz plan`."""

from __future__ import annotations

from typing import Annotated

import typer

import cl_viz
from cl_viz._cli.options import Device, Label, Layer, Step, Target, Views, choices


def plan(
    path: Target,
    neighbors: Annotated[int | None, typer.Option(min=1, max=200, help="Nearest neighbours to find besides.")] = None,
    view: Views = None,
    label: Label = None,
    step: Step = None,
    layer: Layer = None,
    device: Device = "auto",
) -> None:
    """Say about how long the pass over all pairs takes here and how much memory, without making it."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import open_target
    from cl_viz.diagnostics import labelled_count

    found = open_target(path, choices(view, label=label)).get(step, layer)
    sizes = " + ".join(f"{size:,}" for size in found.sizes)
    planned = cl_viz.plan(found, device, neighbors=neighbors)
    answers().print(f"{path}: N = {sizes}, D = {found.dim}: {planned.scores:,} scores, {planned}", markup=False)
    labelled = labelled_count(found)
    if labelled:
        share = (labelled / sum(found.sizes)) ** 2
        answers().print(
            f"{labelled:,} of {sum(found.sizes):,} rows have a label: what is asked of labels takes a second pass over "
            f"their pairs, about {share * planned.scores:,.0f} scores and {share * planned.seconds:,.1f} s more",
            markup=False, soft_wrap=True,
        )  # fmt: skip
