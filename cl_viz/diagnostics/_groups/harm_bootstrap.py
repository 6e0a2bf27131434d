"""Representation harm with its intervals, from class sums: no pair of samples is looked at.

The mean cosine between two classes is the product of the means of their unit rows, so a bootstrap draw costs one
product of counts with rows a class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.result import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
UnitRows = Callable[[Codes], Floats]
"""From places 0..N-1 to unit rows in float64."""


@dataclass(frozen=True)
class HarmEstimate:
    """RH of one rare class towards every class.

    Attributes
    ----------
    rare, balanced : NDArray, shape (S, K)
        Mean cosines of the rare class with every class, by seed, in the run where it is rare and in its twin.
    draws : NDArray, shape (B, K)
        RH of bootstrap draws of seeds and samples, the same for a run and its twin.
    sample_draws : NDArray, shape (B, K)
        RH of the same draws of samples with every seed once.
    sizes : NDArray of int, shape (K,)
        Samples of every class.
    row : int
        The rare class.
    """

    rare: Floats
    balanced: Floats
    draws: Floats
    sample_draws: Floats
    sizes: Codes
    row: int

    @property
    def seeds(self) -> int:
        """S."""
        return len(self.rare)

    @property
    def values(self) -> Floats:
        """RH, shape (K,): cosines are averaged over seeds before the ratio; NaN where the balanced twin's is 1."""
        return harm_ratio(self.rare.mean(axis=0), self.balanced.mean(axis=0))

    def interval(self, column: int, level: float = 0.95) -> Interval:
        """Return the percentile interval over seeds and samples of RH towards one class."""
        return self._percentiles(self.draws[:, column], level)

    def interval_of_mean(self, columns: Codes, level: float = 0.95) -> Interval:
        """Return the percentile interval of the mean of RH over some classes."""
        return self._percentiles(self.draws[:, columns].mean(axis=1), level)

    def _percentiles(self, draws: Floats, level: float) -> Interval:
        return bootstrap_interval(draws, self.seeds, int(self.sizes.sum()), level)

    def wide_interval(self, column: int, level: float = 0.95) -> Interval | None:
        """Return an interval of RH that also holds for other seeds; None with a single one.

        On the logarithmic scale: variance over seeds by the delta method, variance over samples by the bootstrap, and
        Student's t with Satterthwaite's degrees of freedom.
        """
        if self.seeds < 2 or not self.values[column] > 0:
            return None
        rare, even = self.rare[:, column], self.balanced[:, column]
        shift = (even - even.mean()) / (1 - even.mean()) - (rare - rare.mean()) / (1 - rare.mean())
        over_seeds = float(np.var(shift, ddof=1)) / self.seeds
        # Log RH of draws whose classes coincide is not finite; they say nothing of the spread of the others.
        drawn = self.sample_draws[:, column]
        over_samples = float(np.var(np.log(drawn[drawn > 0]), ddof=1))
        smallest = int(min(self.sizes[self.row], self.sizes[column]))
        reach = two_level_reach(over_seeds, over_samples, self.seeds, smallest, level)
        centre = float(np.log(self.values[column]))
        method = f"t interval of log RH over {self.seeds} seeds, with the spread over samples"
        return Interval(float(np.exp(centre - reach)), float(np.exp(centre + reach)), level, method)


def two_level_reach(over_seeds: float, over_samples: float, seeds: int, samples: int, level: float) -> float:
    """Return half the width of a t interval from the variance over seeds and that over samples.

    Degrees of freedom are Satterthwaite's (1946, An approximate distribution of estimates of variance components).
    """
    variance = over_seeds + over_samples
    if variance == 0:
        return 0.0
    freedom = variance**2 / (over_seeds**2 / (seeds - 1) + over_samples**2 / max(1, samples - 1))
    return float(stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance))


def bootstrap_interval(draws: Floats, seeds: int, samples: int, level: float = 0.95) -> Interval:
    """Return the percentile interval of draws of seeds and samples together; draws that are NaN are left out."""
    known = draws[~np.isnan(draws)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2]) if len(known) else (np.nan, np.nan)
    words = f"{seeds} seeds" if seeds > 1 else "1 seed"
    limit = "" if seeds >= ENOUGH_SEEDS else ", which speaks of these seeds more than of others"
    return Interval(float(low), float(high), level, f"paired bootstrap over {words} and {samples:,} samples{limit}")


_LINES = 256
"""Draws whose counts are held as numbers of 8 bytes at a time."""
ENOUGH_SEEDS = 10
"""Seeds from which a bootstrap over them is taken at its word; the authors train as many."""


