"""Counts over the rows of all views of a set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.validation import row_blocks


@dataclass(frozen=True)
class RowFacts:
    """What is known of the rows of a set.

    Attributes
    ----------
    n_rows : int
        Over all views.
    n_samples, n_usable_samples : int
        Rows of an aligned set count once; of a set that is not aligned, by view.
    nan_rows, infinite_rows, zero_rows, duplicates, unlabelled : int
    norms : NDArray[np.float64], shape (usable rows,)
    all_equal : bool
        Whether every usable row of every view is the same.
    label_names : tuple of str
    label_counts : NDArray[np.int64], shape (K,), or None
        Samples of each class (rows of all views where they are not aligned); None without labels.
    """

    dtype: str
    n_rows: int
    n_samples: int
    n_usable_samples: int
    nan_rows: int
    infinite_rows: int
    zero_rows: int
    duplicates: int
    all_equal: bool
    norms: NDArray[np.float64]
    label_names: tuple[str, ...]
    label_counts: NDArray[np.int64] | None
    unlabelled: int

    @property
    def unusable(self) -> int:
        """Rows without a direction."""
        return self.nan_rows + self.infinite_rows + self.zero_rows

    @property
    def norm_variation(self) -> float | None:
        """Standard deviation of the norms over their mean; None below two rows."""
        if len(self.norms) < 2:
            return None
        return float(self.norms.std(ddof=1) / self.norms.mean())


def row_facts(embedding_set: EmbeddingSet) -> RowFacts:
    """Read every row of every view once."""
    quality = embedding_set.quality
    hashes = {view: _row_hashes(array)[quality[view].usable] for view, array in embedding_set.views.items()}
    distinct = {view: len(np.unique(found)) for view, found in hashes.items()}
    everything = np.unique(np.concatenate(list(hashes.values())))
    labels = embedding_set.codes("label")
    counts, unlabelled = None, 0
    if labels is not None:
        # In an aligned set the rows of all views are the same samples: each is counted once.
        codes = labels[0][0] if embedding_set.aligned else np.concatenate(labels[0])
        counts = np.bincount(codes[codes >= 0], minlength=len(labels[1]))
        unlabelled = int((codes < 0).sum())
    usable = embedding_set.usable_rows
    aligned = embedding_set.aligned
    first = embedding_set.view_names[0]
    return RowFacts(
        dtype=str(embedding_set.dtype),
        n_rows=sum(embedding_set.sizes),
        n_samples=embedding_set.n if aligned else sum(embedding_set.sizes),
        n_usable_samples=int(usable[first].sum()) if aligned else sum(int(rows.sum()) for rows in usable.values()),
        nan_rows=sum(int(view.has_nan.sum()) for view in quality.values()),
        infinite_rows=sum(int(view.has_infinite.sum()) for view in quality.values()),
        zero_rows=sum(int(view.is_zero.sum()) for view in quality.values()),
        duplicates=sum(len(found) - distinct[view] for view, found in hashes.items()),
        all_equal=len(everything) == 1,
        norms=np.concatenate([view.norms[view.usable] for view in quality.values()]),
        label_names=() if labels is None else labels[1],
        label_counts=counts,
        unlabelled=unlabelled,
    )


def _row_hashes(array: NDArray[np.generic]) -> NDArray[np.uint64]:
    """Hash each row of an (N, D) array to 64 bits, so that equal rows (0 and -0 alike) hash equally, shape (N,).

    The hash is a sum of the entries' bits times fixed random odd numbers, modulo 2^64, then mixed: integer
    arithmetic gives equal rows equal hashes wherever they stand, which floating-point products would not.
    """
    generator = np.random.default_rng(0x5EED)
    factors = generator.integers(0, 2**63, size=array.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.zeros(array.shape[0], dtype=np.uint64)
    for rows in row_blocks(array):
        block = np.asarray(array[rows], dtype=np.float64) + 0.0
        bits = block.view(np.uint64)
        bits = (bits ^ (bits >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
        hashes[rows] = ((bits ^ (bits >> np.uint64(29))) * factors).sum(axis=1, dtype=np.uint64)
    return hashes
