"""Comparing runs from Python: diagnoses them, and puts the numbers side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, or_bar, silent
from cl_viz.core.result import Result
from cl_viz.core.run import Run
from cl_viz.diagnostics._comparing.resampling import resample
from cl_viz.diagnostics._comparing.run_table import RunTable, tabulate
from cl_viz.diagnostics._comparing.same_samples import Pairing, pairing
from cl_viz.diagnostics._running import DIAGNOSTICS, as_run, diagnose, passes_of
from cl_viz.engine.scanner import Scanner

if TYPE_CHECKING:
    from cl_viz.encoders import Target


def compared_diagnostics() -> tuple[str, ...]:
    """Return the diagnostics whose quantities are compared: the quick ones that look at one set."""
    return tuple(name for name, spec in DIAGNOSTICS.items() if spec.quick and spec.needs == "set")


def compare_runs(
    runs: Sequence[Target] | Mapping[str, Target],
    *,
    reference: str = "",
    diagnostics: Sequence[str] = (),
    step: int | None = None,
    layer: str | None = None,
    resamples: int = 0,
    seed: int = 0,
    scanner: Scanner | None = None,
    progress: ProgressCallback | None = None,
) -> RunTable:
    """Put the quantities of several runs side by side, and say which differ beyond noise.

    Parameters
    ----------
    runs : sequence, or mapping by name, of Run or EmbeddingSet, path, or what is in memory
        Two or more, of different names; a mapping names them. Each is what `cl_viz.open_run` takes.
    reference : str
        Name of the run that the others are compared with; by default the first.
    diagnostics : sequence of str
        Keys of `DIAGNOSTICS` that look at one set; by default all quick ones.
    step, layer : optional
        Which snapshot of every run; by default each one's last step and first layer.
    resamples : int
        Resamples of the samples, the same ones for runs that share them, that judge every difference: 200 are good.
        By default none are drawn: influences and intervals judge at once, fewer numbers.
    seed : int
        Of the resamples.
    scanner : Scanner, optional
        Has the passes made and keeps them.
    progress : callable

    Returns
    -------
    RunTable
        Where two runs embed the same samples in the same order, the interval of their difference is paired. How many
        differences hold is counted at a false discovery rate of 5 %.

    Raises
    ------
    InputError
        If there is one run only, two share a name, the reference is none of them, or there are fewer than 20 resamples.

    Examples
    --------
    >>> cl_viz.compare_runs(cl_viz.sample_runs())  # doctest: +SKIP
    >>> cl_viz.compare_runs({"before": "old.npz", "after": embeddings}).table()  # doctest: +SKIP
    """
    made, progress = _as_runs(runs), or_bar(progress, "Comparison")
    names = [run.name for run in made]
    if len(made) < 2:
        raise InputError(f"got {len(made)} runs", where="compare_runs", allowed="two runs or more")
    if len(set(names)) < len(names):
        raise InputError(
            "two runs have the same name",
            where="compare_runs",
            remedy="rename one: run.renamed(name); or name them: compare_runs({name: run, ...})",
        )
    reference = reference or names[0]
    if reference not in names:
        raise InputError(f"no run {reference!r} to compare with", where="compare_runs", allowed=", ".join(names))
    keeper, asked = scanner or Scanner(), tuple(diagnostics) or compared_diagnostics()
    pairings = pairings_with(made, reference, step, layer)
    share = 1.0 if not resamples else 0.1
    results: dict[str, list[Result]] = {name: [] for name in names}
    for run in made:
        keeper.expect(run.get(step, layer), passes_of(DIAGNOSTICS[name] for name in asked))
    for place, (run, name) in enumerate([(run, name) for run in made for name in asked]):
        progress(share * place / (len(made) * len(asked)), f"{run.name}: {DIAGNOSTICS[name].title}")
        results[run.name].append(diagnose(name, run, step=step, layer=layer, scanner=keeper, progress=silent))
    drawn = None
    if resamples:

        def report(done: float, message: str) -> None:
            progress(share + (1 - share) * done, message)

        drawn = resample(
            made, pairings, reference, asked, step=step, layer=layer, draws=resamples, seed=seed, progress=report
        )
    progress(1.0, "done")
    return tabulate(results, pairings, reference, drawn)


def _as_runs(runs: Sequence[Target] | Mapping[str, Target]) -> list[Run]:
    if isinstance(runs, Mapping):
        return [as_run(run).renamed(str(name)) for name, run in runs.items()]
    if isinstance(runs, Run | EmbeddingSet | str | os.PathLike) or hasattr(runs, "ndim"):
        raise InputError(
            f"got one {type(runs).__name__}", where="compare_runs", allowed="two runs or more",
            remedy="give them as a list, compare_runs([first, second]), or by name, compare_runs({name: run, ...})",
        )  # fmt: skip
    return [as_run(run) for run in runs]


def pairings_with(runs: Sequence[Run], reference: str, step: int | None, layer: str | None) -> dict[str, Pairing]:
    """Return, for each run but the reference, whether it embeds the samples of the reference."""
    own = next(run for run in runs if run.name == reference).get(step, layer)
    return {
        run.name: pairing(own, run.get(step, layer), (reference, run.name)) for run in runs if run.name != reference
    }
