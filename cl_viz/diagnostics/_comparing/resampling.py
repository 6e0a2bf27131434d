"""Numbers of several runs on resamples of their samples: the same ones in all runs that embed the same samples."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.run import Run, Snapshot
from cl_viz.diagnostics._comparing.same_samples import Pairing
from cl_viz.diagnostics._comparing.unjudged import GROWING_WITH_N, ONLY_BY_INFLUENCES, UNJUDGED
from cl_viz.diagnostics._running import DIAGNOSTICS, diagnose
from cl_viz.engine.scanner import Scanner

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Scheme = Literal["bootstrap", "half-samples"]

DRAWS = 200
FEWEST_DRAWS = 20
FEWEST_UNITS = 20
"""Different samples below which nothing is judged by resampling."""
_LEAST_DEFINED = 0.9
"""Share of the resamples on which a number must be defined."""

_NOT_RESAMPLED = {*UNJUDGED, *ONLY_BY_INFLUENCES}

OF_MOMENTS = frozenset({
    "alpha_req", "class_cosines", "data_quality", "dimension_ranks", "isotropy", "lidar", "neural_collapse", "spectrum",
})  # fmt: skip
"""Diagnostics whose numbers are functions of sums over rows: a row drawn twice counts twice, as it should."""


@dataclass(frozen=True, eq=False)
class Resamples:
    """Values of numbers on resamples.

    Attributes
    ----------
    draws, seed : int
    units : Mapping[str, int]
        By run, different samples that were drawn from; 0 where its rows cannot be drawn.
    values : Mapping[tuple of (str, str), NDArray[np.float64] of shape (draws,)]
        By run and ``diagnostic.quantity``; NaN where a number is not defined.
    refused : Mapping[str, str]
        By run, why its rows cannot be drawn.
    """

    draws: int
    seed: int
    units: Mapping[str, int]
    values: Mapping[tuple[str, str], Floats]
    refused: Mapping[str, str] = field(default_factory=dict)

    def standard_error(self, before: str, after: str, key: str) -> tuple[float, int, str]:
        """Return the standard error of a difference of two runs, the resamples it rests on, and why there is none."""
        for run in (before, after):
            if run in self.refused:
                return math.nan, 0, self.refused[run]
        one, two = self.values.get((before, key)), self.values.get((after, key))
        if one is None or two is None:
            return math.nan, 0, "not resampled"
        moved = two - one
        moved = moved[np.isfinite(moved)]
        if len(moved) < _LEAST_DEFINED * self.draws:
            return math.nan, len(moved), f"not defined on {self.draws - len(moved):,} of {self.draws:,} resamples"
        error = float(np.std(moved, ddof=1))
        # Rounding of equal values is no noise.
        if error <= 1e-12 * max(1.0, float(np.abs(moved).max())):
            return math.nan, len(moved), "it is the same on every resample"
        return error, len(moved), ""


def scheme_of(diagnostic: str) -> Scheme:
    """Return how the numbers of a diagnostic are resampled, in words."""
    return "bootstrap" if diagnostic in OF_MOMENTS else "half-samples"


def resampled_diagnostics(diagnostics: Sequence[str]) -> list[str]:
    """Return those of some diagnostics that have a number to judge by resampling."""
    return [
        name
        for name in diagnostics
        if any(f"{name}.{entry.name}" not in _NOT_RESAMPLED for entry in DIAGNOSTICS[name].quantities)
    ]


def resample(
    runs: Sequence[Run],
    pairings: Mapping[str, Pairing],
    reference: str,
    diagnostics: Sequence[str],
    *,
    step: int | None = None,
    layer: str | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    device: str = "auto",
    progress: ProgressCallback = silent,
) -> Resamples:
    """Compute numbers of runs on resamples of their samples.

    Parameters
    ----------
    runs : sequence of Run
        The reference among them.
    pairings : Mapping[str, Pairing]
        For each other run, whether it embeds the samples of the reference. Those that do share its draws; each other
        run has draws of its own.
    reference : str
    diagnostics : sequence of str
    step, layer : optional
    draws : int
        At least `FEWEST_DRAWS`.
    seed : int
        Of the draws.
    device : str
    progress : callable

    Notes
    -----
    Numbers of moments of rows (`OF_MOMENTS`) are computed on n samples drawn with replacement (bootstrap; Efron 1979).
    For numbers of pairs and neighbours a sample drawn twice would be its own nearest neighbour, so these are computed
    on n/2 samples drawn without replacement, whose spread is that of the bootstrap to first order (the jackknife that
    leaves out half; Shao and Wu 1989, Annals of Statistics 17:1176). Equal samples are drawn together.

    Raises
    ------
    InputError
        If there are fewer draws than `FEWEST_DRAWS`.
    """
    if draws < FEWEST_DRAWS:
        raise InputError(f"{draws} draws", where="resample", allowed=f"{FEWEST_DRAWS} or more")
    sets = {run.name: run.get(step, layer) for run in runs}
    together = [name for name in sets if name == reference or pairings[name].same]
    groups = [together, *([name] for name in sets if name not in together)]
    cards = {run.name: run.card for run in runs}
    values: dict[tuple[str, str], Floats] = {}
    units: dict[str, int] = {}
    refused: dict[str, str] = {}
    for place, group in enumerate(groups):
        reason, clusters = _clusters([sets[name] for name in group])
        units |= dict.fromkeys(group, len(clusters))
        if reason:
            refused |= dict.fromkeys(group, reason)
            continue
        generator = np.random.default_rng([seed, place])
        for draw, drawn in enumerate(_draws(clusters, draws, generator)):
            for turn, name in enumerate(group):
                done = (place + (draw + turn / len(group)) / draws) / len(groups)
                progress(done, f"resample {draw + 1:,} of {draws:,}")
                for key, value in _numbers(sets[name], cards[name], diagnostics, drawn, device).items():
                    values.setdefault((name, key), np.full(draws, np.nan))[draw] = value
    progress(1.0, "done")
    return Resamples(draws, seed, units, values, refused)


def _clusters(sets: Sequence[EmbeddingSet]) -> tuple[str, list[Rows]]:
    """Return rows that are drawn together, and why none can be drawn.

    Equal samples are those of one id, and those whose rows are equal in every view of every run.
    """
    if not all(found.aligned for found in sets):
        return "its views are not aligned row by row", []
    identifiers = next((found.role("id") for found in sets if found.role("id") is not None), None)
    if identifiers is not None and len(set(identifiers.tolist())) < len(identifiers):
        keys: list[object] = identifiers.tolist()
    else:
        arrays = [np.ascontiguousarray(rows) for found in sets for rows in found.views.values()]
        keys = [hash(tuple(rows[place].tobytes() for rows in arrays)) for place in range(sets[0].n)]
    members: dict[object, list[int]] = {}
    for row, key in enumerate(keys):
        members.setdefault(key, []).append(row)
    clusters = [np.array(rows, dtype=np.int64) for rows in members.values()]
    return (f"only {len(clusters)} of its samples differ", []) if len(clusters) < FEWEST_UNITS else ("", clusters)


def _draws(clusters: Sequence[Rows], draws: int, generator: np.random.Generator) -> Iterator[dict[str, Rows]]:
    """Yield, for each draw, the rows of each scheme."""
    count = len(clusters)
    for _ in range(draws):
        again = generator.integers(count, size=count)
        half = np.sort(generator.permutation(count)[: count // 2])
        yield {
            "bootstrap": np.concatenate([clusters[place] for place in again]),
            "half-samples": np.concatenate([clusters[place] for place in half]),
        }


def _numbers(
    found: EmbeddingSet, card: Mapping[str, object], diagnostics: Sequence[str], drawn: Mapping[str, Rows], device: str
) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for scheme, rows in drawn.items():
        asked = [name for name in resampled_diagnostics(diagnostics) if scheme_of(name) == scheme]
        if not asked:
            continue
        run = Run(found.name, {Snapshot(): found.select(rows=rows)}, card=card)
        scanner = Scanner(device)
        for name in asked:
            try:
                result = diagnose(name, run, scanner=scanner)
            except ClVizError:
                continue
            for quantity, entry in result.quantities.items():
                key = f"{name}.{quantity}"
                if entry.value is not None:
                    numbers[key] = entry.value * (found.n / len(rows) if key in GROWING_WITH_N else 1.0)
    return numbers


def resample_seconds(sets: Sequence[EmbeddingSet], diagnostics: Sequence[str], draws: int) -> float:
    """Return about how long `resample` takes."""
    asked = resampled_diagnostics(diagnostics)
    quick = sum(scheme_of(name) == "bootstrap" for name in asked)
    seconds = 0.0
    for found in sets:
        thousands, views = found.n / 1000, len(found.views)
        moments = 0.006 * quick * max(1.0, thousands * views * found.dim / 64)
        pairs = (len(asked) - quick) * (0.06 + 0.02 * views**2 * thousands**2)
        seconds += draws * (moments + pairs)
    return seconds
