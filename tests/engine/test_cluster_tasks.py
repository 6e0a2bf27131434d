"""The tasks of a cluster, done one after the other in this process, against the pass of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import MissingInputError
from cl_viz.engine import Statistics, cluster, cluster_tasks, compiled, pieces
from cl_viz.engine.cluster_results import AnchorResult, Collected
from cl_viz.engine.cluster_tasks import ClusterPlan
from cl_viz.testing import clusters


@pytest.fixture(params=["torch", "compiled"])
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a test with torch alone, and with the compiled kernels."""
    if request.param == "compiled" and not compiled.wait():
        pytest.skip(compiled.failure())
    before = compiled.enable(request.param == "compiled")
    yield request.param
    compiled.enable(before)


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the anchors be several parts, and meet pieces in groups: of one view all, of two views two, of three one."""
    monkeypatch.setattr(cluster_tasks, "ANCHORS_OF_A_TASK", 15)
    monkeypatch.setattr(cluster_tasks, "GROUP_BYTES", 2 * 128 * 9 * 8)


def some_views(count: int) -> cl_viz.EmbeddingSet:
    made = clusters(150, 9, 4, 0.4)
    views = {f"view_{number}": made.views[f"view_{1 + number % 2}"] + number for number in range(count)}
    return cl_viz.EmbeddingSet.from_arrays(views, label=np.where(np.arange(150) % 9, made.role("label"), -3))


def by_tasks(embedding_set: cl_viz.EmbeddingSet, anchors: int, neighbors: int) -> Statistics:
    parts = pieces.pieces_of(embedding_set, 64)
    facts = [pieces.facts_of(piece) for piece in parts]
    plan = ClusterPlan.of(facts, neighbors, anchors, 0, "cpu")
    found = Collected(plan, facts)
    within = [cluster_tasks.look_within(piece, i, plan) for i, piece in enumerate(parts)]
    limits = [cluster_tasks.limits_of(one, i, plan) for i, one in enumerate(within)]
    for i, j in combinations(range(len(parts)), 2):
        found.add(cluster_tasks.look_between([parts[i], parts[j]], (i, j), [limits[i], limits[j]], plan))
    for one in within:
        found.add(one)
    if anchors:
        groups = [parts[first:stop] for first, stop in plan.groups]
        every = cluster_tasks.join_anchors(
            [cluster_tasks.take_anchors(group, i, plan) for i, group in enumerate(groups)], plan
        )
        for part in range(len(plan.parts)):
            seen = [cluster_tasks.see(every, part, group, i, plan) for i, group in enumerate(groups)]
            found.add(AnchorResult.join(seen))
    moments = [pieces.numbered_moments(piece, plan.numbering) for piece in parts]
    return found.statistics(sum(moments[1:], moments[0]), embedding_set.fingerprint, 0)


@pytest.mark.parametrize("anchors", [0, 40])
@pytest.mark.parametrize(("n_views", "arranged"), [(1, True), (2, True), (2, False), (3, True)])
def test_tasks_find_what_one_machine_finds(
    n_views: int, anchors: int, arranged: bool, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding_set = some_views(n_views)
    if not arranged:
        # As for pieces too large to be kept on the device.
        monkeypatch.setattr(cluster_tasks, "RESIDENT_BYTES", 0)
    found = by_tasks(embedding_set, anchors, 4)
    expected = cl_viz.scan(embedding_set, "cpu", anchors=anchors, neighbors=4, cache=False)
    np.testing.assert_array_equal(found.pairs.counts.sum(axis=2), expected.pairs.counts.sum(axis=2))
    assert np.abs(np.cumsum(found.pairs.counts - expected.pairs.counts, axis=2)).max() <= 1
    np.testing.assert_allclose(found.pairs.sums.sum(axis=2), expected.pairs.sums.sum(axis=2), atol=1e-9)
    assert list(found.neighbors) == list(expected.neighbors)
    for block, near in expected.neighbors.items():
        np.testing.assert_allclose(found.neighbors[block].scores, near.scores, atol=1e-12)
    assert list(found.anchors) == list(expected.anchors)
    for view, sketch in expected.anchors.items():
        np.testing.assert_array_equal(found.anchors[view].rows, sketch.rows)
        np.testing.assert_allclose(found.anchors[view].positives, sketch.positives, atol=1e-12)
        for other, seen in sketch.candidates.items():
            theirs = found.anchors[view].candidates[other]
            np.testing.assert_array_equal(theirs.counts, seen.counts)
            np.testing.assert_allclose(theirs.sums, seen.sums, atol=1e-5)
            np.testing.assert_allclose(theirs.top_scores, seen.top_scores, atol=1e-12)
            np.testing.assert_allclose(theirs.below, seen.below)


@pytest.mark.parametrize("anchors", [0, 40])
@pytest.mark.parametrize("usable", [0, 1])
def test_a_piece_may_have_next_to_no_usable_row(usable: int, anchors: int, path: str) -> None:
    rows = clusters(150, 9, 4, 0.4).views["view_1"].copy()
    # With pieces of 64 rows, the second.
    rows[64 + usable : 128] = np.nan
    embedding_set = cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": rows + 1}, label=np.arange(150) % 3)
    found = by_tasks(embedding_set, anchors, 4)
    expected = cl_viz.scan(embedding_set, "cpu", anchors=anchors, neighbors=4, cache=False)
    np.testing.assert_array_equal(found.pairs.counts.sum(axis=2), expected.pairs.counts.sum(axis=2))
    np.testing.assert_allclose(found.moments.views["a"].scatter, expected.moments.views["a"].scatter, atol=1e-9)
    for block, near in expected.neighbors.items():
        np.testing.assert_allclose(found.neighbors[block].scores, near.scores, atol=1e-12)


def test_a_single_row_is_no_piece_of_its_own() -> None:
    rows = clusters(130, 9, 4, 0.4).views["view_1"]
    sizes = {n: [piece.load().n for piece in pieces.pieces_of(cl_viz.EmbeddingSet.from_arrays(rows[:n]), 64)]
             for n in (65, 128, 129, 130)}  # fmt: skip
    assert sizes == {65: [65], 128: [64, 64], 129: [64, 65], 130: [64, 64, 2]}


def test_two_usable_rows_are_needed_in_all() -> None:
    rows = np.full((130, 3), np.nan)
    rows[0] = 1
    parts = pieces.pieces_of(cl_viz.EmbeddingSet.from_arrays(rows), 64)
    with pytest.raises(MissingInputError, match="1 of 130 rows"):
        pieces.check_facts(parts, [pieces.facts_of(piece) for piece in parts])


def test_neighbours_of_equal_score_are_in_the_order_of_their_rows(path: str) -> None:
    embedding_set = cl_viz.EmbeddingSet.from_arrays(np.eye(9)[np.arange(150) % 9])
    (near,) = by_tasks(embedding_set, 0, 8).neighbors.values()
    np.testing.assert_array_equal(near.scores, 1)
    assert (np.diff(near.indices, axis=1) > 0).all()
    assert ((near.indices - near.rows[:, None]) % 9 == 0).all()


def test_pieces_are_of_equal_size_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PIECE_ROWS", 64)
    rows = clusters(130, 9, 4, 0.4).views["view_1"]
    assert cluster._piece_rows(cl_viz.EmbeddingSet.from_arrays(rows[:60])) == 64
    monkeypatch.setattr(cluster, "PIECE_ROWS", 2048)
    long = np.ones((4100, 4))
    assert cluster._piece_rows(cl_viz.EmbeddingSet.from_arrays(long)) == 1536
    monkeypatch.setattr(cluster, "PIECE_BYTES", 4 * 4 * 1024)
    assert cluster._piece_rows(cl_viz.EmbeddingSet.from_arrays(long)) == 1024
    assert cluster._piece_rows(cl_viz.EmbeddingSet.from_arrays({"a": long, "b": long})) == 512


def test_groups_hold_pieces_up_to_their_bytes() -> None:
    assert cluster_tasks._groups(np.array([3, 3, 3, 9, 0, 1]), 6) == ((0, 2), (2, 3), (3, 4), (4, 6))
    assert cluster_tasks._groups(np.array([3, 0, 3]), -1) == ((0, 1), (1, 2), (2, 3))


def test_a_worker_keeps_the_rows_it_used_last_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding_set = some_views(1)
    parts = pieces.pieces_of(embedding_set, 64)
    plan = ClusterPlan.of([pieces.facts_of(piece) for piece in parts], None, 0, 0, "cpu")
    monkeypatch.setattr(cluster_tasks, "_at_hand", cluster_tasks._AtHand())
    monkeypatch.setattr(cluster_tasks, "BYTES_AT_HAND", 2 * 64 * 9 * 8)

    def rows(number: int) -> object:
        return plan.rows([parts[number]], (number, number + 1))

    first, second = rows(0), rows(1)
    assert rows(0) is first
    rows(2)
    assert rows(0) is first
    assert rows(1) is not second
