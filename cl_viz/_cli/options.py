"""What several commands ask for in the same way, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from cl_viz._cli.opening import Choices

FINE, FOUND, UNUSABLE, MISTAKE, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: fine; findings at the level asked for; input that cannot be used; a mistake in cl_viz; Ctrl-C."""

_PANEL = "Views and roles"
TARGET = "An embedding dump, a checkpoint, a run folder, or sample:NAME for a bundled run."
Targets = Annotated[list[str], typer.Argument(metavar="PATH", help=TARGET, show_default=False)]
Target = Annotated[str, typer.Argument(metavar="PATH", help=TARGET, show_default=False)]
Views = Annotated[
    list[str] | None,
    typer.Option(
        "--view", metavar="NAME", help="Array or view to use; once for each view, in order.", rich_help_panel=_PANEL
    ),
]


def _role(name: str, meaning: str) -> Any:
    return typer.Option(f"--{name}", metavar="COLUMN", help=meaning, rich_help_panel=_PANEL)


Label = Annotated[str | None, _role("label", "Column that holds the label, or a file with one entry a row.")]
Subclass = Annotated[str | None, _role("subclass", "Column that divides the labels further.")]
Group = Annotated[str | None, _role("group", "Column that holds the group.")]
Text = Annotated[str | None, _role("text", "Column of texts to show.")]
Image = Annotated[str | None, _role("image", "Column of images to show.")]
Identifier = Annotated[str | None, _role("id", "Column that says which rows of two views are one sample.")]
Pairs = Annotated[
    str | None,
    typer.Option(
        "--pairs",
        metavar="FILE",
        help="Rows of the first and second view that belong together, where views are not aligned row by row.",
        rich_help_panel=_PANEL,
    ),
]
Step = Annotated[int | None, typer.Option("--step", help="Training step of a run; by default the last.")]
Layer = Annotated[str | None, typer.Option("--layer", help="Layer of a run; by default the first.")]
Device = Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda, cuda:1, mps.")]


def choices(view: list[str] | None = None, pairs: str | None = None, **roles: str | None) -> Choices:
    """Return how a dump is to be read: its views, its pairs and the columns of its roles."""
    from cl_viz._cli.opening import Choices

    return Choices(tuple(view or ()), {role: column for role, column in roles.items() if column is not None}, pairs)
