"""`cl-viz project`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cl_viz
from cl_viz._cli.options import FINE, TARGET, Label, Layer, Step, choices
from cl_viz.core.errors import InputError


def project(
    path: Annotated[str | None, typer.Argument(metavar="PATH", help=TARGET, show_default=False)] = None,
    method: Annotated[str, typer.Option("--method", "-m", help="How to make the map; --list shows all.")] = "umap",
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="File to write: .parquet, .csv or .npz.")
    ] = Path("map.parquet"),
    dim: Annotated[int, typer.Option(help="Dimensions of the map, 2 or 3.")] = 2,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; once for each.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same set, parameters and seed give the same map.")] = 0,
    view: Annotated[str | None, typer.Option(metavar="NAME", help="View to map; by default the first.")] = None,
    label: Label = None,
    step: Step = None,
    layer: Layer = None,
    device: Annotated[
        str, typer.Option(help="Where neighbours are found and the map is laid out: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    every_error: Annotated[
        bool, typer.Option("--every-error", help="The error of every point, also where 2,000 rows are judged.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="List the methods and their parameters, and stop.")] = False,
) -> None:
    """Make a map of the rows of one view, and write it with each point's error.

    Prints how much of the neighbourhoods the map keeps: trustworthiness and neighbour recall.
    """
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import check_exists, open_target
    from cl_viz._cli.parameters import read_parameters
    from cl_viz._cli.progress import progress_bar
    from cl_viz._cli.projecting import check_suffix, list_methods, write_map
    from cl_viz.projections import known_method
    from cl_viz.reporting import check_writable

    if show_list:
        list_methods(answers())
        raise typer.Exit(FINE)
    if path is None:
        raise InputError("no path was given", where="cl-viz project", allowed=TARGET)
    check_exists(path)
    check_suffix(output)
    check_writable(output)
    params = read_parameters(known_method(method), param or [])
    with progress_bar(path) as report:
        report(0.0, "opening")
        found = open_target(path, choices(label=label)).get(step, layer)
        made = cl_viz.project(
            found, method, dim=dim, view=view, params=params, seed=seed, device=device, every_error=every_error,
            progress=report,
        )  # fmt: skip
        write_map(made, found, output)
    answers().print(
        f"{output}: {made.method} of {made.view}, N = {int(made.usable.sum()):,}, seed {made.seed}; "
        f"trustworthiness {made.trustworthiness}, neighbour recall {made.neighbor_recall}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
