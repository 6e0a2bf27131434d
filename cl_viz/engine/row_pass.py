"""`scan_rows`: what every row sees at given temperatures, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.engine.anchor_positives import directed_links, positive_scores
from cl_viz.engine.anchor_torch import add_ranks, label_relations
from cl_viz.engine.device import resolve_device
from cl_viz.engine.pair_sketch import PairRoles, Relation, negative_relations
from cl_viz.engine.precision import Precision, full_float32, score_type
from cl_viz.engine.rows import ViewRows, compact_links, view_rows
from cl_viz.engine.tile_links import mark_links, relation_tile
from cl_viz.engine.tile_sizes import fitted, with_smaller_tiles
from cl_viz.engine.workers import share_out

_ROWS, _COLUMNS = 128, 2048


@dataclass(frozen=True)
class RowStatistics:
    """What the rows of one view see, at T temperatures.

    The relative penalty of negative j on row i is r_ij = exp(s_ij / tau) / sum_k exp(s_ik / tau) over the negatives
    (Wang and Liu 2021, eq. 5: the positive is not in the denominator).

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (n,)
        Usable rows of the view, ascending.
    temperatures : NDArray[np.float64], shape (T,)
    n_negatives : NDArray[np.int64], shape (n,)
    log_sum_exp : NDArray[np.float64], shape (T, n)
        log of the sum over negatives of exp(s / tau); -inf for a row without negatives.
    entropy : NDArray[np.float64], shape (T, n)
        Of the relative penalties, natural log, in [0, log n_negatives]; NaN without negatives.
    false_negative_mass : NDArray[np.float64], shape (T, n)
        Sum of r over negatives that are known to have the row's own label, in [0, 1]; NaN for a row without label,
        for one none of whose negatives has a label, and with label positives.
    label_coverage : NDArray[np.float64], shape (n,)
        Share of the row's negatives of which it is known whether they have its label, in (0, 1]; NaN where that mass
        is.
    positive_score, positive_rank : NDArray[np.float64], shape (n,)
        Mean over the row's positives (pairs of one sample, in every view) of the score, and of the share of negatives
        that score below, ties half; NaN without positives.
    """

    view: str
    rows: NDArray[np.int64]
    temperatures: NDArray[np.float64]
    n_negatives: NDArray[np.int64]
    log_sum_exp: NDArray[np.float64]
    entropy: NDArray[np.float64]
    false_negative_mass: NDArray[np.float64]
    label_coverage: NDArray[np.float64]
    positive_score: NDArray[np.float64]
    positive_rank: NDArray[np.float64]


def scan_rows(
    embedding_set: EmbeddingSet,
    temperatures: Sequence[float],
    *,
    roles: PairRoles | None = None,
    device: str = "auto",
    precision: Precision = "auto",
    progress: ProgressCallback = silent,
) -> dict[str, RowStatistics]:
    """Compute what every row sees at every temperature, in one pass over tiles of scores.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    temperatures : sequence of float
        Above 0.
    roles : PairRoles, optional
        Which pairs are negatives; views as positives and negatives across views if left out.
    device, precision, progress
        As in `cl_viz.scan`.

    Returns
    -------
    dict of RowStatistics
        By view.

    Raises
    ------
    InputError
        If a temperature is not above 0, or fewer than two rows are usable.
    DeviceError
        If the device is absent, or has too little memory even for small tiles.
    """
    values = np.array(temperatures, dtype=np.float64).reshape(-1)
    if not len(values) or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"temperatures = {temperatures!r}", where="scan_rows", allowed="one or more numbers above 0")
    roles = roles or PairRoles()
    target = resolve_device(device)
    dtype = score_type(embedding_set, target, precision)

    def run() -> dict[str, RowStatistics]:
        with full_float32():
            rows = view_rows(embedding_set, target, dtype)
            found = {}
            for index, view in enumerate(rows):

                def report(done: float, index: int = index) -> None:
                    progress((index + done) / len(rows), "every row")

                links = {
                    other: directed_links(
                        {_block(rows, view, other): _links(embedding_set, rows, view, other)}, view, other
                    )
                    for other in rows
                }
                found[view] = _RowScanner(rows[view], rows, links, roles, values).run(report)
        return found

    return with_smaller_tiles(run, target, embedding_set.name)


def _block(rows: dict[str, ViewRows], view: str, other: str) -> tuple[str, str]:
    names = list(rows)
    return (view, other) if names.index(view) <= names.index(other) else (other, view)


def _links(embedding_set: EmbeddingSet, rows: dict[str, ViewRows], view: str, other: str) -> NDArray[np.int64]:
    return compact_links(embedding_set, rows, *_block(rows, view, other))


class _RowScanner:
    """Scores every row of one view against the rows of the views that hold its negatives."""

    def __init__(
        self,
        view: ViewRows,
        rows: dict[str, ViewRows],
        links: dict[str, NDArray[np.int64]],
        roles: PairRoles,
        temperatures: NDArray[np.float64],
    ) -> None:
        self.view, self.temperatures, self.links = view, temperatures, links
        self.n_columns = fitted(_COLUMNS)
        cross = {name: other for name, other in rows.items() if other is not view}
        self.others = cross if roles.negatives == "cross" and cross else rows
        self.negative = [int(relation) for relation in negative_relations(roles)]
        self.telling = roles.positives == "views" and view.labels is not None
        every = np.arange(len(view), dtype=np.int64)
        self.positives, self.offsets = positive_scores(view, every, rows, links)
        self.below = np.zeros((len(self.positives), len(Relation)))
        self.largest = np.full(len(view), -np.inf)
        self.count, self.telling_count = (np.zeros(len(view), dtype=np.int64) for _ in range(2))
        # By temperature and row, relative to exp(largest / temperature): sum of exp, of exp * s, of exp of own label.
        self.sums = np.zeros((3, len(temperatures), len(view)))

    def run(self, report: Callable[[float], None]) -> RowStatistics:
        size = fitted(_ROWS)
        work = [slice(start, min(start + size, len(self.view))) for start in range(0, len(self.view), size)]
        share_out(work, lambda: self._add, report, self.view.device)
        return self._finish()

    def _add(self, part: slice) -> None:
        left = self.view.tile(part)
        for name, other in self.others.items():
            kinds = label_relations(self.view.labels, other.labels)
            for start in range(0, len(other), self.n_columns):
                columns = slice(start, min(start + self.n_columns, len(other)))
                scores = left @ other.tile(columns).T
                relation = relation_tile(self.view.labels, other.labels, part, columns, scores)
                mark_links(relation, self.links[name], part, columns)
                if other is self.view:
                    itself = np.arange(part.start, part.stop)
                    mark_links(relation, np.stack([itself, itself], axis=1), part, columns)
                add_ranks(self.below, part, scores, relation, kinds, self.positives, self.offsets)
                self._add_sums(part, scores, relation)

    def _add_sums(self, part: slice, scores: torch.Tensor, relation: torch.Tensor) -> None:
        """Add exp(s / tau) over the negatives, scaled by the largest score so far, which may grow."""
        negative = torch.isin(relation, torch.tensor(self.negative, device=relation.device))
        same = relation == int(Relation.SAME_LABEL)
        if self.telling:
            told = same | (relation == int(Relation.DIFFERENT_LABEL))
            self.telling_count[part] += told.sum(dim=1).cpu().numpy()
        seen = torch.where(negative, scores, -torch.inf)
        before = self.largest[part].copy()
        largest = np.maximum(before, seen.amax(dim=1).cpu().numpy().astype(np.float64))
        self.largest[part] = largest
        self.count[part] += negative.sum(dim=1).cpu().numpy()
        # Without negatives so far there is nothing to scale.
        finite = np.where(np.isfinite(largest), largest, 0.0)
        shrink = np.where(np.isfinite(before), before - finite, 0.0)
        wide = torch.float32 if scores.device.type == "mps" else torch.float64
        centre = torch.from_numpy(finite).to(scores.device, scores.dtype)[:, None]
        plain = torch.where(negative, scores, centre)
        for index, temperature in enumerate(self.temperatures):
            weight = torch.exp((seen - centre) / float(temperature))
            parts = [weight, weight * plain, weight * same] if self.telling else [weight, weight * plain]
            scale = np.exp(shrink / temperature)
            for which, values in enumerate(parts):
                total = values.sum(dim=1, dtype=wide).cpu().numpy()
                self.sums[which, index, part] = self.sums[which, index, part] * scale + total

    def _finish(self) -> RowStatistics:
        total, weighted, own = self.sums
        tau = self.temperatures[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            log_sum_exp = np.where(total > 0, self.largest / tau + np.log(total), -np.inf)
            entropy = np.where(total > 0, np.maximum(0.0, log_sum_exp - weighted / total / tau), np.nan)
            coverage = np.where(self.telling_count > 0, self.telling_count / self.count, np.nan)
            mass = np.where(np.isfinite(coverage) & (total > 0), own / total, np.nan)
            share = self.below[:, self.negative].sum(axis=1) / np.repeat(self.count, np.diff(self.offsets))
        return RowStatistics(
            self.view.name, self.view.original, self.temperatures, self.count, log_sum_exp, entropy, mass, coverage,
            self._mean_over_positives(self.positives), self._mean_over_positives(share),
        )  # fmt: skip

    def _mean_over_positives(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        count = np.diff(self.offsets)
        owner = np.repeat(np.arange(len(count)), count)
        total = np.bincount(owner, weights=values, minlength=len(count))
        found: NDArray[np.float64] = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return found
