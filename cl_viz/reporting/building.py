"""`report`: what was found on some runs, as a file for people or for programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, or_bar
from cl_viz.core.result import Result
from cl_viz.core.run import Run
from cl_viz.diagnostics import check
from cl_viz.encoders import open_run
from cl_viz.engine.scanner import Scanner
from cl_viz.reporting.comparing import compare_found
from cl_viz.reporting.html_document import html_text
from cl_viz.reporting.json_document import as_document, as_text
from cl_viz.reporting.tables import markdown_text, parquet_bytes
from cl_viz.reporting.writing import check_writable, write_whole

if TYPE_CHECKING:
    from cl_viz.encoders import Target

Found = Sequence[tuple[EmbeddingSet, Sequence[Result]]]
"""Embedding sets, and what diagnostics found on each."""

FORMATS: Mapping[str, Callable[[Found], str | bytes]] = {
    "html": lambda found: html_text([results for _, results in found], compare_found(found)),
    "json": lambda found: as_text(as_document(found)) + "\n",
    "parquet": lambda found: parquet_bytes([results for _, results in found]),
    "md": lambda found: markdown_text([results for _, results in found], compare_found(found)),
}
"""What a report can be, by the suffix of its file."""


def report(
    targets: Target | Sequence[Target],
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    step: int | None = None,
    layer: str | None = None,
    scanner: Scanner | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Check some runs and write what was found.

    Parameters
    ----------
    targets : Run, EmbeddingSet, path, what is in memory, or a list of them
        Each is what `cl_viz.open_run` takes; a tuple of arrays is one set with as many views. The first is the
        reference that the others are compared with.
    path : path
        File to write, whole or not at all.
    format : {"html", "json", "parquet", "md"}, optional
        By default the suffix of `path` decides. HTML is one file that needs no network.
    step, layer, scanner, progress : optional
        As for `cl_viz.check`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the format is not known, the file cannot be written, or two runs share a name; before anything is computed.
    """
    kind = format_of(path, format)
    check_writable(path)
    runs = [open_run(target) for target in _listed(targets)]
    if len({run.name for run in runs}) < len(runs):
        raise InputError("two runs have the same name", where="report", remedy="rename one: run.renamed(name)")
    keeper = scanner or Scanner()
    found, progress = [], or_bar(progress, "Report")
    for place, run in enumerate(runs):

        def part(done: float, message: str, place: int = place, name: str = run.name) -> None:
            progress((place + done) / len(runs), f"{name}: {message}")

        results = check(run, others=runs, step=step, layer=layer, scanner=keeper, progress=part)
        found.append((run.get(step, layer), results))
    progress(1.0, "done")
    return write_report(found, path, kind)


def _listed(targets: Any) -> list[Any]:
    """Return the runs there are; a tuple of arrays is one set with several views."""
    kinds = (Run, EmbeddingSet, str, os.PathLike, Mapping)
    several = isinstance(targets, list | tuple) and all(isinstance(target, kinds) for target in targets)
    return list(targets) if several else [targets]


def write_report(found: Found, path: str | os.PathLike[str], format: str | None = None) -> Path:
    """Write results that are at hand; parameters as for `report`."""
    return write_whole(FORMATS[format_of(path, format)](found), path)


def format_of(path: str | os.PathLike[str], format: str | None = None) -> str:
    """Return the format asked for, or the one that the suffix of `path` names.

    Raises
    ------
    InputError
        If there is no such format.
    """
    kind = (format or Path(path).suffix.removeprefix(".")).lower()
    kind = {"htm": "html", "markdown": "md"}.get(kind, kind)
    if kind not in FORMATS:
        said = (
            f"no report is written as {kind!r}" if kind else "the name of the file has no suffix that says its format"
        )
        remedy = "give the file one of these suffixes, or pass a format (--format)"
        raise InputError(said, where=str(path), allowed=", ".join(FORMATS), remedy=remedy)
    return kind
