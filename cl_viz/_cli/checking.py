"""`cl-viz check`: open, run the quick diagnostics, show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import cl_viz
from cl_viz._cli.console import answers, messages, show_error, show_mistake
from cl_viz._cli.findings import show_comparison, show_findings, show_left_out, show_numbers
from cl_viz._cli.opening import Choices, open_target
from cl_viz._cli.progress import progress_bar
from cl_viz._cli.writing import writing
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError
from cl_viz.core.result import Level, Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics import DIAGNOSTICS, all_findings, passes_of
from cl_viz.engine.scanner import Scanner
from cl_viz.reporting import (
    Change,
    as_document,
    as_text,
    compare_documents,
    fails,
    github_annotations,
    junit_xml,
    read_document,
    write_document,
    write_whole,
)

T = TypeVar("T")


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
    targets: Sequence[str],
    choices: Choices,
    *,
    step: int | None,
    layer: str | None,
    device: str,
    diagnostics: Mapping[str, Mapping[str, Any]] | None = None,
) -> Outcome:
    """Check every target; one that fails, for a reason foreseen or not, is shown and left out, the others go on.

    Parameters
    ----------
    targets : sequence of str
        The first is the reference of diagnostics that compare two runs.
    choices : Choices
    step, layer, device : optional
    diagnostics : mapping, optional
        Names of the diagnostics to run with their parameters; every quick one if left out.
    """
    failed: list[Exception] = []
    runs = named_apart(each_target(targets, lambda target: open_with_bar(target, choices), failed))
    others = list(runs.values())
    scanner = Scanner(device)

    def look(target: str) -> Checked:
        return _check_run(target, runs[target], others, step, layer, scanner, diagnostics)

    checked = each_target(list(runs), look, failed)
    mistakes = sum(not isinstance(error, ClVizError) for error in failed)
    return Outcome(list(checked.values()), len(failed) - mistakes, mistakes)


def each_target(targets: Sequence[str], do: Callable[[str], T], failed: list[Exception]) -> dict[str, T]:
    """Do something with every target; show those that fail and add their errors to `failed`."""
    found = {}
    for target in targets:
        try:
            found[target] = do(target)
        except ClVizError as error:
            show_error(error)
            failed.append(error)
        except Exception as error:  # a mistake on one target must not cost the answers on the others
            show_mistake(error, target)
            failed.append(error)
    return found


def named_apart(opened: dict[str, Run]) -> dict[str, Run]:
    """Return the runs; those that share a name with another get their path beside it."""
    names = [run.name for run in opened.values()]
    return {
        target: run.renamed(f"{run.name} ({target})") if names.count(run.name) > 1 else run
        for target, run in opened.items()
    }


def gate(
    checked: Sequence[Checked], level: Level | None, baseline: str | None, junit: str | None, github: bool
) -> bool:
    """Compare with a baseline, write what a CI server reads, and say whether the check fails."""
    runs = [entry.results for entry in checked]
    worse: Sequence[Change] = ()
    if baseline is not None:
        document = as_document([(entry.embedding_set, entry.results) for entry in checked])
        compared = compare_documents(read_document(baseline), document)
        show_comparison(messages(), compared, baseline)
        worse = compared.worse
    if junit is not None:
        with writing(junit):
            write_whole(junit_xml(runs, level, worse), junit)
    if github:
        sys.stdout.write(github_annotations(runs, level, worse))
    return bool(worse) or any(fails(finding, level) for results in runs for finding in all_findings(results))


def report_checked(checked: Sequence[Checked], json_target: str | None, *, numbers: bool = False) -> None:
    """Show the findings as tables, and write them as JSON; ``-`` prints only JSON.

    With all numbers if wanted, else with what was left out because it is slow.
    """
    document = as_document([(entry.embedding_set, entry.results) for entry in checked])
    if json_target == "-":
        sys.stdout.write(as_text(document) + "\n")
    else:
        for entry in checked:
            show_findings(answers(), entry.run, entry.snapshot, entry.embedding_set, entry.results)
            if numbers:
                show_numbers(answers(), entry.results)
            else:
                show_left_out(answers(), entry.run, entry.snapshot, entry.results)
        if json_target is not None:
            with writing(json_target):
                write_document(document, json_target)


def open_with_bar(target: str, choices: Choices) -> Run:
    """Open a target, with a bar where that takes long."""
    with progress_bar(target) as report:
        report(0.0, "opening")
        return open_target(target, choices)


def _check_run(
    target: str,
    run: Run,
    others: Sequence[Run],
    step: int | None,
    layer: str | None,
    scanner: Scanner,
    diagnostics: Mapping[str, Mapping[str, Any]] | None,
) -> Checked:
    with progress_bar(target) as report:
        snapshot = run.at(step, layer)
        embedding_set = run.get(*snapshot)
        scanner.expect(embedding_set, passes_of(DIAGNOSTICS[name] for name in diagnostics or ()))
        results = (
            cl_viz.check(run, others=others, step=step, layer=layer, scanner=scanner, progress=report)
            if diagnostics is None
            else [
                cl_viz.diagnose(
                    name, run, others=others, step=step, layer=layer, params=params, scanner=scanner, progress=report
                )
                for name, params in diagnostics.items()
            ]
        )
    return Checked(run, snapshot, embedding_set, results)
