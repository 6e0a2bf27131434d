"""`cl-viz check`: open, run the quick diagnostics, show."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import cl_viz
from cl_viz._cli.console import answers, show_error, show_mistake
from cl_viz._cli.findings import all_findings, show_findings
from cl_viz._cli.opening import Choices, open_target
from cl_viz._cli.progress import progress_bar
from cl_viz._cli.writing import writing
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError
from cl_viz.core.result import Finding, Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.engine import scan
from cl_viz.report import as_document, as_text, write_document


class Checked(NamedTuple):
    """One run, the snapshot that was looked at, and what was found."""

    run: Run
    snapshot: Snapshot
    embedding_set: EmbeddingSet
    results: Sequence[Result]


class Outcome(NamedTuple):
    """What was checked, how many targets cannot be used, and on how many cl_viz itself failed."""

    checked: Sequence[Checked]
    unusable: int
    mistakes: int


def check_targets(
    targets: Sequence[str], choices: Choices, *, step: int | None, layer: str | None, device: str
) -> Outcome:
    """Check every target; one that fails, for a reason foreseen or not, is shown and left out, the others go on."""
    checked, unusable, mistakes = [], 0, 0
    for target in targets:
        try:
            checked.append(_check_target(target, choices, step, layer, device))
        except ClVizError as error:
            show_error(error)
            unusable += 1
        except Exception as error:  # a mistake on one target must not cost the answers on the others
            show_mistake(error, target)
            mistakes += 1
    return Outcome(checked, unusable, mistakes)


def report_checked(checked: Sequence[Checked], json_target: str | None) -> list[Finding]:
    """Show the findings as tables and write them as JSON; ``-`` prints the JSON and nothing else.

    Returns
    -------
    list of Finding
        Of all runs.
    """
    document = as_document([(entry.embedding_set, entry.results) for entry in checked])
    if json_target == "-":
        sys.stdout.write(as_text(document) + "\n")
    else:
        for entry in checked:
            show_findings(answers(), entry.run, entry.snapshot, entry.embedding_set, entry.results)
        if json_target is not None:
            with writing(json_target):
                write_document(document, json_target)
    return all_findings([result for entry in checked for result in entry.results])


def _check_target(target: str, choices: Choices, step: int | None, layer: str | None, device: str) -> Checked:
    with progress_bar(target) as report:
        report(0.0, "opening")
        run = open_target(target, choices)
        snapshot = run.at(step, layer)
        embedding_set = run.get(*snapshot)
        results = cl_viz.check(run, step=step, layer=layer, scanner=partial(scan, device=device), progress=report)
    return Checked(run, snapshot, embedding_set, results)
