"""Downstream proxies: every number against its dense twin through the public call, known answers and invariances."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.diagnostics._dense import downstream as dense
from cl_viz.diagnostics._groups import probes
from cl_viz.diagnostics._groups import relevant_ranks as _ranking
from cl_viz.diagnostics.cluster_agreement import cluster
from cl_viz.diagnostics.cross_view_retrieval import random_hit_rate
from cl_viz.diagnostics.label_retrieval import random_map_at_r
from cl_viz.testing import clusters, paired_sphere, sphere

NAMES = (
    "neighbor_accuracy", "linear_probe", "label_retrieval", "class_separation", "cluster_agreement",
    "cross_view_retrieval",
)  # fmt: skip


def grouped(n: int = 150, spread: float = 1.4, seed: int = 0) -> EmbeddingSet:
    """Clusters of unequal size and row length, with a group column."""
    generator = np.random.default_rng(seed)
    label = np.repeat(np.arange(5), [50, 40, 30, 20, 10])[:n]
    rows = sphere(5, 6, seed)[label] * 2 + spread * generator.normal(size=(n, 6)) / np.sqrt(6)
    rows *= generator.uniform(0.5, 3, (n, 1))
    other = rows + 0.8 * generator.normal(size=rows.shape)
    return EmbeddingSet.from_arrays({"a": rows, "b": other}, label=label, group=generator.integers(0, 3, n), name="g")


def ask(name: str, embedding_set: EmbeddingSet, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose(name, embedding_set, params=params)


@pytest.fixture(scope="module")
def example() -> EmbeddingSet:
    return grouped()


def parts(embedding_set: EmbeddingSet, view: str = "a") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.asarray(embedding_set.views[view], dtype=np.float64),
        np.asarray(embedding_set.role("label")),
        np.asarray(embedding_set.role("group")),
    )


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("k", "temperature", "view"), [(5, 0.1, 1), (20, 0.05, 1), (200, 0.1, 2)])
def test_neighbour_accuracy_is_its_dense_twin(example: EmbeddingSet, k: int, temperature: float, view: int) -> None:
    rows, codes, groups = parts(example, "ab"[view - 1])
    predicted = dense.neighbor_prediction_left_out(rows, codes, k, temperature)
    found = ask("neighbor_accuracy", example, neighbours=k, vote_temperature=temperature, view=view)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(codes, predicted))
    assert found["balanced_accuracy"].value == pytest.approx(metrics.balanced_accuracy_score(codes, predicted))
    recalls = metrics.recall_score(codes, predicted, average=None)
    assert found["worst_class_recall"].value == pytest.approx(recalls.min())
    assert found["class_gap"].value == pytest.approx(np.ptp(recalls))
    shares = [(predicted == codes)[groups == group].mean() for group in range(3)]
    assert found["worst_group_accuracy"].value == pytest.approx(min(shares))
    assert found["group_gap"].value == pytest.approx(np.ptp(shares))
    plain = dense.neighbor_prediction_left_out(rows, codes, 5, None)
    assert found["plain_accuracy"].value == pytest.approx(dense.accuracy(codes, plain))
    assert found["accuracy"].reference == pytest.approx(1 / 3)
    weighted = found.views["curve"].series[0]  # type: ignore[union-attr]
    at = dense.neighbor_prediction_left_out(rows, codes, 10, temperature)
    assert weighted.y[list(weighted.x).index(10)] == pytest.approx(dense.accuracy(codes, at))


@pytest.mark.parametrize(
    ("scaling", "value", "folds"), [("standardised", 1.0, 5), ("stored", 0.1, 3), ("unit", 10.0, 4)]
)
def test_the_linear_probe_is_its_dense_twin(example: EmbeddingSet, scaling: str, value: float, folds: int) -> None:
    rows, codes, groups = parts(example)
    rows = unit(rows) if scaling == "unit" else rows
    predicted = probes.predict_in_folds(
        rows, codes, folds=folds, seed=2, regularisation=value, scaling=scaling,  # type: ignore[arg-type]
    ).predicted  # fmt: skip
    found = ask("linear_probe", example, regularisation=value, scaling=scaling, folds=folds, seed=2)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(codes, predicted))
    assert found["balanced_accuracy"].value == pytest.approx(metrics.balanced_accuracy_score(codes, predicted))
    recalls = metrics.recall_score(codes, predicted, average=None)
    assert found["worst_class_recall"].value == pytest.approx(recalls.min())
    shares = [(predicted == codes)[groups == group].mean() for group in range(3)]
    assert found["worst_group_accuracy"].value == pytest.approx(min(shares))
    assert found["group_gap"].value == pytest.approx(np.ptp(shares))


def test_the_grid_of_the_probe_holds_the_probe_itself(example: EmbeddingSet) -> None:
    found = ask("linear_probe", example, grid=True, regularisation=0.5, folds=3)
    curve = found.views["regularisation"].series[0]  # type: ignore[union-attr]
    assert curve.y[list(curve.x).index(0.5)] == pytest.approx(found["balanced_accuracy"].value)
    assert ask("linear_probe", example, regularisation=0.5, folds=3)["accuracy"].value == found["accuracy"].value


@pytest.mark.parametrize("depth", [1, 10, 60])
def test_retrieval_is_its_dense_twin(example: EmbeddingSet, depth: int) -> None:
    rows, codes, _ = parts(example)
    ranks = dense.label_ranks(rows, codes)
    found = ask("label_retrieval", example, depth=depth)
    for name, values in {
        "precision_at_1": ranks.hit(1),
        "hit_rate": ranks.hit(depth),
        "true_recall": ranks.recall(depth),
        "map_at_r": ranks.map_at_r(),
        "r_precision": ranks.r_precision(),
        "mean_average_precision": ranks.average_precision(),
        "mean_average_precision_above_zero": ranks.average_precision_above_zero(),
        "mean_reciprocal_rank": ranks.reciprocal_rank(),
    }.items():
        assert found[name].value == pytest.approx(values.mean()), name
    scores = unit(rows) @ unit(rows).T
    peers = []
    for row in range(len(rows)):
        others = np.arange(len(rows)) != row
        peers.append(metrics.average_precision_score(codes[others] == codes[row], scores[row, others]))
    assert found["mean_average_precision"].value == pytest.approx(np.mean(peers))


def test_measures_of_a_ranking_that_one_can_count_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.6, -0.5], [0.9, 0.8, 0.5, 0.4, 0.3]])
    relevant = np.array([[True, False, True, False, True], [False, False, True, True, False]])
    found = dense.relevant_ranks(scores, relevant)
    assert (1 + found.above).tolist() == [1, 3, 5, 3, 4]
    assert found.tied.tolist() == [1] * 5
    assert found.average_precision() == pytest.approx([(1 + 2 / 3 + 3 / 5) / 3, (1 / 3 + 2 / 4) / 2])
    assert found.average_precision_above_zero()[0] == pytest.approx((1 + 2 / 3) / 2)
    assert found.map_at_r() == pytest.approx([(1 + 2 / 3) / 3, 0])
    assert found.r_precision() == pytest.approx([2 / 3, 0])
    assert found.recall(3) == pytest.approx([2 / 3, 1 / 2])
    assert found.hit(2).tolist() == [1, 0]
    assert found.first.tolist() == [1, 3]
    assert found.reciprocal_rank() == pytest.approx([1, 1 / 3])
    assert found.reciprocal_rank(2) == pytest.approx([1, 0])


@pytest.mark.parametrize("digits", [1, 12])
def test_a_few_relevant_rows_are_counted_as_they_are_sorted(monkeypatch: pytest.MonkeyPatch, digits: int) -> None:
    generator = np.random.default_rng(0)
    scores = np.round(generator.normal(size=(30, 50)), digits)
    relevant = generator.random((30, 50)) < 0.06
    relevant[:, 7] = True
    monkeypatch.setattr(_ranking, "_FEW", 100)
    counted = _ranking.relevant_ranks(scores, relevant)
    monkeypatch.setattr(_ranking, "_FEW", 0)
    by_sorting = _ranking.relevant_ranks(scores, relevant)
    for name in ("above", "tied", "offsets", "scores"):
        assert np.array_equal(getattr(counted, name), getattr(by_sorting, name)), name


def test_the_expectations_of_a_random_order_are_those_of_all_orders() -> None:
    relevant = np.array([True, True, False, False, False])
    orders = np.array([relevant[list(order)] for order in permutations(range(5))])
    scores = np.broadcast_to(-np.arange(5.0), orders.shape)
    found = dense.relevant_ranks(scores, orders)
    assert random_map_at_r(np.array([2]), 6)[0] == pytest.approx(found.map_at_r().mean())
    for depth in (1, 2, 4, 5, 9):
        assert random_hit_rate(np.array([2]), 5, depth)[0] == pytest.approx(found.hit(depth).mean())


MEASURES = {
    "hit 1": lambda ranks: ranks.hit(1),
    "hit 3": lambda ranks: ranks.hit(3),
    "recall 2": lambda ranks: ranks.recall(2),
    "r_precision": lambda ranks: ranks.r_precision(),
    "r_precision 2": lambda ranks: ranks.r_precision(2),
    "map_at_r": lambda ranks: ranks.map_at_r(),
    "map_at_r 2": lambda ranks: ranks.map_at_r(2),
    "average_precision": lambda ranks: ranks.average_precision(),
    "average_precision 3": lambda ranks: ranks.average_precision(3),
    "average_precision_above_zero": lambda ranks: ranks.average_precision_above_zero(),
    "reciprocal_rank": lambda ranks: ranks.reciprocal_rank(),
    "reciprocal_rank 2": lambda ranks: ranks.reciprocal_rank(2),
    "first": lambda ranks: ranks.first,
}


@pytest.mark.parametrize("few", [0, 100])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_of_tied_scores_a_measure_is_its_mean_over_all_orders(few: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.integers(-1, 2, size=5).astype(np.float64)
    relevant = draw.random(5) < 0.5
    relevant[draw.integers(5)] = True
    # The order of the columns breaks ties; sums of cosines round each a little differently.
    orders = np.array([scores - 1e-6 * np.array(order) for order in permutations(range(5))])
    broken = _ranking.relevant_ranks(orders, np.broadcast_to(relevant, orders.shape))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_ranking, "_FEW", few)
        tied = _ranking.relevant_ranks(scores[None] + 1e-15 * draw.normal(size=(1, 5)), relevant[None])
    for name, measure in MEASURES.items():
        if name == "average_precision_above_zero":
            # Scores of 0 are not above it, those that break ties are.
            broken = _ranking.relevant_ranks(orders + 0.5, np.broadcast_to(relevant, orders.shape))
            tied = _ranking.relevant_ranks(scores[None] + 0.5, relevant[None])
        assert measure(tied)[0] == pytest.approx(measure(broken).mean(), abs=1e-9), name


def copies(order: np.ndarray, n: int = 60) -> EmbeddingSet:
    """Return queries of which three each share a document, twice a copy of it, and no id says so."""
    draw = np.random.default_rng(0)
    documents = draw.normal(size=(n // 3, 6))[np.arange(n) // 3]
    queries = documents + 0.8 * draw.normal(size=(n, 6))
    label = np.arange(n) % 4
    views = {"query": queries[order], "document": documents[order]}
    return EmbeddingSet.from_arrays(views, metadata={"label": label[order]}, roles={"label": "label"})


@pytest.mark.parametrize("name", ["cross_view_retrieval", "label_retrieval", "modality_gap"])
@pytest.mark.parametrize("view", [1, 2])
def test_copies_of_documents_may_stand_in_any_order(name: str, view: int) -> None:
    params = {"view": view} if name == "label_retrieval" else {}
    expected = cl_viz.diagnose(name, copies(np.arange(60)), **params)
    by_draw = ("separability",)
    for seed in range(3):
        found = cl_viz.diagnose(name, copies(np.random.default_rng(seed).permutation(60)), **params)
        for quantity in found.quantities:
            if not quantity.startswith(by_draw):
                value = expected.quantities[quantity].value
                assert found.quantities[quantity].value == (None if value is None else pytest.approx(value, rel=1e-6))


def test_queries_that_share_a_document_hit_a_third_of_it_each() -> None:
    rows = sphere(20, 8)
    found = ask(
        "cross_view_retrieval",
        EmbeddingSet.from_arrays({"q": np.repeat(rows, 3, axis=0), "d": np.repeat(rows, 3, axis=0)}),
    )
    assert found["recall_at_1_there"].value == pytest.approx(1 / 3)
    assert found["recall_at_5_there"].value == pytest.approx(1)
    assert found["median_rank_there"].value == pytest.approx(2)


@pytest.mark.parametrize("rows_used", ["unit", "stored"])
def test_separation_is_its_dense_twin(example: EmbeddingSet, rows_used: str) -> None:
    rows, codes, _ = parts(example)
    found = ask("class_separation", example, rows=rows_used)
    cosine = dense.silhouette(rows, codes, "cosine")
    assert found["silhouette_cosine"].value == pytest.approx(cosine.mean(), rel=1e-10)
    assert found["negative_share"].value == pytest.approx((cosine < 0).mean())
    rows = unit(rows) if rows_used == "unit" else rows
    assert found["silhouette_euclidean"].value == pytest.approx(dense.silhouette(rows, codes, "euclidean").mean())
    assert found["davies_bouldin"].value == pytest.approx(metrics.davies_bouldin_score(rows, codes))
    assert found["davies_bouldin"].value == pytest.approx(dense.davies_bouldin(rows, codes))
    assert found["calinski_harabasz"].value == pytest.approx(metrics.calinski_harabasz_score(rows, codes))
    assert found["calinski_harabasz"].value == pytest.approx(dense.calinski_harabasz(rows, codes))


@pytest.mark.parametrize(("rows_used", "count"), [("unit", 0), ("stored", 7)])
def test_cluster_agreement_is_its_dense_twin(example: EmbeddingSet, rows_used: str, count: int) -> None:
    rows, codes, _ = parts(example)
    assigned = cluster(unit(rows) if rows_used == "unit" else rows, count or 5, 10, 3)
    found = ask("cluster_agreement", example, rows=rows_used, clusters=count, seed=3)
    assert found["nmi"].value == pytest.approx(metrics.normalized_mutual_info_score(codes, assigned))
    assert found["ami"].value == pytest.approx(metrics.adjusted_mutual_info_score(codes, assigned))
    assert found["ari"].value == pytest.approx(metrics.adjusted_rand_score(codes, assigned))


def test_retrieval_across_views_is_its_dense_twin(example: EmbeddingSet) -> None:
    first, second = parts(example)[0], parts(example, "b")[0]
    found = ask("cross_view_retrieval", example)
    for direction, ranks in (
        ("there", dense.partner_ranks(first, second)), ("back", dense.partner_ranks(second, first)),
    ):  # fmt: skip
        for depth in (1, 5, 10):
            assert found[f"recall_at_{depth}_{direction}"].value == pytest.approx(ranks.hit(depth).mean())
        assert found[f"median_rank_{direction}"].value == np.median(ranks.first)
    assert found["recall_at_5_there"].reference == pytest.approx(5 / 150)


def test_several_captions_of_an_image_hit_by_any_of_them() -> None:
    images = sphere(40, 8)
    texts = np.repeat(images, 2, axis=0) + 0.3 * np.random.default_rng(0).normal(size=(80, 8))
    pairs = np.stack([np.repeat(np.arange(40), 2), np.arange(80)], axis=1)
    found = ask("cross_view_retrieval", EmbeddingSet.from_arrays({"image": images, "text": texts}, pairs=pairs))
    scores = unit(images) @ unit(texts).T
    assert found["recall_at_1_there"].value == pytest.approx((scores.argmax(axis=1) // 2 == np.arange(40)).mean())
    assert found["recall_at_1_back"].value == pytest.approx((scores.argmax(axis=0) == np.arange(80) // 2).mean())
    assert (found["recall_at_1_there"].n, found["recall_at_1_back"].n) == (40, 80)
    assert found["recall_at_1_there"].reference == pytest.approx(2 / 80)


def test_captions_of_one_image_do_not_vote_on_each_other() -> None:
    # Every caption's twin is its nearest neighbour and has its label; all other neighbours have labels by chance.
    rows = np.repeat(sphere(60, 16), 2, axis=0) + 1e-3 * sphere(120, 16, seed=1)
    label = np.repeat(np.random.default_rng(3).integers(0, 4, 60), 2)
    pairs = np.stack([np.repeat(np.arange(60), 2), np.arange(120)], axis=1)
    texts = {"text": {"label": label}, "image": {"label": label[::2]}}
    made = EmbeddingSet.from_arrays(
        {"text": rows, "image": sphere(60, 16)}, metadata=texts, roles={"label": "label"}, pairs=pairs[:, ::-1]
    )
    assert (ask("neighbor_accuracy", made, neighbours=1)["accuracy"].value or 0) < 0.5
    alone = EmbeddingSet.from_arrays(rows, label=label)
    assert ask("neighbor_accuracy", alone, neighbours=1)["accuracy"].value == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("n", "dim"), [(60, 3), (400, 16), (300, 64), (1000, 128), (90, 200)])
def test_random_directions_are_never_bad_and_labels_are_not_read_from_them(name: str, n: int, dim: int) -> None:
    found = ask(name, paired_sphere(n, dim, 0.9, seed=n, classes=3))
    assert {finding.level for finding in found.findings} <= {"good", "watch"}
    for quantity in ("accuracy", "precision_at_1"):
        if quantity in found.quantities:
            interval = found[quantity].interval
            assert interval is not None
            # Leaving one out takes a vote from its own class: chance is a little below 1/3, never above.
            assert interval.low < 1 / 3 + 0.02
    for quantity in ("ami", "ari", "silhouette_cosine"):
        if quantity in found.quantities:
            assert -0.1 < (found[quantity].value or 0) < 0.06


def test_well_separated_clusters_are_good_by_all_of_them() -> None:
    embedding_set = clusters(200, 16, 4, 0.2)
    assert ask("cross_view_retrieval", paired_sphere(200, 16, 0.95)).level == "good"
    for name in NAMES[:-1]:
        assert (
            ask(name, embedding_set, **({"neighbours": 20} if name == "neighbor_accuracy" else {})).level == "good"
        ), name


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cluster_agreement"])
@given(seed=st.integers(0, 50))
@settings(max_examples=5, deadline=None)
def test_order_rotation_and_scale_do_not_matter(name: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    made = grouped(seed=seed)
    (first, label, group), second = parts(made), parts(made, "b")[0]
    turn = np.linalg.qr(generator.normal(size=(6, 6)))[0]
    # The parts of the cross-validation go by row, so that the probe is only turned and scaled.
    order = np.arange(150) if name == "linear_probe" else generator.permutation(150)
    scale = 7.0 if name == "linear_probe" else generator.uniform(0.1, 9, (150, 1))
    changed = EmbeddingSet.from_arrays(
        {"a": (scale * first @ turn)[order], "b": (3 * second @ turn)[order]}, label=label[order], group=group[order]
    )
    fixed = {"scaling": "unit"} if name == "linear_probe" else {}
    before, after = ask(name, made, **fixed), ask(name, changed, **fixed)
    tolerance = 0.02 if name == "linear_probe" else 1e-9
    for key, quantity in before.quantities.items():
        assert after[key].value == pytest.approx(quantity.value, rel=tolerance, abs=tolerance), key


def test_a_rare_class_that_is_lost_is_named() -> None:
    generator = np.random.default_rng(0)
    label = np.repeat(["common", "other", "rare"], [100, 100, 20])
    centres = {"common": [3, 0, 0], "other": [0, 3, 0], "rare": [3, 0, 0.3]}
    rows = np.array([centres[name] for name in label]) + 0.6 * generator.normal(size=(220, 3))
    found = ask("neighbor_accuracy", EmbeddingSet.from_arrays(rows, label=label), neighbours=20)
    message = next(finding for finding in found.findings if finding.quantity == "worst_class_recall")
    assert message.level == "watch"
    assert "rare" in message.message
    assert "N = 20" in message.message


def test_samples_are_drawn_by_class_where_there_are_many(example: EmbeddingSet) -> None:
    found = ask("label_retrieval", example, queries=30, seed=1)
    assert found["hit_rate"].n == 30
    assert found.caveats.seed == 1
    whole = ask("label_retrieval", example)
    assert whole.caveats.seed is None
    assert whole["hit_rate"].n == 150
    probe = ask("linear_probe", example, most_samples=100, folds=2)
    assert probe["accuracy"].n == 100


@pytest.mark.parametrize(("counts", "most"), [((1000, 997, 1003, 7, 1), 500), ((3,) * 40, 25), ((90, 1, 1, 1), 4)])
def test_a_draw_by_class_has_the_size_that_was_asked(counts: tuple[int, ...], most: int) -> None:
    codes = np.repeat(np.arange(len(counts)), counts)
    drawn = np.bincount(codes[probes.stratified_sample(codes, most, 0)])
    assert drawn.sum() == max(most, len(counts))
    assert drawn.min() == 1 or len(set(counts)) == 1
    assert (abs(drawn - np.array(counts) * most / len(codes)) < len(counts)).all()


def test_all_samples_of_a_small_set_are_searched_for() -> None:
    for n, expected in ((600, 600), (2500, 500)):
        made = paired_sphere(n, 4, 0.9, classes=7)
        assert ask("label_retrieval", made)["hit_rate"].n == expected
        assert ask("cross_view_retrieval", made)["recall_at_1_there"].n == expected


def test_few_neighbours_vote_in_a_small_set() -> None:
    small = clusters(80, 8, 4, 0.6)
    found, twenty = ask("neighbor_accuracy", small), ask("neighbor_accuracy", small, neighbours=20)
    assert found["accuracy"].value == twenty["accuracy"].value
    assert "The 20 nearest neighbours" in found.findings[0].message
    large = ask("neighbor_accuracy", clusters(2000, 4, 4, 0.6))
    assert "The 200 nearest neighbours" in large.findings[0].message


def test_equal_shares_have_no_lowest() -> None:
    found = ask("neighbor_accuracy", clusters(200, 16, 4, 0.1))
    message = next(finding for finding in found.findings if finding.quantity == "worst_class_recall")
    assert message.message == "All 4 classes have the same share of hits, 100 % (N = 200)."
    assert message.level == "good"
    assert found.views["recalls"].title == "The recall is the same, 100 %, for all 4"


def test_a_class_of_one_is_left_out_and_counted() -> None:
    label = np.r_[np.arange(60) % 3, 9]
    found = ask("label_retrieval", EmbeddingSet.from_arrays(sphere(61, 5), label=label))
    assert found["hit_rate"].n == 60
    assert any("too small to judge, left out: 1 (1 sample)" in note for note in found.caveats.notes)


def test_a_view_that_is_not_there_is_asked_for() -> None:
    found = ask("neighbor_accuracy", grouped(), view=3)
    assert found.level == "unknown"
    assert "1 to 2" in found.findings[0].advice
