"""`cl-viz convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import cl_viz
from cl_viz._cli.options import (
    TARGET,
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


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help=TARGET, show_default=False)],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File to write; its suffix chooses the format.", show_default=False)
    ],
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT where it exists.")] = False,
) -> None:
    """Write a dump, or one snapshot of a run, in another format."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.opening import check_exists, open_target
    from cl_viz._cli.progress import progress_bar
    from cl_viz._cli.writing import writing
    from cl_viz.reporting import check_writable

    check_exists(source)
    check_writable(target)
    if target.exists() and not overwrite:
        raise InputError("the file is already there", where=str(target), remedy="pass --overwrite, or another name")
    wanted_roles = choices(view, pairs, label=label, subclass=subclass, group=group, text=text, image=image, id=id)
    with progress_bar(source) as report:
        report(0.0, "reading")
        found = open_target(source, wanted_roles).get(step, layer)
        report(0.5, "writing")
        with writing(target):
            cl_viz.save(found, target)
    sizes = " + ".join(f"{size:,}" for size in dict.fromkeys(found.sizes))
    answers().print(
        f"{target}: N = {sizes}, D = {found.dim}, views {', '.join(found.view_names)}", markup=False, soft_wrap=True
    )
