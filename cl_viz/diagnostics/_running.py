"""Running one diagnostic on a run, by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.progress import ProgressCallback, or_bar, silent
from cl_viz.core.registry import Registry
from cl_viz.core.result import Caveats, Finding, Result
from cl_viz.core.run import Run
from cl_viz.core.specs import DiagnosticSpec, Pass
from cl_viz.diagnostics._one_point import FACTS_OF_THE_FILE, without_praise
from cl_viz.engine.inputs import Inputs, gather
from cl_viz.engine.scanner import Scanner

if TYPE_CHECKING:
    from cl_viz.encoders import Target

DIAGNOSTICS: Registry[DiagnosticSpec] = Registry("cl_viz.diagnostics", DiagnosticSpec)
NO_INTERVAL = "without an interval, so that it is not known how far other samples would move it"
"""What is said of the numbers that have none; their labels follow."""
NO_ESTIMATES = {
    "feature_suppression": {"features", "p_value"},
    "group_table": {"compared"},
    "individual_temperatures": {"log_negatives"},
    "spectrum": {"above_floor"},
    "subclass_collapse": {"p_value"},
}
"""Counts, parameters and tests, by diagnostic: they are what they are, and no interval is missing."""
_DRAWN = "drawn with seed 0"
"""What methods of intervals say that draw samples or groups of them, always by this seed."""


def diagnose(
    name: str,
    target: Target,
    *,
    others: Sequence[Target] = (),
    step: int | None = None,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    scanner: Scanner | None = None,
    progress: ProgressCallback | None = None,
    **settings: Any,
) -> Result:
    """Run one diagnostic.

    Parameters
    ----------
    name : str
        A key of `cl_viz.diagnostics.DIAGNOSTICS`, which lists them with their questions; for example
        ``"score_distribution"``.
    target : Run or EmbeddingSet, path, or what is in memory
        What `cl_viz.open_run` takes: a path, an array or tensor (N, D), a tuple of views, a mapping, a table.
    others : sequence of such targets
        Runs to compare with, for diagnostics that need several: the reference first. `target` may be among them.
    step, layer : optional
        Which snapshot of the run; by default the last step and the first layer.
    params : mapping, optional
        The diagnostic's parameters; those not given take the run card's value, then the default.
    scanner : Scanner, optional
        Has the passes made and keeps them; pass one to several calls and no pass is made twice.
    progress : callable, optional
        Called with the fraction done and a few words. By default a notebook shows a bar where it takes a while.
    **settings
        Single parameters: ``temperature=0.2`` is short for ``params={"temperature": 0.2}``.

    Returns
    -------
    Result
        If an input is missing, a result with the level "unknown" that says what to add.

    Raises
    ------
    InputError
        If a parameter is not known or out of range, or the set cannot be used at all.

    Examples
    --------
    >>> result = cl_viz.diagnose("hardness", "dump.npz", temperature=0.2)  # doctest: +SKIP
    >>> result["effective_negatives"].value, result.table(), result.figure()  # doctest: +SKIP
    """
    spec = DIAGNOSTICS[name]
    run, params = as_run(target), {**(params or {}), **settings}
    progress = or_bar(progress, spec.title)
    made = spec.params.make(params, dict(run.card))
    try:
        inputs = _gathered(spec, run, _as_runs(others, target, run), step, layer, scanner, progress)
        result = without_praise(spec.compute(inputs, made), inputs)
    except MissingInputError as error:
        progress(1.0, "done")
        return unknown_result(spec, run, error, step, layer)
    progress(1.0, "done")
    assumed = spec.params.assumed(params, run.card)
    findings = tuple(_with_assumptions(finding, assumed) for finding in result.findings)
    return replace(result, findings=findings, caveats=_completed(result, assumed))


def _with_assumptions(finding: Finding, assumed: Sequence[str]) -> Finding:
    """Return a finding whose message marks the parameters that it names, by name and value, and that are assumed."""
    message = finding.message
    for parameter in assumed:
        message = re.sub(rf"\b{re.escape(parameter)}(?![\d.,]*\d|e)", f"{parameter} (assumed)", message)
    return replace(finding, message=message)


def _completed(result: Result, assumed: Sequence[str]) -> Caveats:
    """Return the caveats with what was assumed, which numbers have no interval, and the seed that intervals draw by."""
    caveats, found = result.caveats, [entry for entry in result.quantities.values() if entry.value is not None]
    notes = (*caveats.notes, *(f"{parameter} is assumed: the run's card has none" for parameter in assumed))
    known = NO_ESTIMATES.get(result.diagnostic, set())
    bare = [entry.label for entry in found if entry.interval is None and entry.name not in known]
    if bare and result.diagnostic not in FACTS_OF_THE_FILE:
        notes = (*notes, f"{NO_INTERVAL}: {'; '.join(bare)}")
    drawn = any(entry.interval is not None and _DRAWN in entry.interval.method for entry in found)
    return replace(caveats, seed=0 if drawn and caveats.seed is None else caveats.seed, notes=notes)


def estimate(
    name: str,
    target: Target,
    *,
    others: Sequence[Target] = (),
    step: int | None = None,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    scanner: Scanner | None = None,
) -> float:
    """Return about how many seconds `diagnose` takes beyond the passes over pairs; 0 where it is quick, or cannot run.

    Parameters are those of `diagnose`.
    """
    spec = DIAGNOSTICS[name]
    if spec.seconds is None:
        return 0.0
    run = as_run(target)
    made = spec.params.make(dict(params or {}), dict(run.card))
    try:
        return spec.seconds(_gathered(spec, run, _as_runs(others, target, run), step, layer, scanner, silent), made)
    except MissingInputError:
        return 0.0


def as_run(target: Target) -> Run:
    """Return a run as it is, a set as a run of one snapshot, and anything else as `cl_viz.open_run` opens it."""
    if isinstance(target, EmbeddingSet):
        return Run.from_set(target)
    if isinstance(target, Run):
        return target
    from cl_viz.encoders import open_run

    return open_run(target)


def _as_runs(others: Sequence[Target], target: Target, run: Run) -> list[Run]:
    """Return the others as runs; the target itself, where it is among them, as the run it became."""
    return [run if other is target else as_run(other) for other in others]


def _gathered(
    spec: DiagnosticSpec, run: Run, others: Sequence[Run], step: int | None, layer: str | None,
    scanner: Scanner | None, progress: ProgressCallback,
) -> Inputs:  # fmt: skip
    return gather(spec.needs, run, step, layer, others=others, scanner=scanner, progress=progress)


def unknown_result(
    spec: DiagnosticSpec, run: Run, error: MissingInputError, step: int | None = None, layer: str | None = None
) -> Result:
    """Return the result of a diagnostic whose input is missing: no number, and what to add."""
    finding = Finding(spec.name, "unknown", f"Unknown: {error.what}.", advice=f"To see it, {error.remedy}.")
    snapshot = run.at(step, layer)
    embedding_set = run.get(*snapshot)
    caveats = Caveats(
        embedding_set.n,
        0,
        embedding_set.dim,
        embedding_set.view_names,
        layer=snapshot.layer,
        step=snapshot.step,
        notes=("nothing was computed",),
    )
    return Result(spec.name, run.name, {}, {}, (finding,), caveats)


def passes_of(specs: Iterable[DiagnosticSpec]) -> frozenset[Pass]:
    """Return which looks at all pairs of a run's own set some diagnostics take; see `Scanner.expect`."""
    return frozenset(name for spec in specs if spec.needs in ("set", "pair", "family") for name in spec.passes)


def labelled_passes_of(specs: Iterable[DiagnosticSpec]) -> frozenset[Pass]:
    """Return which of these passes some diagnostics take once more over the labelled rows, where some have no label."""
    return frozenset(name for spec in specs for name in spec.labelled_passes)
