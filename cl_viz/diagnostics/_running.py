"""Running diagnostics on runs: one by name, or all the quick ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.registry import Registry
from cl_viz.core.result import Caveats, Finding, Result
from cl_viz.core.run import Run
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.engine.inputs import Scanner, gather, plain_scan

DIAGNOSTICS: Registry[DiagnosticSpec] = Registry("cl_viz.diagnostics", DiagnosticSpec)


def diagnose(
    name: str,
    target: Run | EmbeddingSet,
    *,
    step: int | None = None,
    layer: str | None = None,
    params: Mapping[str, Any] | None = None,
    scanner: Scanner = plain_scan,
    progress: ProgressCallback = silent,
) -> Result:
    """Run one diagnostic.

    Parameters
    ----------
    name : str
        A key of `DIAGNOSTICS`, for example ``"score_distribution"``.
    target : Run or EmbeddingSet
    step, layer : optional
        Which snapshot of the run; by default the last step and the first layer.
    params : mapping, optional
        The diagnostic's parameters; those not given take the run card's value, then the default.
    scanner : callable
        How statistics are had; a dashboard passes one that keeps its answers.
    progress : callable

    Returns
    -------
    Result
        If an input is missing, a result with the level "unknown" that says what to add.

    Raises
    ------
    InputError
        If a parameter is out of range, or the set cannot be used at all.
    """
    spec = DIAGNOSTICS[name]
    run = target if isinstance(target, Run) else Run.from_set(target)
    made = spec.params.make(dict(params or {}), dict(run.card))
    try:
        inputs = gather(spec.needs, run, step, layer, scanner=scanner, progress=progress)
        return spec.compute(inputs, made)
    except MissingInputError as error:
        return unknown_result(spec, run, error)


def unknown_result(spec: DiagnosticSpec, run: Run, error: MissingInputError) -> Result:
    """Return the result of a diagnostic whose input is missing: no number, and what to add."""
    finding = Finding(spec.name, "unknown", f"Unknown: {error.what}.", advice=f"To see it, {error.remedy}.")
    embedding_set = run.get()
    caveats = Caveats(embedding_set.n, 0, embedding_set.dim, embedding_set.view_names, notes=("nothing was computed",))
    return Result(spec.name, run.name, {}, {}, (finding,), caveats)


def check(
    target: Run | EmbeddingSet,
    *,
    step: int | None = None,
    layer: str | None = None,
    scanner: Scanner = plain_scan,
    progress: ProgressCallback = silent,
) -> list[Result]:
    """Run every quick diagnostic, with the run card's parameters.

    Returns
    -------
    list of Result
        In the order of the registry; see `diagnose`.
    """
    run = target if isinstance(target, Run) else Run.from_set(target)
    quick = [spec for spec in DIAGNOSTICS.values() if spec.quick]
    results = []
    for index, spec in enumerate(quick):

        def report(done: float, message: str, index: int = index, title: str = spec.title) -> None:
            progress((index + done) / len(quick), f"{title}: {message}")

        results.append(diagnose(spec.name, run, step=step, layer=layer, scanner=scanner, progress=report))
    progress(1.0, "done")
    return results
