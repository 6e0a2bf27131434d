"""Rows with a class and a subclass, and how far the subclasses of a class lie apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._groups.class_silhouettes import class_sums
from cl_viz.diagnostics._groups.labelled_view import LabelledView, labelled_view
from cl_viz.diagnostics._groups.probes import Codes, classes_of_size, probe_rows, stratified_sample
from cl_viz.engine.inputs import SetInputs

LEAST = 8
"""Samples of the smallest subclass that is judged: two of them are held out."""


@dataclass(frozen=True)
class Nested:
    """Rows with a class and a subclass.

    Attributes
    ----------
    found : LabelledView
        Rows with a label.
    rows, classes, subclasses : NDArray[np.int64], shape (n,)
        Rows of the view; a subclass that occurs in two classes is two.
    class_names, subclass_names : tuple of str
    """

    found: LabelledView
    rows: Codes
    classes: Codes
    subclasses: Codes
    class_names: tuple[str, ...]
    subclass_names: tuple[str, ...]

    @classmethod
    def of(cls, inputs: SetInputs, number: int, most: int, seed: int) -> Nested:
        """Return rows of view `number` whose subclasses are large enough, in classes that have two such or more.

        Raises
        ------
        MissingInputError
            If labels or subclasses are missing, or no class has two subclasses.
        """
        embedding_set = inputs.embedding_set
        found = labelled_view(embedding_set, number)
        labelled_view(embedding_set, number, "subclass")
        every = embedding_set.codes("subclass")
        assert every is not None
        codes = every[0][number - 1][found.rows]
        joint = np.where(codes >= 0, found.codes * len(every[1]) + codes, -1)
        _, joint = np.unique(joint, return_inverse=True) if (codes >= 0).all() else _numbered(joint)
        kept = classes_of_size(joint, LEAST)
        kept[kept] = _with_two(found.codes[kept], joint[kept])
        if not kept.any():
            raise MissingInputError(
                f"no class has two subclasses of {LEAST} samples or more",
                where=inputs.run,
                remedy="choose a finer column as the subclass and a coarser one as the label (Data page)",
            )
        place = np.flatnonzero(kept)
        place = place[stratified_sample(joint[place], most, seed)]
        names = []
        for code in np.unique(joint[place]):
            first = place[joint[place] == code][0]
            names.append(f"{found.names[found.codes[first]]} / {every[1][codes[first]]}")
        _, subclasses = np.unique(joint[place], return_inverse=True)
        return cls(found, found.rows[place], found.codes[place], subclasses, found.names, tuple(names))


def _numbered(joint: Codes) -> tuple[Codes, Codes]:
    """Number the values that are not missing, and leave -1 where they are."""
    known, place = np.unique(joint[joint >= 0], return_inverse=True)
    numbered = np.full(len(joint), -1, dtype=np.int64)
    numbered[joint >= 0] = place
    return known, numbered


def _with_two(classes: Codes, subclasses: Codes) -> NDArray[np.bool_]:
    """Return which rows belong to a class of two subclasses or more."""
    pairs = np.unique(np.stack([classes, subclasses], axis=1), axis=0)
    count = np.bincount(pairs[:, 0], minlength=int(classes.max(initial=0)) + 1)
    found: NDArray[np.bool_] = count[classes] >= 2
    return found


SHUFFLES = 19
_MOST_SUMS = 1 << 25
"""Entries of the sums of shuffled subclasses that are held at a time, 256 MB."""


def _shuffled(subclasses: Codes, classes: Codes) -> Iterator[Codes]:
    """Yield the subclasses shuffled within their class, 19 times."""
    generator = np.random.default_rng(0)
    by_class = np.argsort(classes, kind="stable")
    for _ in range(SHUFFLES):
        order = generator.permutation(len(classes))
        codes = np.empty_like(subclasses)
        codes[by_class] = subclasses[order[np.argsort(classes[order], kind="stable")]]
        yield codes


def _between_shuffled(
    subclasses: Codes,
    classes: Codes,
    counts: Codes,
    dim: int,
    residuals: Callable[[], Iterator[tuple[slice, NDArray[np.float64]]]],
) -> NDArray[np.float64]:
    """Return the sum of squares between the subclasses of each shuffle, shape (19,).

    Few shuffles are added up at a time where there are many subclasses: the rows are read again for the next ones.
    """
    together = max(1, _MOST_SUMS // (len(counts) * dim))
    shuffles = _shuffled(subclasses, classes)
    found: list[float] = []
    while some := list(islice(shuffles, together)):
        sums = np.zeros((len(some), len(counts), dim))
        for block, residual in residuals():
            for place, codes in enumerate(some):
                sums[place] += class_sums(codes[block], residual, len(counts))
        found.extend(float((np.square(part).sum(axis=1) / counts).sum()) for part in sums)
    return np.array(found)


@dataclass(frozen=True)
class NestedScatter:
    """Sums of squares of unit rows.

    Attributes
    ----------
    within : NDArray[np.float64], shape (K,)
        Around the mean of each class.
    between_subclasses : NDArray[np.float64], shape (K,)
        Of the subclass means around the mean of their class, weighted by size.
    between_classes : float
        Of the class means around the mean of all rows, weighted by size.
    sizes, subclasses : NDArray[np.int64], shape (K,)
        Rows and subclasses of each class.
    shuffled : NDArray[np.float64], shape (19,)
        `share` where subclasses are shuffled within their class.
    """

    within: NDArray[np.float64]
    between_subclasses: NDArray[np.float64]
    between_classes: float
    sizes: Codes
    subclasses: Codes
    shuffled: NDArray[np.float64]

    @classmethod
    def of(cls, inputs: SetInputs, view: str, nested: Nested) -> NestedScatter:
        """Add up unit rows by subclass, block by block; two passes, so that nothing cancels."""
        _, classes = np.unique(nested.classes, return_inverse=True)
        subclasses = nested.subclasses
        dim, counts = inputs.embedding_set.dim, np.bincount(subclasses)
        owner = np.zeros(len(counts), dtype=np.int64)
        owner[subclasses] = classes
        sums = np.zeros((len(counts), dim))
        blocks = list(row_blocks(np.broadcast_to(np.float64(0), (len(nested.rows), dim))))
        for block in blocks:
            np.add.at(sums, subclasses[block], probe_rows(inputs.embedding_set, view, nested.rows[block], "unit"))
        means = sums / counts[:, None]
        sizes = np.bincount(owner, weights=counts).astype(np.int64)
        of_classes = np.zeros((len(sizes), dim))
        np.add.at(of_classes, owner, sums)
        class_means = of_classes / sizes[:, None]
        within = np.zeros(len(sizes))

        def residuals() -> Iterator[tuple[slice, NDArray[np.float64]]]:
            for block in blocks:
                rows = probe_rows(inputs.embedding_set, view, nested.rows[block], "unit")
                yield block, rows - class_means[classes[block]]

        for block, residual in residuals():
            within += np.bincount(classes[block], np.square(residual).sum(axis=1), len(sizes))
        by_chance = _between_shuffled(subclasses, classes, counts, dim, residuals) / max(float(within.sum()), 1e-300)
        between = np.bincount(owner, counts * np.square(means - class_means[owner]).sum(axis=1), len(sizes)).astype(
            float
        )
        centre = of_classes.sum(axis=0) / sizes.sum()
        apart = float((sizes * np.square(class_means - centre).sum(axis=1)).sum())
        return cls(within, between, apart, sizes, np.bincount(owner, minlength=len(sizes)), by_chance)

    @property
    def beyond_chance(self) -> bool:
        """Whether subclasses lie farther apart than in any shuffle: so far by chance in one of 20."""
        return self.share is not None and self.share > float(self.shuffled.max())

    @property
    def share(self) -> float | None:
        """Share of the variance within classes that lies between their subclasses; None without any variance."""
        total = float(self.within.sum())
        return float(self.between_subclasses.sum()) / total if total > 1e-18 * self.sizes.sum() else None

    @property
    def shuffled_share(self) -> float:
        """Expectation of `share` where subclasses are shuffled within their class: (S - 1) / (n - 1) of each class."""
        expected = self.within * (self.subclasses - 1) / np.maximum(1, self.sizes - 1)
        return float(expected.sum() / self.within.sum())

    @property
    def to_classes(self) -> float | None:
        """Scatter between subclasses over that between classes; None where the class means coincide."""
        if self.between_classes <= 1e-18 * self.sizes.sum():
            return None
        return float(self.between_subclasses.sum()) / self.between_classes
