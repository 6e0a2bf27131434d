"""Feature transformation: the same numbers as the losses that use it, and what its definitions promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.specs import LossInputs
from cl_viz.diagnostics._scores.feature_mixing import Queries, Scores, mixed_scores, plain_scores, transformed_positives
from cl_viz.diagnostics.feature_transformation import FeatureTransformationParams, transform
from cl_viz.losses import losses
from cl_viz.testing import clusters, paired_sphere

UNMIXED = {"mixed_pairs": 0.0, "mixed_with_query": 0.0}
LEFT = {"positive_change": "keep", "negative_change": "keep"}


def ask(embedding_set: EmbeddingSet, **params: object) -> cl_viz.Result:
    return cl_viz.diagnose("feature_transformation", embedding_set, params=params)


@pytest.fixture(scope="module")
def sample() -> Queries:
    return Queries.draw(clusters(120, 8, 4, 0.5), 40, 60, seed=3)


def test_anchors_and_queue_share_no_sample_and_say_their_labels() -> None:
    embedding_set = clusters(50, 6, 5, 0.4)
    drawn = Queries.draw(embedding_set, anchors=20, queue=100, seed=1)
    first, second = embedding_set.views.values()
    unit = second / np.linalg.norm(second, axis=1, keepdims=True)
    in_queue = {int(np.argmax(unit @ item)) for item in drawn.queue}
    assert len(in_queue) == 30
    assert not in_queue & set(drawn.rows.tolist())
    assert np.allclose((drawn.queries * first[drawn.rows]).sum(axis=1), np.linalg.norm(first[drawn.rows], axis=1))
    label = np.asarray(embedding_set.role("label"))
    assert drawn.same_label is not None
    assert drawn.same_label.mean(axis=1) == pytest.approx(
        [(np.delete(label, drawn.rows) == label[row]).mean() for row in drawn.rows]
    )


def test_a_pair_moves_along_its_line_as_the_formula_says(sample: Queries) -> None:
    before = plain_scores(sample).positive
    for share in (1.0, 1.5, 2.0, 0.3):
        queries, keys = transformed_positives(sample, np.full((1, 1), share), normalise=False)
        after = (queries * keys).sum(axis=1)
        assert after == pytest.approx(2 * share * (1 - share) + (share**2 + (1 - share) ** 2) * before, abs=1e-12)
        queries, keys = transformed_positives(sample, np.full((1, 1), share), normalise=True)
        assert np.linalg.norm(queries, axis=1) == pytest.approx(1)


@pytest.mark.parametrize("coefficient", ["batch", "coordinate"])
def test_the_loss_after_is_that_of_the_loss_with_the_same_draws(sample: Queries, coefficient: str) -> None:
    params = FeatureTransformationParams(coefficient=coefficient, seed=5, temperature=0.2, **UNMIXED)  # type: ignore[arg-type]
    after, _, _ = transform(sample, params)
    spec = losses()["feature_transformation"]
    rows = torch.from_numpy(sample.queries), torch.from_numpy(sample.keys)
    generator = np.random.default_rng([5, 2])
    draws = {
        "positive": torch.from_numpy(_coefficients(params, 2.0, sample.queries, 1)),
        "negative": torch.from_numpy(_coefficients(params, 1.6, sample.queue, 3)),
        "permutation": torch.from_numpy(generator.permutation(len(sample.queue))),
    }
    made = spec.params(  # type: ignore[call-arg]
        temperature=0.2, per_coordinate="both" if coefficient == "coordinate" else "none"
    )
    values = spec.compute(LossInputs(rows, queue=torch.from_numpy(sample.queue), draws=draws), made)
    assert after.loss(0.2) == pytest.approx(values.numpy(), rel=1e-12)


def _coefficients(params: FeatureTransformationParams, alpha: float, rows: np.ndarray, stream: int) -> np.ndarray:
    from scipy.stats import beta

    shape = () if params.coefficient == "batch" else rows.shape
    uniform = np.random.default_rng([params.seed, stream]).uniform(size=shape or (1, 1))
    return np.asarray(beta.ppf(uniform, alpha, alpha)).reshape(shape)


def test_mixtures_score_as_those_of_the_mochi_loss(sample: Queries) -> None:
    generator = np.random.default_rng(0)
    n_anchors, count = len(sample.queries), 10
    scores = plain_scores(sample)
    hardest = np.argsort(-scores.negatives, axis=1, kind="stable")[:, :count]
    pairs, singles = generator.integers(count, size=(2, n_anchors, 7)), generator.integers(count, size=(n_anchors, 4))
    pair_share, query_share = generator.uniform(size=(n_anchors, 7)), generator.uniform(0, 0.5, size=(n_anchors, 4))
    mixed = mixed_scores(
        sample.queries, sample.queue, scores.negatives, hardest, pairs, pair_share, singles, query_share
    )
    found = Scores(scores.positive, np.concatenate([scores.negatives, mixed], axis=1), 11)
    spec = losses()["mochi"]
    draws = {"pairs": pairs, "pair_share": pair_share[:, :, None], "singles": singles,
             "query_share": query_share[:, :, None]}  # fmt: skip
    inputs = LossInputs(
        (torch.from_numpy(sample.queries), torch.from_numpy(sample.keys)),
        queue=torch.from_numpy(sample.queue),
        draws={name: torch.from_numpy(draw) for name, draw in draws.items()},
    )
    values = spec.compute(inputs, spec.params(temperature=0.2, hardest=count, pairs=7, with_query=4))  # type: ignore[call-arg]
    assert found.loss(0.2) == pytest.approx(values.numpy(), rel=1e-10)


def test_nothing_changes_where_nothing_is_done() -> None:
    result = ask(clusters(100, 6, 4, 0.3), **LEFT, **UNMIXED)
    for name in ("positive_mean", "negative_mean", "negative_variance", "loss", "effective_negatives", "buried"):
        assert result[f"{name}_before"].value == pytest.approx(result[f"{name}_after"].value)
    assert result["mixed_push"].value is None
    assert "mixed hard negatives" not in {series.name for series in result.views["distribution"].series}  # type: ignore[union-attr]


def test_extrapolation_lowers_and_interpolation_raises_positives_by_the_expected_amount() -> None:
    """With Beta(a, a) the mean of l (1 - l) is known: E[2 u (1 + u)] and E[2 u (1 - u)] times (1 - s)."""
    score, alpha = 0.6, 2.0
    embedding_set = paired_sphere(2000, 16, score)
    square = (alpha + 1) / (2 * (2 * alpha + 1))  # of Beta(a, a): mean of u²
    expected = {
        "extrapolate": score - 2 * (0.5 + square) * (1 - score),
        "mix": score + 2 * (0.5 - square) * (1 - score),
    }
    for change, value in expected.items():
        found = ask(embedding_set, positive_change=change, negative_change="keep", anchors=1000, **UNMIXED)
        assert found["positive_mean_before"].value == pytest.approx(score)
        assert found["positive_mean_after"].value == pytest.approx(value, abs=0.02)


def test_interpolation_keeps_the_mean_and_lowers_the_variance_as_expected() -> None:
    """Independent items: the variance falls to that of one times E[m² + (1 - m)²]."""
    embedding_set = paired_sphere(4000, 16, 0.9)
    found = ask(embedding_set, positive_change="keep", queue=2000, anchors=500, **UNMIXED)
    alpha = 1.6
    share = (alpha + 1) / (2 * alpha + 1)
    assert found["negative_mean_after"].value == pytest.approx(found["negative_mean_before"].value, abs=3e-3)
    assert found["negative_variance_after"].value == pytest.approx(
        share * (found["negative_variance_before"].value or 0), rel=0.05
    )


def test_mixtures_are_harder_than_the_queue_and_take_more_than_their_share() -> None:
    embedding_set = clusters(600, 8, 6, 0.5)
    found = ask(embedding_set, **LEFT, temperature=0.1, mixed_pairs=5.0, mixed_with_query=5.0, hardest=5.0)
    assert (found["mixed_push"].value or 0) > 0.3
    assert (found["hardest_same_label"].value or 0) > 0.8
    assert found.level == "watch"


def test_far_apart_views_are_buried_and_the_finding_says_so() -> None:
    found = ask(paired_sphere(400, 8, 0.2))
    assert (found["buried_after"].value or 0) > 0.9
    assert (found["positive_mean_after"].value or 0) < -0.5
    worst = found.findings[0]
    assert worst.level == "watch"
    assert "N = 200 anchors" in worst.message
    assert "fall below -1" in found.views["distribution"].title


def test_a_slider_moves_the_coefficients_and_does_not_draw_new_ones(sample: Queries) -> None:
    near = [transform(sample, FeatureTransformationParams(positive_alpha=alpha))[0].positive for alpha in (2.0, 2.02)]
    other = transform(sample, FeatureTransformationParams(seed=1))[0].positive
    assert np.abs(near[0] - near[1]).max() < 0.01
    assert np.abs(near[0] - other).max() > 0.05


def test_without_labels_false_negatives_are_unknown() -> None:
    found = ask(paired_sphere(100, 8, 0.9))
    assert found["hardest_same_label"].value is None
    assert any(finding.level == "unknown" and "labels" in finding.advice for finding in found.findings)