def harm_ratio(rare: Floats, balanced: Floats) -> Floats:
    """Return (1 - rare) / (1 - balanced), NaN where the balanced cosine is 1 up to rounding."""
    distance = 1 - balanced
    found: Floats = np.divide(1 - rare, distance, out=np.full(distance.shape, np.nan), where=distance > 1e-9)
    return found


def estimate_harm(
    twins: Sequence[tuple[UnitRows, UnitRows]],
    codes: Codes,
    row: int,
    *,
    bootstraps: int = 2000,
    seed: int = 0,
    self_pairs: bool = False,
    progress: ProgressCallback = silent,
) -> HarmEstimate:
    """Estimate RH of class `row`.

    Parameters
    ----------
    twins : sequence of pairs of callables
        Unit rows of the run where the class is rare and of its balanced twin, one pair a seed, of the same samples.
    codes : NDArray of int, shape (N,)
        Class of each sample, 0..K-1, each with two samples or more.
    row : int
    bootstraps, seed : int
    self_pairs : bool
        Whether a sample's cosine with itself counts towards the cosine of its class with itself.
    progress : callable

    Notes
    -----
    Source: Maity et al. 2024, An Investigation of Representation and Allocation Harms in Contrastive Learning.
    """
    classes = [np.flatnonzero(codes == code) for code in range(int(codes.max()) + 1)]
    chosen, counts = draw_seeds_and_samples(len(twins), classes, bootstraps, np.random.default_rng(seed))
    # The first line of counts is the set itself.
    weighted = [np.concatenate([np.ones((len(part), 1), dtype=np.uint8), part], axis=1) for part in counts]
    cosines = np.empty((2, len(twins), bootstraps + 1, len(classes)))
    for place, pair in enumerate(twins):
        for side, rows in enumerate(pair):
            cosines[side, place] = _weighted_cosines(rows, classes, weighted, row, self_pairs)
            progress((2 * place + side + 1) / (2 * len(twins)), f"{bootstraps:,} bootstrap draws")
    rare, balanced = cosines
    lines = np.arange(bootstraps)
    drawn = [np.mean([side[chosen[:, i], lines + 1] for i in range(len(twins))], axis=0) for side in (rare, balanced)]
    samples = harm_ratio(rare[:, 1:].mean(axis=0), balanced[:, 1:].mean(axis=0))
    sizes = np.array([len(part) for part in classes])
    return HarmEstimate(rare[:, 0], balanced[:, 0], harm_ratio(*drawn), samples, sizes, row)


def draw_seeds_and_samples(
    seeds: int, classes: list[Codes], bootstraps: int, generator: np.random.Generator
) -> tuple[Codes, list[NDArray[np.uint8]]]:
    """Return the seeds drawn, shape (B, S), and how often each sample is, one array of shape (n_k, B) a class."""
    chosen = np.empty((bootstraps, seeds), dtype=np.int64)
    counts = [np.empty((len(part), bootstraps), dtype=np.uint8) for part in classes]
    for line in range(bootstraps):
        chosen[line] = generator.integers(seeds, size=seeds)
        for part in counts:
            size = len(part)
            part[:, line] = np.bincount(generator.integers(size, size=size), minlength=size)
    return chosen, counts


def _weighted_cosines(
    rows: UnitRows, classes: list[Codes], counts: list[NDArray[np.uint8]], row: int, self_pairs: bool
) -> Floats:
    """Return the mean cosine of class `row` with every class under each line of counts, shape (B + 1, K)."""
    own, size = _totals(rows, classes[row], counts[row])
    found = np.empty((len(own), len(classes)))
    for column, (places, count) in enumerate(zip(classes, counts, strict=True)):
        total, other = (own, size) if column == row else _totals(rows, places, count)
        products, pairs = (own * total).sum(axis=1), size * other
        if column == row and not self_pairs:
            itself = np.square(count.astype(np.float64)).sum(axis=0)
            # A draw of one sample only has no other pair: it counts as its own.
            products, pairs = np.where(pairs > itself, [products - itself, pairs - itself], [products, pairs])
        found[:, column] = products / pairs
    return found


def _totals(rows: UnitRows, places: Codes, counts: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Return the weighted sum of the rows of a class, shape (B + 1, D), and the sum of the weights, shape (B + 1,)."""
    unit = rows(places)
    parts = [
        counts[:, start : start + _LINES].T.astype(np.float64) @ unit for start in range(0, counts.shape[1], _LINES)
    ]
    return np.concatenate(parts), counts.sum(axis=0, dtype=np.float64)
