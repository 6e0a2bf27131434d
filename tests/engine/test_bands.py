"""Bands of anchors at the borders of tiles and sections, against every score; all counts are equal, not close.

Rows have entries of 1/4 with either sign, so that every order of adding finds the same scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.engine import anchor_bands, bins, compiled
from cl_viz.engine.anchor_pass import scan_anchors
from cl_viz.engine.anchor_sketch import OTHER, SAME, STEP, AnchorSketch
from cl_viz.engine.pair_sketch import PairSketch, Relation, view_blocks
from cl_viz.engine.row_kernels import TAIL
from cl_viz.engine.rows import ViewRows, compact_links, view_rows

CPU = torch.device("cpu")
MOST, WIDE, NARROW, HEIGHT = 320, 128, 64, 64


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make tiles as much smaller as the sets are."""
    if not compiled.wait():
        pytest.skip(compiled.failure())
    for name, size in (("MOST_AT_ONCE", MOST), ("WIDE_TILE", WIDE), ("COLUMN_TILE", NARROW), ("ANCHOR_TILE", HEIGHT)):
        monkeypatch.setattr(anchor_bands, name, size)


def signs(n: int, seed: int, share: float = 0.5) -> np.ndarray:
    """Return rows of length 1 whose scores are multiples of 1/8."""
    return np.where(np.random.default_rng(seed).random((n, 16)) < share, 0.25, -0.25)


def kinds_of(n: int, kinds: str) -> np.ndarray:
    drawn = np.random.default_rng(n).integers(0, 2 if kinds == "two" else n // 3 + 1, n)
    labels = np.array([f"c{kind}" for kind in drawn], dtype=object)
    if kinds == "rare":
        labels[drawn % 9 == 0] = None
    if kinds == "one row":
        labels[1:] = None
    return labels


@dataclass(frozen=True)
class Dense:
    """Every score of the anchors of one view against one view: relations, and which pairs of it are counted."""

    scores: np.ndarray
    relation: np.ndarray
    itself: np.ndarray
    counted: np.ndarray

    @property
    def candidates(self) -> np.ndarray:
        return (self.relation != Relation.SAME_SAMPLE) & ~self.itself


def dense(embedding_set: cl_viz.EmbeddingSet, rows: dict[str, ViewRows], view: str, other: str) -> Dense:
    drawn, names = np.sort(rows[view].original[: rows[view].n_leading]), embedding_set.view_names
    scores = (embedding_set.views[view][drawn] @ embedding_set.views[other].T).astype(np.float64)
    labels = embedding_set.codes("label")
    code = {name: np.full(len(embedding_set.views[name]), -1) for name in names}
    if labels is not None:
        code = dict(zip(names, labels[0], strict=True))
    left, right = code[view][drawn][:, None], code[other][None]
    relation = np.where(left == right, int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL))
    relation[(left < 0) | (right < 0)] = int(Relation.UNKNOWN_LABEL)
    forward = names.index(view) <= names.index(other)
    linked = np.zeros((len(embedding_set.views[view]), len(embedding_set.views[other])), dtype=bool)
    links = embedding_set.links(view, other) if forward else embedding_set.links(other, view)[:, ::-1]
    linked[links[:, 0], links[:, 1]] = True
    if view == other:
        linked |= linked.T
    relation[linked[drawn]] = int(Relation.SAME_SAMPLE)
    itself = (drawn[:, None] == np.arange(scores.shape[1])) & (view == other)
    leads = np.zeros(scores.shape[1], dtype=bool)
    leads[rows[other].original[: rows[other].n_leading]] = True
    later = drawn[:, None] < np.arange(scores.shape[1]) if view == other else np.full(scores.shape, forward)
    return Dense(scores, relation, itself, ~itself & (~leads | later))


def assert_pairs(found: PairSketch, block: int, exact: Dense) -> None:
    place = bins.bin_index(torch.from_numpy(exact.scores)).numpy()
    for relation in Relation:
        chosen = exact.counted & (exact.relation == relation)
        np.testing.assert_array_equal(found.counts[block, relation], np.bincount(place[chosen], minlength=bins.BINS))
        scores = exact.scores[chosen]
        np.testing.assert_allclose(found.squares[block, relation], np.square(scores).sum(), rtol=1e-10)
        if len(scores):
            assert found.sums[block, relation].sum() == pytest.approx(scores.sum(), abs=2e-7 * len(scores))
            assert (found.low[block, relation], found.high[block, relation]) == (scores.min(), scores.max())


