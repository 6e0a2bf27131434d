"""The compiled loops against torch on the same scores: counts are equal, not close."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cl_viz.engine import bins, compiled, fixed_point
from cl_viz.engine.anchor_sketch import STEP
from cl_viz.engine.fused_anchors import FusedAnchors, Section
from cl_viz.engine.fused_pairs import FusedPairs
from cl_viz.engine.largest import Largest
from cl_viz.engine.pair_sketch import PairSketch, Relation
from cl_viz.engine.row_kernels import TAIL

TYPES = [np.float32, np.float64]


@pytest.fixture(scope="module")
def kernels() -> SimpleNamespace:
    if not compiled.wait():
        pytest.skip(compiled.failure())
    found = compiled.kernels(torch.device("cpu"))
    assert found is not None
    return found


def tile(seed: int, kind: type, spread: float, centre: float, rows: int = 9, columns: int = 130) -> np.ndarray:
    """Return scores with some on edges of bins, some beyond [-1, 1] by rounding, and ties."""
    generator = np.random.default_rng(seed)
    scores = np.clip(generator.normal(centre, spread, (rows, columns)), -1, 1).astype(kind)
    edge = bins.edges()[generator.integers(0, bins.COARSE_BINS, 20)].astype(kind)
    scores.flat[generator.integers(0, scores.size, 20)] = edge
    ends = np.array([-1, 1, 0, 0.998, 1 + 1e-7, -1 - 1e-7, 1 - 1e-7], dtype=kind)
    scores.flat[generator.integers(0, scores.size, 7)] = ends
    return scores


def labels_of(seed: int, size: int, classes: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).integers(-1, classes, size))


def relations(row_labels: np.ndarray, column_labels: np.ndarray) -> np.ndarray:
    left, right = row_labels[:, None], column_labels[None]
    found = np.where(left == right, int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL))
    return np.where((left < 0) | (right < 0), int(Relation.UNKNOWN_LABEL), found)


scenes = st.tuples(
    st.integers(0, 10_000),
    st.sampled_from(TYPES),
    st.sampled_from([(0.3, 0.0), (0.01, 0.4), (1e-3, 0.9975), (1e-4, 0.9999), (0.0, 1.0)]),
    st.integers(1, 6),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenes, st.booleans(), st.booleans())
def test_pairs_are_counted_as_torch_counts_them(
    kernels: SimpleNamespace, scene: tuple[int, type, tuple[float, float], int], diagonal: bool, linked: bool
) -> None:
    seed, kind, (spread, centre), classes = scene
    scores = tile(seed, kind, spread, centre, *((40, 40) if diagonal else (9, 130)))
    columns = labels_of(seed, scores.shape[1], classes)
    rows = columns if diagonal else labels_of(seed + 1, len(scores), classes)
    relation = relations(rows, columns)
    links = np.zeros((0, 2), dtype=np.int64)
    if linked:
        links = np.unique(np.random.default_rng(seed).integers(0, scores.shape, (12, 2)), axis=0)
        relation[links[:, 0], links[:, 1]] = int(Relation.SAME_SAMPLE)
    counted = np.triu(np.ones(scores.shape, dtype=bool), 1) if diagonal else np.ones(scores.shape, dtype=bool)
    fused = FusedPairs(kernels, PairSketch.empty([("a", "a")]), np.dtype(kind))
    fused.add(0, scores, rows, columns, diagonal=diagonal, links=links)
    fused.flush()
    sketch = fused._sketch
    place = bins.bin_index(torch.from_numpy(scores)).numpy()
    for kind_of_pair in Relation:
        chosen = counted & (relation == int(kind_of_pair))
        expected = np.bincount(place[chosen], minlength=bins.BINS)
        np.testing.assert_array_equal(sketch.counts[0, kind_of_pair], expected)
        wide = scores[chosen].astype(np.float64)
        sums = np.bincount(place[chosen], weights=wide, minlength=bins.BINS)
        fine = 1e-12 if kind is np.float64 else 1.3e-7
        np.testing.assert_allclose(sketch.sums[0, kind_of_pair], sums, atol=fine * max(1, expected.max()))
        np.testing.assert_allclose(sketch.squares[0, kind_of_pair], np.square(wide).sum(), rtol=1e-12)
        if chosen.any():
            assert (sketch.low[0, kind_of_pair], sketch.high[0, kind_of_pair]) == (wide.min(), wide.max())


def test_sums_of_very_many_pairs_have_no_bias(kernels: SimpleNamespace) -> None:
    generator = np.random.default_rng(0)
    fused = FusedPairs(kernels, PairSketch.empty([("a", "a")]), np.dtype(np.float32))
    total = np.zeros(bins.BINS)
    for _ in range(12):
        scores = np.clip(generator.normal(-0.4, 0.2, (300, 700)), -1, 0.9).astype(np.float32)
        fused.add(0, scores, None, None)
        place = bins.bin_index(torch.from_numpy(scores)).numpy().ravel()
        total += np.bincount(place, weights=scores.ravel().astype(np.float64), minlength=bins.BINS)
    fused.flush()
    found = fused._sketch.sums[0, Relation.UNKNOWN_LABEL]
    assert fused._sketch.counts.sum() == 12 * 300 * 700
    assert abs(found.sum() - total.sum()) / (12 * 300 * 700) < 2e-10


@pytest.mark.parametrize("by_anchors", [False, True])
def test_a_full_histogram_is_emptied_before_more_is_added(kernels: SimpleNamespace, by_anchors: bool) -> None:
    pairs = FusedPairs(kernels, PairSketch.empty([("a", "a")]), np.dtype(np.float32))
    scores, most = np.full((3, 20_480), 0.1001, dtype=np.float32), fixed_point.PACKED_PAIRS
    place = int(bins.bin_index(torch.from_numpy(scores[:1, :1])))
    # As many as fit, each at the upper end of the bin: one more of them would spoil count or sum.
    packed, held = pairs.arrays(0)[:2]
    last = (1 << fixed_point.FRACTION_BITS) - 1
    packed[Relation.UNKNOWN_LABEL, place] = (most << fixed_point.COUNT_SHIFT) + most * last
    held[0] = most
    if by_anchors:
        anchors = FusedAnchors(kernels, 3, 20_480, np.dtype(np.float32))
        sections = [Section(slice(0, 20_480), None, counted=True)]
        nothing = np.zeros(0), np.zeros(4, dtype=np.int64), np.zeros((0, 4))
        holes = np.zeros((0, 2), dtype=np.int64)
        anchors.add(scores, None, sections, holes, nothing, np.zeros((3, 4, 3)), pairs, 0)
        np.testing.assert_array_equal(anchors.cells().counts, 20_480)
    else:
        pairs.add(0, scores, None, None)
    pairs.flush()
    sketch = pairs._sketch
    assert sketch.counts.sum() == sketch.counts[0, Relation.UNKNOWN_LABEL, place] == most + scores.size
    end = bins.edges()[place + 1]
    mean = (end * most + 0.1001 * scores.size) / (most + scores.size)
    assert sketch.sums.sum() / sketch.counts.sum() == pytest.approx(mean, abs=2e-7)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scenes, st.integers(1, 3))
def test_anchors_see_what_torch_sees(
    kernels: SimpleNamespace, scene: tuple[int, type, tuple[float, float], int], n_tiles: int
) -> None:
    seed, kind, (spread, centre), classes = scene
    n_anchors = 9
    rows = labels_of(seed, n_anchors, classes)
    fused = FusedAnchors(kernels, n_anchors, 130 * n_tiles, np.dtype(kind), at_once=n_tiles == 1)
    pairs = FusedPairs(kernels, PairSketch.empty([("a", "a")]), np.dtype(kind))
    positives = np.full(n_anchors, centre, dtype=kind)
    moments, below = np.zeros((n_anchors, 4, 3)), np.zeros((n_anchors, 4))
    seen, same, out = [], [], []
    for number in range(n_tiles):
        scores, columns = tile(seed + number, kind, spread, centre), labels_of(seed + number, 130, classes)
        holes = np.unique(np.random.default_rng(seed).integers(0, scores.shape, (12, 2)), axis=0)
        sections = [Section(slice(0, 50), columns[:50]), Section(slice(50, 130), columns[50:])]
        fused.add(scores, rows, sections, holes, (positives, np.arange(n_anchors + 1), below), moments, pairs, 0)
        left_out = np.zeros(scores.shape, dtype=bool)
        left_out[holes[:, 0], holes[:, 1]] = True
        seen.append(scores), out.append(left_out), same.append(relations(rows, columns))
    scores, left_out, relation = (np.concatenate(parts, axis=1) for parts in (seen, out, same))
    cells = fused.cells()
    counts, sums = cells.dense(cells.counts.astype(np.int64)), cells.dense(cells.sums)
    place = bins.anchor_bin_index(torch.from_numpy(scores)).numpy()
    largest, agree = fused.tail()
    tolerance = kind(8 * np.finfo(kind).eps)
    for anchor in range(n_anchors):
        for side, kinds in ((0, [Relation.SAME_LABEL]), (1, [Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL])):
            chosen = np.isin(relation[anchor], kinds) & ~left_out[anchor]
            expected = np.bincount(place[anchor, chosen], minlength=bins.ANCHOR_BINS)
            np.testing.assert_array_equal(counts[anchor, side], expected)
            total = np.bincount(place[anchor, chosen], weights=scores[anchor, chosen], minlength=bins.ANCHOR_BINS)
            # A float32 score is cut to its place in a bin of all pairs.
            fine = 3 * STEP + (1.1e-7 if kind is np.float32 else 0.0)
            np.testing.assert_allclose(sums[anchor, side], total, atol=fine * max(1, expected.max()))
        there = scores[anchor][~left_out[anchor]]
        np.testing.assert_array_equal(largest[anchor], np.sort(there)[::-1][:TAIL])
        assert agree[anchor].sum() <= counts[anchor, 0].sum()
        for kind_of_pair in (Relation.SAME_LABEL, Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL):
            wide = scores[anchor, (relation[anchor] == kind_of_pair) & ~left_out[anchor]]
            exact = wide.astype(np.float64)
            powers = [len(exact), exact.sum(), np.square(exact).sum()]
            np.testing.assert_allclose(moments[anchor, kind_of_pair], powers, rtol=1e-12, atol=1e-12)
            under = (wide <= positives[anchor] + tolerance).sum() + (wide < positives[anchor] - tolerance).sum()
            assert below[anchor, kind_of_pair] == under / 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1000), st.sampled_from(TYPES), st.integers(1, 60), st.booleans())
def test_the_largest_are_kept_of_rows_and_of_columns(
    kernels: SimpleNamespace, seed: int, kind: type, k: int, by_columns: bool
) -> None:
    scores = np.random.default_rng(seed).permutation(170 * 300).reshape(170, 300).astype(kind)
    # Lines are found by the numbers of rows and of columns, whatever their order.
    rows, columns = np.random.default_rng(seed).permutation(170), np.random.default_rng(seed).permutation(300)
    largest = Largest(300 if by_columns else 170, k, kind, np.int64)
    for part in (slice(0, 100), slice(100, 170)):
        if by_columns:
            kernels.keep_neighbours_of_columns(scores[part], rows[part], columns, k, *largest.arrays)
        else:
            for span in (slice(0, 111), slice(111, 300)):
                kernels.keep_neighbours(scores[part, span], rows[part], columns[span], False, k, *largest.arrays)
    found, which = largest.found(kernels)
    table = np.empty_like(scores)
    table[np.ix_(rows, columns)] = scores
    table = table.T if by_columns else table
    order = np.argsort(-table, axis=1)[:, :k]
    np.testing.assert_array_equal(which, order)
    np.testing.assert_array_equal(found, np.take_along_axis(table, order, axis=1))


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("k", [1, 5, 40])
def test_of_equal_scores_as_many_are_kept_as_are_asked_for(kernels: SimpleNamespace, kind: type, k: int) -> None:
    scores, numbers = np.full((128, 128), 0.5, dtype=kind), np.arange(128)
    np.fill_diagonal(scores, 1.0)
    largest = Largest(128, k, kind, np.int64)
    kernels.keep_neighbours(scores, numbers, numbers, True, k, *largest.arrays)
    found, which = largest.found(kernels)
    np.testing.assert_array_equal(found, kind(0.5))
    assert all(len(set(row) - {number}) == k for number, row in enumerate(which.tolist()))
    of_columns = Largest(128, k, kind, np.int64)
    kernels.keep_neighbours_of_columns(scores, numbers, numbers, k, *of_columns.arrays)
    found, which = of_columns.found(kernels)
    np.testing.assert_array_equal(which[:, 0], numbers)
    np.testing.assert_array_equal(found[:, 1:], kind(0.5))
