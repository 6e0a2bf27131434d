"""Queries against brute force in float64 over the same anchors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.engine import batch_hits, candidate_points, score_grid
from cl_viz.engine.anchor_sketch import OTHER, SAME
from cl_viz.engine.batch_expectation import BatchExpectation
from cl_viz.engine.candidate_points import CandidatePoints
from cl_viz.engine.pair_sketch import PairRoles, Relation
from cl_viz.engine.queries import AnchorQueries
from cl_viz.engine.score_grid import ScoreGrid
from cl_viz.engine.score_histogram import uniformity
from cl_viz.engine.weighted_points import WeightedPoints
from cl_viz.testing import clusters, collapsed, paired_sphere, sphere
from tests.engine.comparing import entr, exact_expectation, logsumexp

TAUS = np.array([0.01, 0.02, 0.05, 0.1, 0.3, 1.0])
SETS: dict[str, Callable[[], cl_viz.EmbeddingSet]] = {
    "sphere": lambda: paired_sphere(700, 24, 0.5, classes=6),
    "spread .3": lambda: clusters(700, 24, 6, 0.3),
    "spread .05": lambda: clusters(700, 24, 6, 0.05),
    "spread .02": lambda: clusters(700, 24, 6, 0.02),
    "collapsed": lambda: collapsed(700, 24, 0.003),
}


class Brute:
    """Scores of the first view's rows against the second's, dense."""

    def __init__(self, embedding_set: cl_viz.EmbeddingSet) -> None:
        first, second = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in embedding_set.views.values())
        scores = first @ second.T
        n = len(scores)
        self.positive = scores.diagonal().copy()
        self.scores = scores[~np.eye(n, dtype=bool)].reshape(n, n - 1)
        self.codes = embedding_set.codes("label")
        if self.codes:
            same = self.codes[0][0][:, None] == self.codes[0][1][None]
            self.same = same[~np.eye(n, dtype=bool)].reshape(n, n - 1)
        self.within = first @ first.T

    def loss(self, tau: float) -> np.ndarray:
        return np.logaddexp(0, logsumexp(self.scores / tau, axis=1) - self.positive / tau)

    def penalty(self, tau: float) -> np.ndarray:
        return np.exp(self.scores / tau - logsumexp(self.scores / tau, axis=1, keepdims=True))

    def reweighted(self, tau: float, beta: float, prior: float) -> tuple[np.ndarray, np.ndarray]:
        m = self.scores.shape[1]
        shift = self.positive[:, None]
        e = np.exp((self.scores - shift) / tau)
        w = np.exp(beta * (self.scores - self.scores.max(axis=1, keepdims=True)) / tau)
        raw = (-prior * m + m * (w * e).sum(axis=1) / w.sum(axis=1)) / (1 - prior)
        least = m * np.exp((-1 - self.positive) / tau)
        return np.log1p(np.maximum(raw, least)), raw < least


@pytest.fixture(params=list(SETS), scope="module")
def case(request: pytest.FixtureRequest) -> tuple[AnchorQueries, Brute, cl_viz.EmbeddingSet]:
    embedding_set = SETS[request.param]()
    sketch = cl_viz.scan(embedding_set).anchors["view_1"]
    return AnchorQueries.of(sketch, PairRoles()), Brute(embedding_set), embedding_set


Case = tuple[AnchorQueries, Brute, cl_viz.EmbeddingSet]


def assert_close(found: float, expected: float) -> None:
    assert abs(found - expected) <= 1e-3 * max(abs(expected), 1e-2), (found, expected)


def test_every_quantity_at_every_temperature(case: Case) -> None:
    ask, brute, _ = case
    answers = {
        "loss": (ask.loss(TAUS), brute.loss),
        "npc": (ask.npc_multiplier(TAUS), lambda tau: -np.expm1(-brute.loss(tau))),
        "entropy": (ask.entropy(TAUS), lambda tau: entr(brute.penalty(tau)).sum(axis=1)),
        "effective": (ask.effective_negatives(TAUS), lambda tau: np.exp(entr(brute.penalty(tau)).sum(axis=1))),
        "ess": (ask.effective_sample_size(TAUS), lambda tau: 1 / np.square(brute.penalty(tau)).sum(axis=1)),
    }
    if brute.codes:
        answers["mass"] = (
            ask.false_negative_mass(TAUS),
            lambda tau: (brute.penalty(tau) * brute.same).sum(axis=1),
        )
    for name, (found, expected) in answers.items():
        for index, tau in enumerate(TAUS):
            values = expected(tau)
            assert found[index].shape == values.shape
            error = abs(found[index].mean() - values.mean())
            assert error <= 1e-3 * max(abs(values.mean()), 1e-2), (name, tau, error, values.mean())


@pytest.mark.parametrize("share", [0.0315, 0.0819, 0.5, 1.0])
def test_truncated_loss_keeps_the_hardest(case: Case, share: float) -> None:
    ask, brute, _ = case
    kept = int(np.ceil(share * brute.scores.shape[1] - 1e-9))
    hardest = np.sort(brute.scores, axis=1)[:, -kept:]
    for index, tau in enumerate(TAUS):
        expected = np.logaddexp(0, logsumexp(hardest / tau, axis=1) - brute.positive / tau).mean()
        assert_close(ask.truncated_loss(TAUS, share)[index].mean(), expected)


@pytest.mark.parametrize(("beta", "prior"), [(0.0, 0.0), (0.0, 0.1), (1.0, 0.0), (1.0, 0.1), (0.5, 0.02)])
def test_reweighted_and_debiased_loss(case: Case, beta: float, prior: float) -> None:
    ask, brute, _ = case
    loss, clamped = ask.reweighted_loss(TAUS, beta, prior)
    for index, tau in enumerate(TAUS):
        expected, expected_clamped = brute.reweighted(tau, beta, prior)
        assert abs(loss[index].mean() - expected.mean()) <= 1e-3 * max(expected.mean(), 1e-2), (tau, beta, prior)
        assert abs(clamped[index].mean() - expected_clamped.mean()) <= 3e-3
    if beta == prior == 0:
        np.testing.assert_allclose(loss, ask.loss(TAUS), rtol=1e-5)


def test_uniformity(case: Case) -> None:
    _, brute, embedding_set = case
    pairs = cl_viz.scan(embedding_set, anchors=0).pairs
    where = [index for index, block in enumerate(pairs.blocks) if block == ("view_1", "view_1")]
    assert where == [0]
    single = cl_viz.EmbeddingSet.from_arrays(embedding_set.views["view_1"])
    histogram = cl_viz.scan(single, anchors=0).pairs.histogram(list(Relation))
    upper = brute.within[np.triu_indices(len(brute.within), 1)]
    t = np.array([0.5, 2.0, 10.0])
    for value, found in zip(t, uniformity([histogram], t), strict=True):
        assert_close(found, logsumexp(value * (2 * upper - 2)) - np.log(len(upper)))


@pytest.mark.parametrize("size", [1, 31, 255, 699])
def test_batch_loss_is_that_of_drawn_batches(case: Case, size: int) -> None:
    ask, brute, _ = case
    taus = np.array([0.05, 0.5])
    found, multiplier = ask.batch_loss(taus, size), ask.batch_npc_multiplier(taus, size)
    generator = np.random.default_rng(5)
    draws = 12 if size < 699 else 1
    deviation = ask.batch_npc_deviation(taus, size)
    spread = np.empty((draws, 2, len(brute.scores)))
    expected = np.empty((draws, 2, 2))
    for draw in range(draws):
        keys = generator.random(brute.scores.shape)
        chosen = np.take_along_axis(brute.scores, np.argpartition(keys, size - 1, axis=1)[:, :size], axis=1)
        for index, tau in enumerate(taus):
            loss = np.logaddexp(0, logsumexp(chosen / tau, axis=1) - brute.positive / tau)
            expected[draw, :, index] = loss.mean(), -np.expm1(-loss).mean()
            spread[draw, index] = -np.expm1(-loss)
    error = 3 * expected.std(axis=0) / np.sqrt(max(1, draws - 1))
    for answer, mean, reach in zip((found, multiplier), expected.mean(axis=0), error, strict=True):
        assert (np.abs(answer.mean(axis=1) - mean) <= reach + 1e-3 * np.maximum(mean, 1e-2)).all()
    if size < 699:
        # Each anchor's variance from a dozen batches is rough, that of all anchors together is not.
        drawn = spread.var(axis=0, ddof=1)
        reach = 3 * drawn.std(axis=1) / np.sqrt(drawn.shape[1])
        assert (np.abs((deviation**2).mean(axis=1) - drawn.mean(axis=1)) <= reach + 5e-6).all()
    mean_field = ask.mean_field_batch_loss(taus, size)
    assert (mean_field >= found.mean(axis=1) - 1e-3 * mean_field).all()
    if size == 699:
        np.testing.assert_allclose(mean_field, ask.loss(taus).mean(axis=1), rtol=1e-9)
        np.testing.assert_array_equal(found, ask.loss(taus))
        np.testing.assert_array_equal(multiplier, ask.npc_multiplier(taus))
        np.testing.assert_array_equal(deviation, 0)


@pytest.mark.parametrize("n_drawn", [1, 4, 25, 55])
@pytest.mark.parametrize("name", ["paired", "clusters", "collapsed"])
def test_expected_loss_of_every_positive_is_exact(name: str, n_drawn: int) -> None:
    made = {
        "paired": lambda: paired_sphere(60, 24, 0.5),
        "clusters": lambda: clusters(60, 24, 6, 0.05),
        "collapsed": lambda: collapsed(60, 24, 0.003),
    }
    embedding_set = made[name]()
    brute = Brute(embedding_set)
    ask = AnchorQueries.of(cl_viz.scan(embedding_set, cache=False).anchors["view_1"], PairRoles())
    for tau in (0.01, 0.05, 1.0):
        loss, multiplier, _ = exact_expectation((brute.scores - brute.positive[:, None]) / tau, n_drawn)
        np.testing.assert_allclose(ask.batch_loss([tau], n_drawn)[0], loss, rtol=1e-3, atol=5e-4)
        assert_close(ask.batch_loss([tau], n_drawn).mean(), loss.mean())
        assert_close(ask.batch_npc_multiplier([tau], n_drawn).mean(), multiplier.mean())


def log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


@pytest.mark.parametrize("n_drawn", [31, 4000])
def test_expected_loss_among_many_negatives_is_exact(n_drawn: int) -> None:
    """300 of 30,000 negatives score high: how many of them a batch holds has a law that is known."""
    counts, scores, positive = np.array([29_700, 300]), np.array([0.1, 0.6]), 0.5
    points = WeightedPoints(
        np.array([0, 2]),
        (scores - 0.6).astype(np.float32),
        counts.astype(np.float32),
        np.zeros(2, dtype=np.float32),
        np.zeros(2, dtype=np.bool_),
        np.zeros(2, dtype=np.bool_),
        np.array([0.6]),
    )
    grid = ScoreGrid.of(points)
    high = np.arange(min(n_drawn, 300) + 1)
    ways = [log_choose(300, k) + log_choose(29_700, n_drawn - k) - log_choose(30_000, n_drawn) for k in high]
    chance = np.exp(ways)
    for tau in (0.01, 0.05, 0.3, 1.0):
        law = BatchExpectation.of(grid, tau, n_drawn, 30_000, np.array([positive]))
        weights = np.exp((scores - positive) / tau)
        total = high * weights[1] + (n_drawn - high) * weights[0]
        asked = np.array([positive / tau]), np.zeros(1, dtype=np.int64)
        assert_close(float(law.loss(*asked)[0]), float(chance @ np.log1p(total)))
        share = total / (1 + total)
        assert_close(float(law.multiplier(*asked)[0]), float(chance @ share))
        variance = float(chance @ share**2 - (chance @ share) ** 2)
        of_shares = BatchExpectation.of(grid, tau, n_drawn, 30_000, *np.array([[positive], [positive]]))
        assert_close(float(of_shares.multiplier(*asked)[0]), float(chance @ share))
        mean, found = of_shares.multiplier_and_variance(*asked)[:, 0].tolist()
        assert mean == pytest.approx(float(of_shares.multiplier(*asked)[0]))
        assert found == pytest.approx(variance, rel=2e-3, abs=2e-7), (tau, found, variance)


def test_questions_about_batches_are_answered_for_each_anchor(case: Case) -> None:
    """For a few anchors among many, whose positives lie far apart; 31 of 699, so that squares of chances matter."""
    ask, brute, _ = case
    chosen = np.argsort(brute.positive)[::50]
    for tau in (0.01, 0.05, 0.3):
        exact = exact_expectation((brute.scores[chosen] - brute.positive[chosen, None]) / tau, 31)
        answers = ask.batch_loss([tau], 31), ask.batch_npc_multiplier([tau], 31), ask.batch_npc_deviation([tau], 31)
        for found, expected in zip(answers, (*exact[:2], np.sqrt(exact[2])), strict=True):
            np.testing.assert_allclose(found[0, chosen], expected, rtol=1e-3, atol=2e-4)
            # A deviation below 1e-4 is lost in single precision.
            assert found[0, chosen].mean() == pytest.approx(expected.mean(), rel=1e-3, abs=5e-5)


@pytest.mark.parametrize("n_drawn", [31, 650])
@pytest.mark.parametrize("at_once", [1, 5, 1000])
def test_anchors_are_answered_alike_however_many_nodes_are_looked_at_together(
    n_drawn: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketch = cl_viz.scan(paired_sphere(700, 24, 0.5), cache=False).anchors["view_1"]
    ask = AnchorQueries.of(sketch, PairRoles())
    questions = ask.batch_loss, ask.batch_npc_multiplier, ask.batch_npc_deviation
    together = [question([0.01, 0.2], n_drawn) for question in questions]
    monkeypatch.setattr(batch_hits, "_NODES_AT_ONCE", at_once)
    for question, expected in zip(questions, together, strict=True):
        np.testing.assert_allclose(question([0.01, 0.2], n_drawn), expected, rtol=2e-3, atol=5e-5)


@pytest.mark.parametrize("tau", [0.01, 0.2])
def test_anchors_are_answered_alike_in_whatever_order_their_rows_stand(tau: float) -> None:
    """Each anchor has two positives, far apart; every third anchor is asked about none."""
    sketch = cl_viz.scan(paired_sphere(300, 24, 0.5), cache=False).anchors["view_1"]
    points = CandidatePoints.kept(sketch, PairRoles()).every
    generator = np.random.default_rng(0)
    orders = None, np.arange(300)[::-1], generator.permutation(300)
    positives = np.sort(generator.uniform(-0.9, 0.9, (2, 300)), axis=0)
    asked = np.flatnonzero(np.arange(300) % 3)
    lowest, highest = np.full(300, np.inf), np.full(300, -np.inf)
    lowest[asked], highest[asked] = positives[:, asked]
    found = []
    for order in orders:
        grid = ScoreGrid.of(points, order=order).for_steps(1 / tau)
        laws = [BatchExpectation.of(grid, tau, 31, 299, lowest, ends) for ends in (None, highest)]
        answers = [
            (laws[0].loss(values / tau, asked), laws[1].multiplier_and_variance(values / tau, asked))
            for values in positives[:, asked]
        ]
        found.append(np.concatenate([np.vstack(both) for both in answers]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("concentration", [0.0, 0.1, 5.0])
def test_reweighted_loss_at_very_low_temperatures(case: Case, concentration: float) -> None:
    """Below 0.005 one factor is looked up among the points near the largest, and the other needs far ones too."""
    ask, brute, _ = case
    for tau in (0.002, 0.004):
        found = ask.reweighted_loss([tau], concentration, 0.0)[0]
        assert_close(found.mean(), brute.reweighted(tau, concentration, 0.0)[0].mean())


def test_a_grid_of_fewer_points_says_the_same() -> None:
    sketch = cl_viz.scan(clusters(400, 12, 4, 0.3), cache=False).anchors["view_1"]
    fine = AnchorQueries.of(sketch, PairRoles()).grid
    for coarse in (fine.halved, fine.halved.halved):
        np.testing.assert_allclose(coarse.weights.sum(dim=1), fine.weights.sum(dim=1), rtol=1e-5)
        for power in (1, 2, 3):
            moments = [grid.weights.double() @ torch.from_numpy(grid.scores) ** power for grid in (coarse, fine)]
            np.testing.assert_allclose(*moments, rtol=1e-4, atol=1e-3)
        place, above = coarse.from_above(17)
        np.testing.assert_allclose(above, coarse.weights[:, place:].sum(dim=1), atol=1e-3)
        for factor in (1.0, 10.0):
            np.testing.assert_allclose(coarse.log_mass(factor), fine.log_mass(factor), atol=1e-5)
    assert fine.for_steps(500.0) is fine
    assert fine.for_steps(2.0).scores.size < fine.scores.size / 16


def test_expected_loss_of_anchors_with_unlike_numbers_of_negatives() -> None:
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(2, 80, 16)) + 0.5
    # The first rows have three partners each, others two, so fewer negatives than the rest.
    links = np.array(
        [[row, (row + step) % 80] for row in range(80) for step in range(3 if row < 10 else 2 if row < 20 else 1)]
    )
    embedding_set = cl_viz.EmbeddingSet.from_arrays({"a": first, "b": second}, pairs=links)
    ask = AnchorQueries.of(cl_viz.scan(embedding_set, cache=False).anchors["a"], PairRoles())
    assert sorted(set(ask.n_negatives)) == [77, 78, 79]
    unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (first, second)]
    scores = unit[0] @ unit[1].T
    found, owner = ask.batch_loss([0.1], 40)[0], ask.sketch.anchor_of_positive()
    for row in (0, 15, 40):
        others = np.delete(scores[row], links[links[:, 0] == row, 1])
        expected = exact_expectation((others[None] - scores[row, row]) / 0.1, 40)[0]
        assert np.abs(found[owner == row] - expected).min() <= 4e-4, row
    with_all = ask.batch_loss([0.1], 77)[0]
    np.testing.assert_array_equal(with_all[owner == 0], ask.loss([0.1])[0, owner == 0])


def test_arrays_of_parameters_are_answered_along_a_second_axis() -> None:
    statistics = cl_viz.scan(clusters(120, 12, 4, 0.3), cache=False)
    ask, taus = statistics.ask("view_2", negatives="all"), [0.1, 0.5]
    sizes, shares, betas, priors = [1, 31, 500], [0.1, 1.0], [0.0, 1.0, 2.0], [0.0, 0.1, 0.2]
    for question in (ask.batch_loss, ask.batch_npc_multiplier, ask.batch_npc_deviation, ask.mean_field_batch_loss):
        found = question(taus, sizes)
        for place, size in enumerate(sizes):
            np.testing.assert_array_equal(found[:, place], question(taus, size))
    assert ask.batch_loss(taus, sizes).shape == (2, 3, 120)
    mean, deviation = ask.batch_npc_moments(taus, sizes)
    np.testing.assert_allclose(mean, ask.batch_npc_multiplier(taus, sizes), rtol=1e-6)
    np.testing.assert_array_equal(deviation, ask.batch_npc_deviation(taus, sizes))
    truncated = ask.truncated_loss(taus, shares)
    np.testing.assert_allclose(truncated[:, 1], ask.loss(taus), rtol=1e-4)
    loss, clamped = ask.reweighted_loss(taus, betas, priors)
    one = ask.reweighted_loss(taus, 1.0, 0.1)
    np.testing.assert_array_equal(loss[:, 1], one[0])
    np.testing.assert_array_equal(clamped[:, 1], one[1])
    np.testing.assert_array_equal(ask.reweighted_loss(taus, 1.0, priors)[0][:, 1], one[0])


def test_weights_of_single_negatives() -> None:
    embedding_set = clusters(120, 12, 4, 0.3)
    brute = Brute(embedding_set)
    ask = cl_viz.scan(embedding_set, cache=False).ask()
    scores = np.sort(brute.scores[7])[::20]
    penalty = ask.relative_penalty([0.1, 0.5], scores)
    assert penalty.shape == (2, len(scores), 120)
    for place, tau in enumerate((0.1, 0.5)):
        expected = np.exp(scores / tau) / np.exp(brute.scores[7] / tau).sum()
        np.testing.assert_allclose(penalty[place, :, 7], expected, rtol=1e-3)
    np.testing.assert_allclose(ask.hard_negative_weight([0.2], 2.0, scores), 119 * penalty[:1], rtol=1e-9)
    np.testing.assert_array_equal(ask.hard_negative_weight([0.2], 0.0, scores), 1)


def test_an_anchor_without_negatives_has_no_weights_and_no_loss() -> None:
    generator = np.random.default_rng(2)
    links = np.array([[0, 0], [0, 1], [0, 2], [1, 1], [2, 2]])
    first, second = generator.normal(size=(2, 3, 4))
    ask = cl_viz.scan(cl_viz.EmbeddingSet.from_arrays({"a": first, "b": second}, pairs=links), cache=False).ask()
    np.testing.assert_array_equal(ask.n_negatives, [0, 2, 2])
    for weights in (ask.relative_penalty([0.1], [0.0]), ask.hard_negative_weight([0.1], 1.0, [0.0])):
        np.testing.assert_array_equal(np.isnan(weights[0, 0]), [True, False, False])
    np.testing.assert_array_equal(np.isnan(ask.hard_negative_weight([0.1], 0.0, [0.0])[0, 0]), [True, False, False])
    of_first = ask.sketch.anchor_of_positive() == 0
    for loss in (ask.loss([0.1]), ask.batch_loss([0.1], 1), ask.reweighted_loss([0.1], 1.0, 0.1)[0]):
        np.testing.assert_array_equal(loss[0, of_first], 0)
    # No negative scores as high: no error, whatever the temperature.
    assert np.isposinf(ask.relative_penalty([1e-4], [1.0])[0, 0, 1:]).any()
    size = ask.effective_sample_size([1e-3, 100.0])[:, 1:]
    assert ((size >= 1) & (size <= 2)).all()


def test_false_negatives_are_unknown_without_labels() -> None:
    without = cl_viz.scan(paired_sphere(20, 4, 0.5), cache=False).ask()
    assert np.isnan(without.false_negative_mass([0.1, 1.0])).all()
    by_label = cl_viz.scan(clusters(50, 8, 3, 0.3), cache=False).ask(positives="labels")
    assert np.isnan(by_label.false_negative_mass([0.1])).all()
    with pytest.raises(MissingInputError, match="second view"):
        cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(20, 4)), cache=False).ask().mean_field_batch_loss([0.1], 5)


def test_uniformity_of_each_view_and_anchors_that_are_not_there() -> None:
    embedding_set = clusters(120, 12, 4, 0.3)
    statistics = cl_viz.scan(embedding_set, cache=False, anchors=0)
    upper = Brute(embedding_set).within[np.triu_indices(120, 1)]
    expected = [logsumexp(t * (2 * upper - 2)) - np.log(len(upper)) for t in (0.5, 2.0)]
    np.testing.assert_allclose(statistics.uniformity([0.5, 2.0])["view_1"], expected, rtol=1e-4)
    with pytest.raises(InputError, match="no anchors"):
        statistics.ask()
    with pytest.raises(InputError, match="view_1, view_2"):
        cl_viz.scan(embedding_set, cache=False).ask("view_3")


def test_negatives_of_both_views_are_asked_together() -> None:
    embedding_set = clusters(200, 12, 4, 0.3)
    first, second = (a / np.linalg.norm(a, axis=1, keepdims=True) for a in embedding_set.views.values())
    scores = np.concatenate([first @ first.T, first @ second.T], axis=1)
    scores[np.tile(np.eye(200, dtype=bool), 2)] = -np.inf
    ask = AnchorQueries.of(cl_viz.scan(embedding_set).anchors["view_1"], PairRoles("views", "all"))
    np.testing.assert_array_equal(ask.n_negatives, 398)
    np.testing.assert_allclose(ask.log_sum_exp([0.1])[0], logsumexp(scores / 0.1, axis=1), atol=1e-4)


def test_questions_out_of_range_are_refused() -> None:
    sketch = cl_viz.scan(clusters(50, 8, 3, 0.3)).anchors["view_1"]
    ask = AnchorQueries.of(sketch, PairRoles())
    with pytest.raises(InputError, match="above 0"):
        ask.loss([0.1, 0.0])
    with pytest.raises(InputError, match="up to 1"):
        ask.truncated_loss([0.1], 1.5)
    with pytest.raises(InputError, match="prior"):
        ask.reweighted_loss([0.1], 0.0, 1.0)
    with pytest.raises(InputError, match="1 or more"):
        ask.batch_loss([0.1], 0)
    single = cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(sphere(20, 4)))
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: ask.loss("warm"), "temperatures = 'warm'"),
        (lambda: ask.batch_loss([0.1], np.inf), "n_negatives = inf"),
        (lambda: ask.batch_loss([0.1], []), "one axis of numbers"),
        (lambda: ask.reweighted_loss([0.1], [], 0.1), "one axis of numbers"),
        (lambda: ask.reweighted_loss([0.1], [[1.0]], 0.1), "one axis of numbers"),
        (lambda: ask.reweighted_loss([0.1], np.inf, 0.1), "concentration = inf"),
        (lambda: ask.reweighted_loss([0.1], [1.0, 2.0], [0.1, 0.2, 0.3]), "as many of both"),
        (lambda: ask.hard_negative_weight([0.1], [1.0, 2.0], [0.5]), "one number"),  # type: ignore[arg-type]
        (lambda: ask.relative_penalty([0.1], [1.5]), "-1 to 1"),
        (lambda: single.uniformity(-1), "uniformity: t = -1"),
        (lambda: single.ask(negatives="both"), "'cross' or 'all'"),  # type: ignore[arg-type]
    ]
    for question, told in refused:
        with pytest.raises(InputError, match=told):
            question()
    with pytest.raises(MissingInputError, match="label"):
        AnchorQueries.of(cl_viz.scan(paired_sphere(20, 4, 0.5)).anchors["view_1"], PairRoles("labels"))
    with pytest.raises(InputError, match="labels"):
        ask.supcon_out_loss([0.1])


@pytest.mark.parametrize("side", [SAME, OTHER])
def test_points_of_one_side_that_are_known_exactly_are_single_candidates(side: int) -> None:
    sketch = cl_viz.scan(SETS["sphere"](), anchors=20).anchors["view_1"]
    points = CandidatePoints.of(sketch, PairRoles("labels"), side=side).every
    assert points.single.any()
    assert (points.own == (side == SAME)).all()
    np.testing.assert_array_equal(points.counts[points.single], 1)
    np.testing.assert_array_equal(points.variance[points.single], 0)


@pytest.mark.parametrize("roles", [PairRoles(negatives="all"), PairRoles("labels")])
def test_points_and_grid_are_the_same_however_many_anchors_are_made_at_once(
    roles: PairRoles, monkeypatch: pytest.MonkeyPatch
) -> None:
    sketch = cl_viz.scan(paired_sphere(300, 24, 0.5, classes=6), cache=False).anchors["view_1"]
    order = np.argsort(sketch.positives)
    sides = (None,) if roles.positives == "views" else (SAME, OTHER)

    def made(at_once: int) -> list[WeightedPoints | ScoreGrid]:
        monkeypatch.setattr(candidate_points, "_BAND", at_once)
        monkeypatch.setattr(score_grid, "_ANCHORS_AT_ONCE", at_once)
        points = [CandidatePoints.of(sketch, roles, side=side).every for side in sides]
        return [*points, *(ScoreGrid.of(part, own=own, order=order) for part in points for own in (False, True))]

    for few, every in zip(made(7), made(300), strict=True):
        for name in (spec.name for spec in dataclasses.fields(every)):
            np.testing.assert_array_equal(np.asarray(getattr(few, name)), np.asarray(getattr(every, name)), name)


@pytest.mark.parametrize("negatives", ["cross", "all"])
@pytest.mark.parametrize("name", ["sphere", "spread .3", "spread .05", "spread .02"])
def test_label_positives_have_the_loss_with_the_mean_outside(name: str, negatives: Literal["cross", "all"]) -> None:
    embedding_set = SETS[name]()
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in embedding_set.views.values()]
    codes = embedding_set.codes("label")[0]
    n = len(unit[0])
    scores, same = unit[0] @ unit[1].T, codes[0][:, None] == codes[1][None]
    if negatives == "all":
        within = unit[0] @ unit[0].T
        np.fill_diagonal(within, -np.inf)
        scores = np.concatenate([within, scores], axis=1)
        same = np.concatenate([(codes[0][:, None] == codes[0][None]) & ~np.eye(n, dtype=bool), same], axis=1)
    ask = AnchorQueries.of(cl_viz.scan(embedding_set).anchors["view_1"], PairRoles("labels", negatives))
    found = ask.supcon_out_loss(TAUS)
    np.testing.assert_array_equal(ask.n_negatives, (~same).sum(axis=1) - (negatives == "all"))
    for index, tau in enumerate(TAUS):
        log_p = scores / tau - logsumexp(scores / tau, axis=1, keepdims=True)
        expected = -np.where(same, log_p, 0.0).sum(axis=1) / same.sum(axis=1)
        assert_close(found[index].mean(), expected.mean())
    with pytest.raises(InputError, match="supcon_out_loss"):
        ask.loss([0.1])


def test_an_anchor_alone_with_its_label_has_no_such_loss() -> None:
    labels = np.array([0, *[1] * 20, *[2] * 20])
    embedding_set = cl_viz.EmbeddingSet.from_arrays(sphere(41, 8), label=labels)
    ask = AnchorQueries.of(cl_viz.scan(embedding_set).anchors["view_1"], PairRoles("labels"))
    np.testing.assert_array_equal(np.isnan(ask.supcon_out_loss([0.1])[0]), np.arange(41) == 0)
