"""`cl-viz info`."""

from __future__ import annotations

from pathlib import Path

from cl_viz._cli.options import Target


def info(path: Target) -> None:
    """Say what a path holds: arrays and columns of a dump; card, steps and layers of a run; family of a checkpoint."""
    from cl_viz._cli.console import answers
    from cl_viz._cli.describing import show_dump, show_run
    from cl_viz._cli.opening import check_exists, is_foreign_checkpoint, is_run, open_target

    if is_run(path):
        show_run(answers(), open_target(path))
        return
    from cl_viz.formats import inspect

    check_exists(path)
    if is_foreign_checkpoint(path):
        from cl_viz._cli.encoding import show_checkpoint

        show_checkpoint(path)
        return
    show_dump(answers(), inspect(Path(path)))
