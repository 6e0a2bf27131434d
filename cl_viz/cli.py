"""The command line: the same calls as a notebook makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

import cl_viz
from cl_viz._cli.commands.app import app
from cl_viz._cli.commands.check import check
from cl_viz._cli.commands.compare import compare
from cl_viz._cli.commands.convert import convert
from cl_viz._cli.commands.diagnose import diagnose
from cl_viz._cli.commands.encode import encode
from cl_viz._cli.commands.info import info
from cl_viz._cli.commands.pairs import list_pairs
from cl_viz._cli.commands.plan import plan
from cl_viz._cli.commands.project import project
from cl_viz._cli.commands.report import report
from cl_viz._cli.interrupts import remembered_interrupts
from cl_viz._cli.options import FINE, MISTAKE, UNUSABLE
from cl_viz.core.errors import ClVizError

application = typer.Typer(
    name="cl-viz",
    help="Inspect contrastive and self-supervised encoders: open the dashboard, check embeddings, convert dumps.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cl-viz {cl_viz.__version__}")
        raise typer.Exit


@application.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    pass


# In the order of --help.
application.command()(app)
application.command()(check)
application.command()(report)
application.command()(compare)
application.command()(diagnose)
application.command()(encode)
application.command()(convert)
application.command()(project)
application.command("pairs")(list_pairs)
application.command()(info)
application.command()(plan)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    try:
        with remembered_interrupts():
            application(args=None if arguments is None else list(arguments), prog_name="cl-viz")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except ClVizError as error:
        from cl_viz._cli.console import show_error

        show_error(error)
        return UNUSABLE
    except Exception as error:  # the last resort: a person gets a sentence, not a traceback
        from cl_viz._cli.console import show_mistake

        show_mistake(error)
        return MISTAKE
    return FINE
