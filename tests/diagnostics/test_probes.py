"""Votes of neighbours and linear probes: their definitions, splits, and what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.diagnostics._groups import probes
from cl_viz.testing import clusters, sphere


def blobs(n: int = 120, classes: int = 4, spread: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    found = clusters(n, 8, classes, spread)
    return np.asarray(found.views["view_1"], dtype=np.float64), np.asarray(found.role("label"))


def test_a_vote_is_the_sum_of_weights_of_each_code() -> None:
    codes = np.array([[0, 1, 1, 2], [2, 2, 0, 0], [1, -1, -1, 0]])
    scores = np.array([[0.9, 0.8, 0.79, 0.1], [0.5, 0.5, 0.5, 0.5], [0.3, 0.29, 0.28, 0.2]])
    assert probes.vote(codes, scores, 3, 4, None).tolist() == [1, 0, 0]
    for k, temperature in ((1, 0.1), (2, 0.05), (4, 0.1), (4, 0.01)):
        for row, found in enumerate(probes.vote(codes, scores, 3, k, temperature)):
            known = [(code, score) for code, score in zip(codes[row], scores[row], strict=True) if code >= 0][:k]
            sums = [sum(np.exp(s / temperature) for c, s in known if c == code) for code in range(3)]
            assert found == int(np.argmax(np.round(sums, 12)))


def test_entries_without_a_value_take_no_place_and_none_at_all_is_no_vote() -> None:
    codes = np.array([[-1, -1, 1, 0], [-1, -1, -1, -1]])
    assert probes.vote(codes, np.ones((2, 4)), 2, 1, 0.1).tolist() == [1, -1]


@given(seed=st.integers(0, 1000), shift=st.floats(-3, 3))
@settings(max_examples=25, deadline=None)
def test_a_vote_depends_on_differences_of_scores_only(seed: int, shift: float) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 3, (20, 9))
    scores = -np.sort(-generator.uniform(-1, 1, (20, 9)), axis=1)
    assert np.array_equal(probes.vote(codes, scores, 3, 7, 0.1), probes.vote(codes, scores + shift, 3, 7, 0.1))


@pytest.mark.parametrize("temperature", [None, 0.2])
def test_votes_of_several_counts_are_those_of_each(temperature: float | None) -> None:
    generator = np.random.default_rng(0)
    codes, scores = generator.integers(-1, 4, (60, 12)), -np.sort(-generator.uniform(size=(60, 12)), axis=1)
    codes[7] = -1
    counts = [1, 2, 5, 12]
    every = probes.votes_by_count(codes, scores, 4, counts, temperature)
    assert [found.tolist() for found in every] == [
        probes.vote(codes, scores, 4, k, temperature).tolist() for k in counts
    ]
    assert (every[:, 7] == -1).all()
    assert len({tuple(found) for found in every.tolist()}) > 2


def test_many_classes_are_voted_on_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    codes, scores = generator.integers(-1, 50, (40, 11)), generator.uniform(size=(40, 11))
    whole = probes.vote(codes, scores, 50, 5, 0.2)
    monkeypatch.setattr(probes, "_BLOCK_VOTES", 200)
    assert np.array_equal(probes.vote(codes, scores, 50, 5, 0.2), whole)


def test_folds_and_splits_keep_the_share_of_every_class_and_the_seed() -> None:
    codes = np.repeat([0, 1, 2], [50, 30, 10])
    fold = probes.stratified_folds(codes, 5, seed=3)
    assert [np.bincount(fold[codes == code]).tolist() for code in range(3)] == [[10] * 5, [6] * 5, [2] * 5]
    assert np.array_equal(fold, probes.stratified_folds(codes, 5, seed=3))
    assert not np.array_equal(fold, probes.stratified_folds(codes, 5, seed=4))
    train, test = probes.stratified_split(codes, 0.2, seed=0)
    assert sorted([*train, *test]) == list(range(90))
    assert np.bincount(codes[test]).tolist() == [10, 6, 2]
    kept = probes.stratified_sample(codes, 45, seed=0)
    assert np.bincount(codes[kept]).tolist() == [25, 15, 5]
    assert probes.stratified_sample(codes, 90, seed=0).tolist() == list(range(90))
    assert probes.classes_of_size(np.array([0, 0, 1, -1, -1, -1]), 2).tolist() == [
        True,
        True,
        False,
        False,
        False,
        False,
    ]


def test_a_probe_reads_what_is_linear_and_chance_from_what_is_not_there() -> None:
    rows, codes = blobs()
    assert (probes.predict_in_folds(rows, codes).predicted == codes).mean() > 0.97
    noise = sphere(400, 8)
    guessed = probes.predict_in_folds(noise, np.arange(400) % 4).predicted
    assert abs((guessed == np.arange(400) % 4).mean() - 0.25) < 0.09


def test_a_probe_never_sees_the_rows_it_is_judged_on() -> None:
    rows, codes = sphere(60, 64), np.random.default_rng(1).integers(0, 2, 60)
    assert (probes.fit_probe(rows, codes, regularisation=1e4).predict(rows) == codes).all()
    held_out = probes.predict_in_folds(rows, codes, regularisation=1e4)
    assert (held_out.predicted == codes).mean() < 0.75
    assert np.bincount(held_out.fold).tolist() == [12] * 5


@pytest.mark.parametrize("scaling", ["standardised", "unit"])
def test_scale_of_rows_or_columns_does_not_matter_where_it_is_taken_out(scaling: str) -> None:
    rows, codes = blobs(spread=1.5)
    scale = np.linspace(0.1, 9, 8)[None] if scaling == "standardised" else np.linspace(0.1, 9, 120)[:, None]
    found = []
    for array in (rows, rows * scale):
        embedding_set = EmbeddingSet.from_arrays({"a": array})
        made = probes.probe_rows(embedding_set, "a", np.arange(120), scaling)  # type: ignore[arg-type]
        found.append(probes.predict_in_folds(made, codes, scaling=scaling).predicted)  # type: ignore[arg-type]
    assert (found[0] == found[1]).mean() > 0.99


def test_a_fit_that_stops_early_says_so() -> None:
    rows, codes = blobs(spread=2.0)
    assert not probes.fit_probe(rows, codes, regularisation=1e6, most_iterations=1).converged
    assert probes.fit_probe(rows, codes).converged


def test_predictions_in_folds_hit_what_those_of_scikit_learn_hit() -> None:
    generator = np.random.default_rng(2)
    codes, rows = np.arange(120) % 2, generator.normal(size=(120, 40))
    rows[:, 0] += 1.5 * codes
    folds, shares = StratifiedKFold(3, shuffle=True, random_state=5), []
    for c in (1000.0, 0.01, 0.0001):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
        shares.append(float(cross_val_score(pipeline, rows, codes, cv=folds).mean()))
        found = probes.predict_in_folds(rows, codes, folds=3, seed=5, regularisation=c, scaling="standardised")
        assert (found.predicted == codes).mean() == pytest.approx(shares[-1])
    assert len(set(shares)) == 3


def test_counts_of_classes_and_groups_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    codes, predicted = generator.integers(0, 4, 200), generator.integers(0, 4, 200)
    assert probes.balanced_accuracy(codes, predicted) == pytest.approx(balanced_accuracy_score(codes, predicted))
    assert np.array_equal(probes.confusion(codes, predicted, 4), confusion_matrix(codes, predicted))
    groups = np.where(generator.random(200) < 0.1, -1, codes)
    counts = probes.group_counts(codes == predicted, groups, 5)
    assert counts.counts.sum() == (groups >= 0).sum()
    assert np.isnan(counts.shares[4])
    assert counts.shares[2] == pytest.approx((predicted[groups == 2] == 2).mean())
