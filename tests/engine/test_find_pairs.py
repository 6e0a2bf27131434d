"""`find_pairs` against a dense twin: every pair listed, every score in float64, sorted by numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, InputError, MissingInputError
from cl_viz.engine import pair_estimate, pair_search
from cl_viz.engine.best_pairs import draw_keys, draw_marks
from cl_viz.engine.found_pairs import FoundPairs
from cl_viz.engine.pair_query import QUESTIONS, PairQuery
from cl_viz.engine.pair_sketch import PairRoles, Relation, negative_relations

Pair = tuple[int, int, int, int]
"""View and row of the first side, of the second."""


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a small set take many tiles, some of which are scored again as a whole."""
    monkeypatch.setattr(pair_search, "ROWS", 16)
    monkeypatch.setattr(pair_search, "COLUMNS", 24)
    monkeypatch.setattr(pair_search, "LINKS", 7)
    monkeypatch.setattr(pair_search, "_MANY", 100)


def make_set(
    n_views: int = 2, n: int = 70, *, labels: str = "some", copies: bool = True, dim: int = 6, seed: int = 0
) -> EmbeddingSet:
    """Clusters with repeated rows, unusable rows, and labels of which some or all are missing."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 4, n)
    centre = 1.5 * generator.normal(size=(4, dim))[label]
    views = {}
    for place in range(n_views):
        rows = centre + generator.normal(size=(n, dim))
        if copies:
            rows[10:20] = rows[9] * np.linspace(1, 2, 10)[:, None]
            rows[40:44] = rows[9]
        rows[place] = np.nan
        rows[5 + place] = 0
        views[f"view_{place + 1}"] = rows.astype(np.float32)
    columns: dict[str, Any] = {"id": np.array([f"sample {row}" for row in range(n)], dtype=object)}
    if labels != "none":
        names = np.array(["a", "b", "c", "d"], dtype=object)[label]
        if labels == "some":
            names[generator.random(n) < 0.2] = None
        columns["label"] = names
    return EmbeddingSet.from_arrays(views, **columns)


def dense_pairs(whole: EmbeddingSet, query: PairQuery) -> dict[Pair, tuple[float, int]]:
    """Return the score and the relation of every pair that is asked for, whatever its score."""
    names = whole.view_names
    unit = [np.asarray(array, np.float64) for array in whole.views.values()]
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = [rows / np.linalg.norm(rows, axis=1)[:, None] for rows in unit]
    codes = whole.codes("label")
    asked = {}
    for first, second in query.blocks(names):
        a, b = names.index(first), names.index(second)
        links = {(int(i), int(j)) for i, j in whole.links(first, second)}
        scores = np.clip(np.round((unit[a][:, None, :] * unit[b][None, :, :]).sum(axis=2), 12), -1, 1)
        for i in np.flatnonzero(whole.usable_rows[first]):
            for j in np.flatnonzero(whole.usable_rows[second]):
                if a == b and j <= i:
                    continue
                own, other = (-1, -1) if codes is None else (codes[0][a][i], codes[0][b][j])
                known = own >= 0 and other >= 0
                kind = Relation.SAME_LABEL if own == other else Relation.DIFFERENT_LABEL
                if not known:
                    kind = Relation.UNKNOWN_LABEL
                if (int(i), int(j)) in links:
                    kind = Relation.SAME_SAMPLE
                if kind not in query.relations:
                    continue
                if query.classes is not None and codes is not None:
                    wanted = sorted(codes[1].index(name) for name in query.classes)
                    if sorted([own, other]) != wanted:
                        continue
                asked[a, int(i), b, int(j)] = (float(scores[i, j]), int(kind))
    return nearest_only(asked, query) if query.by_neighbors else asked


def nearest_only(asked: dict[Pair, tuple[float, int]], query: PairQuery) -> dict[Pair, tuple[float, int]]:
    """Keep pairs that are among the k nearest of both sides, in each block of views."""
    seen: dict[tuple[int, int, int], list[float]] = {}
    for (a, i, b, j), (score, _) in asked.items():
        seen.setdefault((a, i, b), []).append(score)
        seen.setdefault((b, j, a), []).append(score)
    least = {side: sorted(scores)[-query.k :][0] for side, scores in seen.items()}
    tie = 1e-11
    return {
        (a, i, b, j): (score, kind)
        for (a, i, b, j), (score, kind) in asked.items()
        if score >= least[a, i, b] - tie and score >= least[b, j, a] - tie
    }


def dense_ranks(every: dict[Pair, tuple[float, int]], pair: Pair, score: float) -> tuple[int, int]:
    a, i, b, j = pair
    of_first = [s for (c, k, d, m), (s, _) in every.items() if (c, k, d) == (a, i, b) or (d, m, c) == (a, i, b)]
    of_second = [s for (c, k, d, m), (s, _) in every.items() if (c, k, d) == (b, j, a) or (d, m, c) == (b, j, a)]
    above = score + 2e-12
    return 1 + sum(s > above for s in of_first), 1 + sum(s > above for s in of_second)


def assert_as_dense(whole: EmbeddingSet, query: PairQuery, found: FoundPairs) -> None:
    """Assert counts, and which pairs are kept in which order; of a draw, that it is one."""
    asked = dense_pairs(whole, query)
    edges = np.array(query.edges)
    edges[0], edges[-1] = (-np.inf if edges[0] <= -1 else edges[0]), (np.inf if edges[-1] >= 1 else edges[-1])
    sign = 1 if query.order == "lowest" else -1
    kept = list(zip(found.first_view, found.first, found.second_view, found.second, strict=True))
    at = 0
    for place in range(query.n_bins):
        inside = [pair for pair, (score, _) in asked.items() if edges[place] <= score < edges[place + 1]]
        inside.sort(key=lambda pair: (sign * asked[pair][0], pair[0], pair[2], pair[1], pair[3]))
        assert found.counts[place] == len(inside)
        own = [tuple(int(part) for part in pair) for pair in kept[at : at + min(len(inside), query.m)]]
        if query.order == "random":
            assert len(set(own)) == len(own)
            assert own == [pair for pair in inside if pair in set(own)]
        else:
            assert own == inside[: query.m]
        assert (found.bin[at : at + len(own)] == place).all()
        at += len(own)
    assert at == len(found)
    for place, pair in enumerate(kept):
        score, kind = asked[pair]
        assert abs(found.score[place] - score) < 3e-12
        assert found.relation[place] == kind


ASKED: list[dict[str, Any]] = [
    {"question": "hardest-negatives", "m": 40},
    {"question": "hardest-negatives", "m": 30, "negatives": "all"},
    {"question": "hardest-negatives", "m": 25, "positives": "labels", "negatives": "all"},
    {"question": "false-negatives", "m": 35, "negatives": "all"},
    {"question": "weakest-positives", "m": 20},
    {"question": "weakest-positives", "m": 50, "positives": "labels", "negatives": "all"},
    {"question": "duplicates", "m": 30},
    {"question": "duplicates", "m": 500, "low": 0.9},
    {"question": "interval", "low": 0.25, "high": 0.5, "m": 20},
    {"question": "interval", "low": -1.0, "high": 1.0, "bins": 20, "m": 4, "negatives": "all"},
    {"question": "interval", "low": -0.5, "high": 1.0, "bins": 7, "m": 5, "order": "highest"},
    {"question": "interval", "low": 0.9, "high": 1.0, "bins": 3, "m": 5, "order": "lowest", "kind": "positives"},
    {"question": "classes", "classes": ("a", "c"), "m": 30, "negatives": "all"},
    {"question": "classes", "classes": ("b", "b"), "m": 30, "negatives": "all", "order": "lowest"},
    {"question": "classes", "classes": ("d", "a"), "m": 30, "low": 0.0, "high": 0.2, "order": "random"},
    {"question": "classes", "classes": ("b", "b"), "m": 30, "kind": "other_samples", "view": "view_1"},
    {"question": "hardest-negatives", "m": 30, "view": "view_1"},
]


@pytest.mark.parametrize(("n_views", "precision"), [(2, "float64"), (3, "float32")])
@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: "-".join(map(str, asked.values())))
def test_pairs_are_those_of_the_dense_twin(asked: dict[str, Any], n_views: int, precision: Any) -> None:
    whole = make_set(n_views, 44, seed=n_views)
    query = PairQuery.of(whole, **asked)
    found = cl_viz.find_pairs(whole, query, precision=precision, ranks=False)
    assert_as_dense(whole, query, found)
    assert found.precision == precision


OF_ONE_VIEW = [
    asked for asked in ASKED if asked["question"] != "weakest-positives" and asked.get("kind") != "positives"
]


@pytest.mark.parametrize("asked", OF_ONE_VIEW, ids=str)
def test_one_view_is_compared_with_itself(asked: dict[str, Any]) -> None:
    whole = make_set(1)
    query = PairQuery.of(whole, **asked)
    assert_as_dense(whole, query, cl_viz.find_pairs(whole, query, ranks=False))


@pytest.mark.parametrize("n_views", [1, 2, 3])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_without_labels_false_negatives_are_mutual_neighbours(n_views: int, precision: Any) -> None:
    whole = make_set(n_views, 40, labels="none", copies=precision == "float64")
    query = PairQuery.of(whole, "false-negatives", m=60, negatives="all", k=4)
    assert query.by_neighbors
    found = cl_viz.find_pairs(whole, query, precision=precision, ranks=False)
    assert_as_dense(whole, query, found)


@pytest.mark.parametrize("question", ["hardest-negatives", "duplicates", "interval", "weakest-positives"])
def test_a_set_without_labels_answers_what_needs_none(question: Any) -> None:
    whole = make_set(2, labels="none")
    query = PairQuery.of(whole, question, m=30, low=0.2, high=0.9)
    assert_as_dense(whole, query, cl_viz.find_pairs(whole, query, ranks=False))


@pytest.mark.parametrize("asked", [ASKED[0], ASKED[1], ASKED[2], ASKED[5], ASKED[6]], ids=str)
def test_ranks_count_the_negatives_that_score_higher(asked: dict[str, Any]) -> None:
    whole = make_set(2, 30)
    query = PairQuery.of(whole, **{**asked, "m": 6})
    found = cl_viz.find_pairs(whole, query)
    every = dense_pairs(whole, PairQuery.of(whole, kind="negatives", positives=query.roles.positives, negatives="all"))
    for place in range(len(found)):
        (view, row), (other, other_row) = found.sides(place)
        names = whole.view_names
        pair = (names.index(view), row, names.index(other), other_row)
        ranks = dense_ranks(every, pair, float(found.score[place]))
        assert (found.first_rank[place], found.second_rank[place]) == ranks


def test_rows_linked_by_ids_are_no_negatives() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(12, 5)), generator.normal(size=(30, 5))
    ids = {"view_1": {"id": np.arange(12)}, "view_2": {"id": np.arange(30) % 12}}
    whole = EmbeddingSet.from_arrays({"view_1": first, "view_2": second}, metadata=ids, roles={"id": "id"})
    for asked in ({"negatives": "all"}, {"question": "weakest-positives"}, {"question": "false-negatives", "k": 3}):
        query = PairQuery.of(whole, **{"m": 50, **asked})  # type: ignore[arg-type]
        assert_as_dense(whole, query, cl_viz.find_pairs(whole, query, ranks=False))


def test_ties_go_to_the_smaller_rows_whatever_the_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(3, 7)), 20, axis=0)
    whole = EmbeddingSet.from_arrays(rows)
    found = []
    for tile in (8, 13, 64):
        monkeypatch.setattr(pair_search, "ROWS", tile)
        monkeypatch.setattr(pair_search, "COLUMNS", tile + 3)
        found.append(cl_viz.find_pairs(whole, m=40))
    assert list(zip(found[0].first[:19], found[0].second[:19], strict=True)) == [(0, other) for other in range(1, 20)]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0].first, other.first)
        np.testing.assert_array_equal(found[0].second, other.second)
    assert (found[0].score == 1.0).all()


def test_a_draw_depends_on_its_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_set(2)
    asked = {"low": -0.2, "high": 0.8, "m": 30}
    first = cl_viz.find_pairs(whole, "interval", **asked, seed=1)
    monkeypatch.setattr(pair_search, "ROWS", 64)
    again = cl_viz.find_pairs(whole, "interval", **asked, seed=1)
    other = cl_viz.find_pairs(whole, "interval", **asked, seed=2)
    np.testing.assert_array_equal(first.score, again.score)
    assert not np.array_equal(first.score, other.score)


def test_a_draw_takes_every_pair_about_equally_often() -> None:
    whole = EmbeddingSet.from_arrays(np.random.default_rng(0).normal(size=(16, 4)))
    times = np.zeros((16, 16))
    for seed in range(200):
        found = cl_viz.find_pairs(whole, "interval", low=-1.0, high=1.0, m=24, seed=seed, ranks=False)
        times[found.first, found.second] += 1
    taken = times[np.triu_indices(16, 1)]
    # 24 of 120 pairs, 200 draws: 40 each, with a standard deviation of sqrt(200 * 0.2 * 0.8) = 5.7.
    assert taken.sum() == 200 * 24
    assert 18 < taken.min() < taken.max() < 65


def test_keys_of_a_draw_differ_and_are_not_negative() -> None:
    marks = draw_marks(torch.arange(300), 7)
    keys = draw_keys(marks[:, None], marks[None, :])
    assert len(torch.unique(keys)) == 300 * 301 // 2  # a pair's key is that of its two rows, in either order
    assert int(keys.min()) >= 0


def test_the_counts_are_those_of_the_sketch() -> None:
    whole = make_set(2, copies=False)
    sketch = cl_viz.scan(whole, cache=False).pairs
    roles = PairRoles()
    found = cl_viz.find_pairs(whole, "interval", low=-1.0, high=1.0, bins=100, m=1, ranks=False)
    expected = np.round(sketch.negatives(roles).masses(100) * sketch.negatives(roles).count).astype(int)
    np.testing.assert_array_equal(found.counts, expected)
    assert set(negative_relations(roles)) == set(found.query.relations)


def test_the_list_names_rows_ids_and_labels_and_can_be_saved(tmp_path: Any) -> None:
    pd = pytest.importorskip("pandas")
    whole = make_set(2)
    found = cl_viz.find_pairs(whole, m=5)
    table = found.table(whole)
    assert list(table.columns) == [
        "view", "row", "other_view", "other_row", "id", "other_id", "label", "other_label",
        "score", "relation", "rank", "other_rank", "question",
    ]  # fmt: skip
    assert table["id"].tolist() == [f"sample {row}" for row in found.first]
    table.to_parquet(tmp_path / "pairs.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "pairs.parquet"), table, check_dtype=False)
    assert len(found.table(whole, np.array([0, 3]))) == 2
    table = found.table(whole.with_roles(text="id"))
    assert table["text"].tolist() == table["id"].tolist()
    assert table["other_text"].tolist() == table["other_id"].tolist()


@pytest.mark.parametrize(
    "asked",
    [
        {"question": "nothing"}, {"m": 0}, {"m": True}, {"m": 10**7}, {"order": "sideways"}, {"kind": "odd"},
        {"positives": "x"}, {"negatives": "x"}, {"question": "interval"}, {"low": 0.5, "high": 0.5},
        {"low": float("nan")}, {"high": 3.0}, {"question": "classes"}, {"classes": ("a", "zebra")}, {"classes": ("a",)},
        {"m": 1000, "bins": 9999}, {"k": 0}, {"seed": 1.5}, {"seed": True}, {"low": "x"},
        {"classes": "ac"}, {"classes": 5}, {"view": "view_9"}, {"view": "view_1", "question": "weakest-positives"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"\S"):
        cl_viz.find_pairs(make_set(2), **asked)


def test_numbers_of_numpy_are_whole_numbers_too() -> None:
    whole = make_set(2)
    one = cl_viz.find_pairs(whole, "interval", m=np.int64(7), low=np.float32(0.25), high=1, seed=np.int32(3))
    other = cl_viz.find_pairs(whole, "interval", m=7, low=0.25, high=1.0, seed=3)
    assert one.query == other.query
    np.testing.assert_array_equal(one.score, other.score)


def test_a_query_that_is_made_cannot_be_given_more() -> None:
    whole = make_set(2)
    query = PairQuery.of(whole, m=3)
    for ask in (cl_viz.find_pairs, cl_viz.estimate_pairs):
        with pytest.raises(InputError, match=r"PairQuery and m were given.*PairQuery\.of"):
            ask(whole, query, m=5)


def test_what_is_missing_is_named() -> None:
    plain, labelled = make_set(1, labels="none"), make_set(1)
    for whole, asked, word in (
        (plain, {"question": "weakest-positives"}, "second view"),
        (plain, {"positives": "labels"}, "labels"),
        (labelled, {"question": "weakest-positives", "positives": "views"}, "second view"),
        (plain, {"classes": ("a", "b")}, "labels"),
        (labelled, {"question": "false-negatives", "positives": "labels"}, "cannot be told"),
    ):
        with pytest.raises(MissingInputError, match=word):
            cl_viz.find_pairs(whole, **asked)


def test_the_search_can_be_stopped_and_reports_how_far_it_is() -> None:
    whole, seen = make_set(2), []
    cl_viz.find_pairs(whole, "false-negatives", progress=lambda done, words: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert 0 < seen[0] < 0.5

    def stop(done: float, words: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cl_viz.find_pairs(whole, progress=stop)


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_an_estimate(question: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the probe is for tiles of the usual size
    monkeypatch.setattr(pair_estimate, "_PROBE_ROWS", 768)
    whole = make_set(2)
    asked: dict[str, Any] = (
        {"low": 0.0, "high": 1.0, "classes": ("a", "b")} if question in ("interval", "classes") else {}
    )
    planned = cl_viz.estimate_pairs(whole, question, **asked)
    assert 0 < planned.seconds < 10
    assert 0 < planned.scores <= 70 * 70 * 3
    assert planned.memory > 0