def assert_candidates(sketch: AnchorSketch, other: str, exact: Dense) -> None:
    found, scores, here = sketch.candidates[other], exact.scores, exact.candidates
    same = here & (exact.relation == Relation.SAME_LABEL)
    place = bins.anchor_bin_index(torch.from_numpy(scores)).numpy() + np.arange(len(scores))[:, None] * bins.ANCHOR_BINS
    for side, chosen in ((SAME, same), (OTHER, here & ~same)):
        expected = np.bincount(place[chosen], minlength=len(scores) * bins.ANCHOR_BINS)
        np.testing.assert_array_equal(found.counts[:, side].ravel(), expected)
        sums = np.bincount(place[chosen], weights=scores[chosen], minlength=len(expected))
        np.testing.assert_allclose(found.sums[:, side].ravel(), sums, atol=(3 * STEP + 1.2e-7) * max(1, expected.max()))
    largest = np.sort(np.where(here, scores, -np.inf), axis=1)[:, ::-1][:, :TAIL]
    np.testing.assert_array_equal(found.top_scores[:, : largest.shape[1]], largest)
    # Of candidates that score as the last of these, any may be kept.
    above = scores > np.where(here.sum(axis=1) > TAIL, largest[:, -1], -np.inf)[:, None]
    agree = found.top_same & (found.top_scores > np.where(here.sum(axis=1) > TAIL, largest[:, -1], -np.inf)[:, None])
    np.testing.assert_array_equal(agree.sum(axis=1), (same & above).sum(axis=1))
    for relation in (Relation.SAME_LABEL, Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL):
        chosen = here & (exact.relation == relation)
        powers = [np.where(chosen, scores**power, 0.0).sum(axis=1) for power in range(3)]
        np.testing.assert_allclose(found.moments[:, relation], np.stack(powers, axis=1), rtol=1e-12, atol=1e-9)
        for anchor, (start, stop) in enumerate(zip(sketch.offsets[:-1], sketch.offsets[1:], strict=True)):
            seen, positives = scores[anchor, chosen[anchor]], sketch.positives[start:stop, None]
            below = (seen < positives).sum(axis=1) + (seen == positives).sum(axis=1) / 2
            np.testing.assert_array_equal(found.below[start:stop, relation], below)


def assert_as_brute_force(embedding_set: cl_viz.EmbeddingSet, n_anchors: int, precision: str) -> None:
    rows = view_rows(embedding_set, CPU, getattr(torch, precision), n_leading=n_anchors)
    blocks = view_blocks(embedding_set.view_names)
    links = {block: compact_links(embedding_set, rows, *block) for block in blocks}
    for view in embedding_set.view_names:
        sketch, pairs = scan_anchors(rows[view], rows, links, n_anchors, 0, lambda done: None)
        for other in embedding_set.view_names:
            exact = dense(embedding_set, rows, view, other)
            assert_candidates(sketch, other, exact)
            assert_pairs(pairs, blocks.index((view, other) if (view, other) in links else (other, view)), exact)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("n", "n_anchors", "kinds"),
    [
        (129, 1, "rare"),
        (64, 64, "two"),
        (MOST - 1, 65, "rare"),
        (MOST, 63, "two"),
        (MOST, MOST, "rare"),
        (MOST + 1, 130, "two"),
        (5 * WIDE, 129, "rare"),
        (5 * WIDE + 1, 1, "two"),
    ],
)
def test_one_view(n: int, n_anchors: int, kinds: str, precision: str) -> None:
    # Some samples have one row, so that not every anchor has a positive.
    ids = np.random.default_rng(n).integers(0, n, n)
    rows = signs(n, n, 0.5 if n_anchors > 1 else 0.95)
    assert_as_brute_force(cl_viz.EmbeddingSet.from_arrays(rows, label=kinds_of(n, kinds), id=ids), n_anchors, precision)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("n", "m"), [(MOST, MOST + 1), (NARROW, 400), (MOST + 1, NARROW - 1)])
def test_two_views_of_unequal_size_where_many_rows_are_one_sample(n: int, m: int, precision: str) -> None:
    generator = np.random.default_rng(n)
    links = np.unique(np.stack([generator.integers(0, n, 2 * n), generator.integers(0, m, 2 * n)], axis=1), axis=0)
    embedding_set = cl_viz.EmbeddingSet.from_arrays(
        {"a": signs(n, 1), "b": signs(m, 2)},
        metadata={"a": {"label": kinds_of(n, "rare")}, "b": {"label": kinds_of(m, "one row")}},
        roles={"label": "label"},
        pairs=links,
    )
    assert_as_brute_force(embedding_set, 65, precision)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("n", [MOST, MOST + 1])
def test_rows_without_labels_and_rows_that_are_all_the_same(n: int, precision: str) -> None:
    assert_as_brute_force(cl_viz.EmbeddingSet.from_arrays(signs(n, 0)), 65, precision)
    same = np.tile(signs(1, 3), (n, 1))
    assert_as_brute_force(cl_viz.EmbeddingSet.from_arrays(same, label=kinds_of(n, "two")), 65, precision)
