"""`cl-viz app`."""

from __future__ import annotations

from typing import Annotated

import typer

from cl_viz._cli.options import TARGET


def app(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help=f"{TARGET} Nothing opens the bundled runs.", show_default=False),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; by default the first free one from 8501.")
    ] = None,
) -> None:
    """Open the dashboard and print its address; Ctrl-C stops it."""
    from cl_viz._cli.launching import start_app
    from cl_viz._cli.opening import absolute_target, check_exists

    for path in paths or ():
        check_exists(path)
    start_app([absolute_target(path) for path in paths or ()], port)
