"""All that is measured of the gap between two views: its null, a plane, the shift, retrieval before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_viz.diagnostics._geometry import modality_measures as measures
from cl_viz.diagnostics._geometry.modality_pairs import DrawnPairs, ModalityPairs
from cl_viz.diagnostics._groups.ranking import ranks_of_partners, shifted
from cl_viz.diagnostics._groups.relevant_ranks import RelevantRanks
from cl_viz.diagnostics._thresholds import modality_gap as _thresholds
from cl_viz.engine.inputs import SetInputs

if TYPE_CHECKING:
    from cl_viz.diagnostics.modality_gap import ModalityGapParams

NULL_DRAWS = 500
BATCH = 512
DELTAS = np.arange(-10, 31) / 20


@dataclass(frozen=True)
class Closing:
    """Retrieval one way, before and after the gap is closed.

    Attributes
    ----------
    view, other : str
    before, after : NDArray[np.float64], shape (Q,)
        How likely each query's first result is its own sample; 0 or 1 unless scores are tied.
    """

    view: str
    other: str
    before: NDArray[np.float64]
    after: NDArray[np.float64]


@dataclass(frozen=True)
class GapMeasures:
    """All that is known of the gap between two views.

    Attributes
    ----------
    pairs : ModalityPairs
    drawn : DrawnPairs
    null : NDArray[np.float64], shape (draws,)
        Lengths of the gap under exchange of the two views, at the number of samples of the gap itself.
    separability : Separability
    shift, losses : NDArray[np.float64], shape (M,)
        Signed centre distance and contrastive loss at each of `DELTAS`.
    there, back : Closing
    chosen_among : int
        Pairs of views among which these two were found to lie farthest apart; 1 where they were asked for.
    """

    pairs: ModalityPairs
    drawn: DrawnPairs
    null: NDArray[np.float64]
    separability: measures.Separability
    shift: NDArray[np.float64]
    losses: NDArray[np.float64]
    there: Closing
    back: Closing
    chosen_among: int

    @property
    def null_end(self) -> float:
        """Length that the gap of exchanged views rarely passes; the longest of several gaps is held to more."""
        return float(np.quantile(self.null, 1 - _thresholds.BEYOND_EXCHANGE.limit / self.chosen_among))

    @property
    def real(self) -> bool:
        """Whether the gap is longer than exchanging the views would make it."""
        return self.pairs.gap_norm > self.null_end * (1 + 1e-9) + 1e-12

    def closing_shift(self) -> float | None:
        """Return the shift at which the signed distance of the centres crosses 0; None where none measured does."""
        passed = np.flatnonzero((self.shift <= 0) & (DELTAS >= 0))
        if not len(passed):
            return None
        after = int(passed[0])
        if DELTAS[after] == 0:
            return 0.0
        ends = self.shift[after - 1], self.shift[after]
        share = ends[0] / (ends[0] - ends[1]) if ends[0] > 0 else 0.0
        return float(DELTAS[after - 1] + share * (DELTAS[after] - DELTAS[after - 1]))


def measured(inputs: SetInputs, params: ModalityGapParams, names: tuple[str, str], among: int) -> GapMeasures:
    """Measure the gap between two views, found to lie farthest apart `among` so many pairs of views."""
    first, second = names
    key = ("modality gap", first, second, params.pairs, params.queries, params.seed)
    pairs, drawn, null, plane, shift, there, back = inputs.remember(
        key, lambda: _at_any_temperature(inputs, params, first, second)
    )
    losses = inputs.remember((*key, params.temperature), lambda: _losses(drawn, params.temperature, params.seed))
    return GapMeasures(pairs, drawn, null, plane, shift, losses, there, back, among)


_Found = tuple[
    ModalityPairs, DrawnPairs, NDArray[np.float64], measures.Separability, NDArray[np.float64], Closing, Closing
]


def _at_any_temperature(inputs: SetInputs, params: ModalityGapParams, first: str, second: str) -> _Found:
    pairs = ModalityPairs.of(inputs.embedding_set, first, second)
    drawn = pairs.draw(params.pairs, params.seed)
    null = measures.exchange_null(drawn.first, drawn.second, NULL_DRAWS, params.seed)
    null = null * np.sqrt(len(drawn.rows) / len(pairs.samples))
    inputs.progress(0.2, "drawing a plane between the views")
    plane = measures.separability(drawn.first, drawn.second, params.seed)
    shift = measures.shift_distances(drawn.first, drawn.second, DELTAS)
    inputs.progress(0.5, "searching across the views")
    there = _closing(pairs, first, second, params, -pairs.gap)
    inputs.progress(0.75, "searching across the views")
    back = _closing(pairs, second, first, params, -pairs.gap)
    return pairs, drawn, null, plane, shift, there, back


def _closing(
    pairs: ModalityPairs, view: str, other: str, params: ModalityGapParams, shift: NDArray[np.float64]
) -> Closing:
    """Search from `view` in `other`, as it is and with the first view moved onto the second's centre."""

    def first_is_own(own: NDArray[np.float64] | None, gallery: NDArray[np.float64] | None) -> NDArray[np.float64]:
        ranks: RelevantRanks | None = ranks_of_partners(
            pairs.embedding_set, view, other, params.queries, params.seed, own, gallery
        )
        assert ranks is not None
        return ranks.hit(1)

    moved = (shift, None) if view == pairs.first else (None, shift)
    return Closing(view, other, first_is_own(None, None), first_is_own(*moved))


def _losses(drawn: DrawnPairs, temperature: float, seed: int) -> NDArray[np.float64]:
    """Return the contrastive loss of a batch at each of `DELTAS`."""
    chosen = np.random.default_rng(seed).permutation(len(drawn.rows))[:BATCH]
    first, second = drawn.first[chosen], drawn.second[chosen]
    gap = measures.gap_vector(drawn.first, drawn.second)
    length = float(np.linalg.norm(gap))
    direction = gap / length if length > 0 else gap
    return np.array(
        [measures.contrastive_loss(shifted(first, -delta * direction), second, temperature) for delta in DELTAS]
    )
