"""The scan against brute force over all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.errors import Cancelled, DeviceError, InputError, MissingInputError
from cl_viz.engine import bins, compiled
from cl_viz.engine.anchor_bands import bands
from cl_viz.engine.pair_pass import PairAccumulator, tiles
from cl_viz.engine.pair_sketch import PairRoles, PairSketch, Relation
from cl_viz.engine.rows import compact_links, view_rows
from cl_viz.testing import clusters, collapsed, paired_sphere, sphere


@pytest.fixture(params=["torch", "compiled"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test with torch alone, and with the compiled kernels."""
    if request.param == "compiled" and not compiled.wait():
        pytest.skip(compiled.failure())
    before = compiled.enable(request.param == "compiled")
    yield request.param
    compiled.enable(before)


def unit(rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def brute(embedding_set: cl_viz.EmbeddingSet) -> dict[tuple[str, str], dict[Relation, np.ndarray]]:
    """Return every score by block and relation, from N x N matrices."""
    labels = embedding_set.codes("label")
    code = dict(zip(embedding_set.view_names, labels[0], strict=True)) if labels else None
    found = {}
    for first, second in combinations_with_replacement(embedding_set.view_names, 2):
        keep = [embedding_set.usable_rows[view] for view in (first, second)]
        scores = unit(np.where(keep[0][:, None], embedding_set.views[first], 1)) @ (
            unit(np.where(keep[1][:, None], embedding_set.views[second], 1)).T
        )
        relation = np.full(scores.shape, int(Relation.UNKNOWN_LABEL))
        if code is not None:
            left, right = code[first][:, None], code[second][None]
            relation = np.where(left == right, int(Relation.SAME_LABEL), int(Relation.DIFFERENT_LABEL))
            relation[(left < 0) | (right < 0)] = int(Relation.UNKNOWN_LABEL)
        for i, j in embedding_set.links(first, second):
            relation[i, j] = int(Relation.SAME_SAMPLE)
        counted = keep[0][:, None] & keep[1][None]
        if first == second:
            counted = counted & np.triu(np.ones_like(counted), 1)
        found[first, second] = {kind: scores[counted & (relation == int(kind))] for kind in Relation}
    return found


def example(name: str) -> cl_viz.EmbeddingSet:
    generator = np.random.default_rng(3)
    if name == "two views":
        return clusters(90, 12, 5, 0.5)
    if name == "one view":
        return cl_viz.EmbeddingSet.from_arrays(sphere(70, 9), label=np.arange(70) % 3)
    if name == "three views":
        return cl_viz.EmbeddingSet.from_arrays({view: sphere(40, 8, seed) for seed, view in enumerate("abc")})
    if name == "missing labels and bad rows":
        rows = sphere(60, 7).copy()
        rows[3], rows[5, 2], rows[9, 0] = 0, np.nan, np.inf
        labels = np.array([None if i % 7 == 0 else f"c{i % 4}" for i in range(60)], dtype=object)
        return cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": sphere(60, 7, 5)}, label=labels)
    if name == "captions":
        ids = {"image": np.arange(20), "text": np.repeat(np.arange(20), 3)}
        return cl_viz.EmbeddingSet.from_arrays(
            {"image": sphere(20, 6), "text": sphere(60, 6, 1)},
            metadata={view: {"id": values} for view, values in ids.items()},
            roles={"id": "id"},
        )
    if name == "many to many":
        pairs = np.unique(generator.integers(0, 15, size=(40, 2)), axis=0)
        return cl_viz.EmbeddingSet.from_arrays({"query": sphere(15, 6), "document": sphere(30, 6, 1)}, pairs=pairs)
    if name == "one view with ids":
        return cl_viz.EmbeddingSet.from_arrays(sphere(30, 6), id=np.arange(30) // 2)
    raise AssertionError(name)


EXAMPLES = [
    "two views",
    "one view",
    "three views",
    "missing labels and bad rows",
    "captions",
    "many to many",
    "one view with ids",
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_pair_is_counted_once_with_its_relation(name: str, path: str) -> None:
    embedding_set = example(name)
    sketch = cl_viz.scan(embedding_set, anchors=0).pairs
    expected = brute(embedding_set)
    assert set(sketch.blocks) == set(expected)
    for index, block in enumerate(sketch.blocks):
        for relation, scores in expected[block].items():
            counts, sums = sketch.counts[index, relation], sketch.sums[index, relation]
            assert counts.sum() == len(scores), (block, relation)
            np.testing.assert_allclose(sums.sum(), scores.sum(), atol=1e-10)
            np.testing.assert_allclose(sketch.squares[index, relation], np.square(scores).sum(), atol=1e-10)
            if len(scores):
                np.testing.assert_allclose(sketch.low[index, relation], scores.min(), atol=1e-14)
                np.testing.assert_allclose(sketch.high[index, relation], scores.max(), atol=1e-14)
                # A score within rounding of an edge may fall on either side of it.
                place = np.searchsorted(bins.edges(), scores, side="right") - 1
                moved = np.abs(np.cumsum(np.bincount(place.clip(0, bins.BINS - 1), minlength=bins.BINS) - counts))
                assert moved.max() <= 2


@pytest.mark.parametrize("size", [17, 64, 1024])
def test_tiles_of_any_size_and_any_split_give_the_same_sketch(size: int, path: str) -> None:
    embedding_set = example("missing labels and bad rows")
    whole = cl_viz.scan(embedding_set, anchors=0).pairs
    rows = view_rows(embedding_set, torch.device("cpu"), torch.float64)
    blocks = list(whole.blocks)
    links = [compact_links(embedding_set, rows, *block) for block in blocks]
    work = list(tiles(blocks, rows, size))
    merged = PairSketch.empty(blocks)
    for part in (work[::2], work[1::2]):
        accumulator = PairAccumulator(blocks, rows, links)
        for tile in part:
            accumulator.add(tile)
        merged = merged + accumulator.finish()
    assert merged.counts.sum() == whole.counts.sum()
    np.testing.assert_array_equal(merged.counts.sum(axis=2), whole.counts.sum(axis=2))
    assert np.abs(np.cumsum(merged.counts - whole.counts, axis=2)).max() <= 2
    np.testing.assert_allclose(merged.sums.sum(axis=2), whole.sums.sum(axis=2), atol=1e-10)


def test_sketches_of_other_views_do_not_merge() -> None:
    with pytest.raises(InputError, match="different views"):
        PairSketch.empty([("a", "a")]) + PairSketch.empty([("b", "b")])


@pytest.mark.parametrize("name", EXAMPLES)
def test_anchors_see_what_brute_force_sees(name: str, path: str) -> None:
    embedding_set = example(name)
    statistics = cl_viz.scan(embedding_set)
    labels = embedding_set.codes("label")
    code = dict(zip(embedding_set.view_names, labels[0], strict=True)) if labels else None
    for view, sketch in statistics.anchors.items():
        np.testing.assert_array_equal(sketch.rows, np.flatnonzero(embedding_set.usable_rows[view]))
        own = unit(embedding_set.views[view][sketch.rows])
        positives: list[list[float]] = [[] for _ in sketch.rows]
        seen = {}
        for other in embedding_set.view_names:
            usable = np.flatnonzero(embedding_set.usable_rows[other])
            scores = own @ unit(embedding_set.views[other][usable]).T
            linked = np.zeros(scores.shape, dtype=bool)
            links = {tuple(pair) for pair in embedding_set.links(view, other)}
            if view == other:
                links |= {(j, i) for i, j in links}
            for a, row in enumerate(sketch.rows):
                for b, column in enumerate(usable):
                    if (row, column) in links:
                        linked[a, b] = True
                        if view != other or len(embedding_set.view_names) == 1:
                            positives[a].append(scores[a, b])
            itself = (sketch.rows[:, None] == usable[None]) & (view == other)
            seen[other] = (scores, ~linked & ~itself, usable)
        np.testing.assert_array_equal(np.diff(sketch.offsets), [len(values) for values in positives])
        np.testing.assert_allclose(sketch.positives, [s for values in positives for s in values], atol=1e-12)
        for other, (scores, counted, usable) in seen.items():
            found = sketch.candidates[other]
            same = np.zeros_like(counted)
            if code is not None:
                left, right = code[view][sketch.rows][:, None], code[other][usable][None]
                same = (left == right) & (left >= 0)
            np.testing.assert_array_equal(found.counts[:, 0].sum(axis=1), (counted & same).sum(axis=1))
            np.testing.assert_array_equal(found.counts[:, 1].sum(axis=1), (counted & ~same).sum(axis=1))
            np.testing.assert_allclose(found.moments[:, 1:, 1].sum(axis=1), (scores * counted).sum(axis=1), atol=1e-9)
            largest = np.sort(np.where(counted, scores, -np.inf), axis=1)[:, ::-1][:, : found.top_scores.shape[1]]
            np.testing.assert_allclose(found.top_scores[:, : largest.shape[1]], largest, atol=1e-12)
            below = [(scores[a] < s - 1e-13)[counted[a]].sum() for a, values in enumerate(positives) for s in values]
            np.testing.assert_array_equal(found.below.sum(axis=1), below)


def test_equal_scores_are_ties(path: str) -> None:
    rows = np.tile(sphere(1, 16), (40, 1))
    embedding_set = cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": rows.copy()})
    ranks = cl_viz.scan(embedding_set).anchors["a"].positive_rank(PairRoles())
    np.testing.assert_array_equal(ranks, 0.5)


def test_anchors_are_drawn_by_size_and_seed_alone() -> None:
    drawn = [
        cl_viz.scan(paired_sphere(300, 4, 0.5, seed=data), anchors=50, seed=seed).anchors["view_1"].rows
        for data, seed in ((0, 0), (9, 0), (0, 1))
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
    assert len(drawn[0]) == 50
    statistics = cl_viz.scan(paired_sphere(300, 4, 0.5), anchors=50, seed=7)
    assert statistics.seed == 7
    assert cl_viz.scan(paired_sphere(300, 4, 0.5)).seed is None


def test_moments_are_those_of_the_usable_rows() -> None:
    embedding_set = example("missing labels and bad rows")
    statistics = cl_viz.scan(embedding_set, anchors=0)
    assert (statistics.n_used, statistics.n_excluded) == (57, 3)
    keep = embedding_set.usable_rows["a"]
    raw = embedding_set.views["a"][keep]
    rows = unit(raw)
    found = statistics.moments.views["a"]
    assert found.count == 57
    np.testing.assert_allclose(found.mean, rows.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(found.scatter, 56 * np.cov(rows.T), atol=1e-12)
    np.testing.assert_allclose(found.raw_scatter, 56 * np.cov(raw.T), atol=1e-12)
    codes, names = embedding_set.codes("label")
    classes = statistics.moments.classes["a"]
    assert classes.names == names
    for index in range(len(names)):
        members = rows[codes[0][keep] == index]
        assert classes.counts[index] == len(members)
        np.testing.assert_allclose(classes.means[index], members.mean(axis=0), atol=1e-14)
        np.testing.assert_allclose(classes.traces[index], np.square(members - members.mean(axis=0)).sum(), atol=1e-12)


def test_many_dimensions_have_moments_without_scatter() -> None:
    statistics = cl_viz.scan(paired_sphere(20, 5000, 0.5), anchors=0)
    found = statistics.moments.views["view_1"]
    assert found.scatter is None
    assert (found + found).raw_scatter is None
    assert (found + found).count == 40
    assert found.mean.shape == (5000,)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 59), st.integers(0, 5))
def test_moments_of_two_parts_merge_to_those_of_the_whole(cut: int, seed: int) -> None:
    rows, labels = sphere(60, 5, seed) * 7 + 3, np.arange(60) % 3
    cut = min(max(cut, 2), 58)

    def moments(part: slice) -> object:
        embedding_set = cl_viz.EmbeddingSet.from_arrays(rows[part], metadata={"y": labels[part]}, roles={"label": "y"})
        return cl_viz.scan(embedding_set, anchors=0).moments

    first, second, whole = moments(slice(0, cut)), moments(slice(cut, 60)), moments(slice(0, 60))
    if len({*labels[:cut]}) == len({*labels[cut:]}) == 3:
        merged = first + second
        np.testing.assert_allclose(merged.views["view_1"].raw_scatter, whole.views["view_1"].raw_scatter, rtol=1e-9)
        np.testing.assert_allclose(merged.views["view_1"].mean, whole.views["view_1"].mean, atol=1e-13)
        np.testing.assert_allclose(merged.classes["view_1"].traces, whole.classes["view_1"].traces, atol=1e-11)
        np.testing.assert_allclose(merged.classes["view_1"].means, whole.classes["view_1"].means, atol=1e-13)


def test_float32_agrees_with_float64(path: str) -> None:
    embedding_set = clusters(200, 32, 10, 0.3)
    single, double = (cl_viz.scan(embedding_set, precision=kind).pairs for kind in ("float32", "float64"))
    roles = PairRoles()
    assert single.negatives(roles).mean == pytest.approx(double.negatives(roles).mean, abs=1e-7)
    assert single.negatives(roles).variance == pytest.approx(double.negatives(roles).variance, rel=1e-5)


def test_scale_and_order_of_rows_do_not_matter() -> None:
    embedding_set = clusters(120, 16, 6, 0.4)
    order = np.random.default_rng(0).permutation(120)
    scale = np.random.default_rng(1).uniform(0.01, 1e4, size=(120, 1))
    moved = cl_viz.EmbeddingSet.from_arrays(
        {view: (array * scale)[order] for view, array in embedding_set.views.items()},
        label=embedding_set.role("label")[order],
    )
    first, second = (cl_viz.scan(item, anchors=0).pairs for item in (embedding_set, moved))
    np.testing.assert_array_equal(first.counts.sum(axis=2), second.counts.sum(axis=2))
    np.testing.assert_allclose(first.squares, second.squares, rtol=1e-12)


def test_progress_rises_to_one_and_can_stop_the_pass(path: str) -> None:
    seen: list[float] = []
    cl_viz.scan(collapsed(3000, 4, 0.1), anchors=10, progress=lambda done, message: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)

    def stop(done: float, message: str) -> None:
        if done > 0.2:
            raise Cancelled("stopped by the user")

    with pytest.raises(Cancelled):
        cl_viz.scan(collapsed(3000, 4, 0.1), progress=stop)


def test_a_set_without_two_usable_rows_is_refused() -> None:
    rows = np.zeros((5, 3))
    rows[0] = 1
    with pytest.raises(InputError, match="1 usable row"):
        cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(rows))


def test_an_absent_device_names_those_present() -> None:
    with pytest.raises(DeviceError, match=r"Allowed: auto.*cpu"):
        cl_viz.scan(paired_sphere(10, 4, 0.5), device="cuda:99")


@pytest.mark.parametrize("argument", [{"anchors": -1}, {"precision": "float8"}])
def test_arguments_out_of_range_are_refused(argument: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Allowed"):
        cl_viz.scan(paired_sphere(10, 4, 0.5), **argument)


def test_roles_without_their_pairs_say_what_to_add() -> None:
    unlabelled = cl_viz.scan(paired_sphere(20, 4, 0.5), anchors=0).pairs
    with pytest.raises(MissingInputError, match="label"):
        unlabelled.positives(PairRoles("labels"))
    with pytest.raises(MissingInputError, match="label"):
        unlabelled.false_negatives(PairRoles())
    one_view = cl_viz.scan(example("one view"), anchors=0).pairs
    with pytest.raises(MissingInputError, match="second view"):
        one_view.positives(PairRoles("views"))
    with pytest.raises(MissingInputError, match="second view"):
        one_view.false_negatives(PairRoles("labels"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_agrees_with_cpu() -> None:
    embedding_set = clusters(500, 32, 10, 0.3)
    here, there = (cl_viz.scan(embedding_set, device=device, precision="float64") for device in ("cpu", "cuda"))
    np.testing.assert_array_equal(here.pairs.counts.sum(axis=2), there.pairs.counts.sum(axis=2))
    np.testing.assert_allclose(here.pairs.squares, there.pairs.squares, rtol=1e-10)
    np.testing.assert_allclose(here.anchors["view_1"].positives, there.anchors["view_1"].positives, atol=1e-12)


@pytest.mark.parametrize("n_anchors", [1, 50, 257, 8192])
def test_bands_of_anchors_cover_each_once_and_end_low(n_anchors: int) -> None:
    parts = bands(n_anchors, 256)
    assert [number for part in parts for number in range(part.start, part.stop)] == list(range(n_anchors))
    assert parts[-1].stop - parts[-1].start <= 64
