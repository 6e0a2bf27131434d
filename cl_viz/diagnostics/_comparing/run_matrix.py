"""How alike several runs are, each pair of them: CKA, Procrustes, and neighbours kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.result import format_number
from cl_viz.core.run import Run
from cl_viz.core.view import Heatmap
from cl_viz.diagnostics._geometry.sample_match import match_samples
from cl_viz.diagnostics._geometry.similarity_matrix import (
    SimilarityMatrixParams,
    heatmap,
    matrix_seconds,
    similarity_matrix,
)
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.scanner import Scanner

MEASURES = {"cka": "CKA", "procrustes": "Procrustes similarity", "neighbours": "Neighbours kept"}


@dataclass(frozen=True)
class RunMatrix:
    """Similarity of every pair of runs on the same samples.

    Attributes
    ----------
    runs : tuple of str
    values : Mapping[str, NDArray[np.float64]]
        ``cka`` (debiased), ``procrustes`` and ``neighbours``, each symmetric of shape (R, R); NaN where not defined.
    count : int
        Samples compared.
    evidence : str
        What says that the samples are the same.
    left_out : Mapping[str, str]
        Runs that do not embed the samples of the first, and why.
    k : int
        Neighbours compared.
    """

    runs: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    count: int
    evidence: str
    left_out: Mapping[str, str]
    k: int

    def view(self, measure: str) -> Heatmap:
        """Return one of the matrices as a figure's data; its title names the pair that is least alike."""
        values = self.values[measure]
        label = MEASURES[measure] + (f" of {self.k}" if measure == "neighbours" else "")
        pairs = [pair for pair in combinations(range(len(self.runs)), 2) if np.isfinite(values[pair])]
        if not pairs:
            return heatmap(values, self.runs, label, f"{label} is not defined for these runs", "Run", "")
        one, two = min(pairs, key=lambda pair: values[pair])
        least = format_number(float(values[one, two]))
        names = f"{self.runs[one]} and {self.runs[two]}"
        title = f"{label}: least {least}, {names} (N = {self.count:,})"
        return heatmap(values, self.runs, label, title, "Run", "")


def run_matrix(
    runs: Sequence[Run | EmbeddingSet],
    *,
    step: int | None = None,
    layer: str | None = None,
    k: int = 10,
    scanner: Scanner | None = None,
    progress: ProgressCallback = silent,
) -> RunMatrix:
    """Compare every pair of runs: debiased CKA, Procrustes similarity, and the share of neighbours kept.

    Parameters
    ----------
    runs : sequence of Run or EmbeddingSet
        Those that do not embed the samples of the first, in its order, are left out and named.
    step, layer : optional
        By default each run's last step and first layer.
    k : int
        Neighbours compared.
    scanner : Scanner, optional
    progress : callable

    Raises
    ------
    MissingInputError
        If fewer than two runs are left, or they have too many dimensions.

    Notes
    -----
    Means over views, of unit rows. Sources: Kornblith et al. 2019; Nguyen, Raghu and Kornblith 2021 (debiased);
    Williams et al. 2021 (Procrustes).
    """
    made = [run if isinstance(run, Run) else Run.from_set(run) for run in runs]
    sets = {run.name: run.get(step, layer) for run in made}
    first, left_out = made[0].name, {}
    for name in list(sets)[1:]:
        try:
            match_samples((sets[first], sets[name]), (first, name))
        except MissingInputError as error:
            left_out[name] = error.what
    kept = [run for run in made if run.name not in left_out]
    if len(kept) < 2:
        reasons = "; ".join(left_out.values())
        raise MissingInputError(
            f"no second run embeds the samples of {first}" + (f": {reasons}" if reasons else ""),
            where=first,
            remedy="open another run on the same samples, in the same order",
        )
    keeper = scanner or Scanner()
    inputs = []
    for place, run in enumerate(kept):

        def report(done: float, message: str, place: int = place, name: str = run.name) -> None:
            progress((place + done) / len(kept), f"{name}: {message}")

        inputs.append(SetInputs(sets[run.name], run.name, run.at(step, layer), run.card, keeper, report))
    names = [run.name for run in kept]
    found = similarity_matrix(inputs, names, SimilarityMatrixParams(k=k), procrustes=True)
    assert found.procrustes is not None
    values = {"cka": found.cka, "procrustes": found.procrustes, "neighbours": found.overlap}
    return RunMatrix(tuple(names), values, found.count, found.evidence, left_out, k)


def run_matrix_seconds(sets: Sequence[EmbeddingSet]) -> float:
    """Return about how long `run_matrix` takes beyond the search for neighbours."""
    dim, views = max(entry.dim for entry in sets), min(len(entry.views) for entry in sets)
    pairs = len(sets) * (len(sets) + 1) / 2
    return matrix_seconds(sets[0].n, dim, views, len(sets)) + views * pairs * 8e-9 * dim**3
