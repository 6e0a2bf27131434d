"""Every number of the temperature pages against its dense definition, through the public call."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Result
from cl_viz.diagnostics._dense import scores
from cl_viz.diagnostics._dense import temperature as dense
from cl_viz.losses import compute as loss_of
from cl_viz.testing import clusters

SETS = {
    "clusters": clusters(150, 16, 5, 0.6, seed=3),
    "loose": clusters(120, 24, 4, 2.0, seed=4),
}
Pair = tuple[np.ndarray, np.ndarray]


def ask(name: str, target: cl_viz.EmbeddingSet, **params: object) -> Result:
    return cl_viz.diagnose(name, target, params=params)


def values(result: Result) -> dict[str, float | None]:
    return {name: quantity.value for name, quantity in result.quantities.items()}


def negatives_of(target: cl_viz.EmbeddingSet, negatives: str) -> Pair:
    """Positives and negatives of the anchors of both views."""
    first, second = target.views.values()
    if negatives == "all":
        return dense.two_view_negatives(first, second)
    ways = [dense.cross_negatives(first, second), dense.cross_negatives(second, first)]
    return np.concatenate([p for p, _ in ways]), np.concatenate([n for _, n in ways])


def same_label(target: cl_viz.EmbeddingSet, columns: int) -> np.ndarray:
    labels = np.tile(target.role("label"), 2)
    return labels[:, None] == labels[None, :columns]


@pytest.mark.parametrize("name", list(SETS))
@pytest.mark.parametrize("negatives", ["cross", "all"])
@pytest.mark.parametrize("temperature", [0.02, 0.1, 1.0])
def test_hardness(name: str, negatives: str, temperature: float) -> None:
    target = SETS[name]
    positive, negative = negatives_of(target, negatives)
    found = values(ask("hardness", target, negative_views=negatives, temperature=temperature))
    penalty = dense.relative_penalty(negative, temperature)
    entropy = dense.entropy(penalty)
    count = np.isfinite(negative).sum(axis=1)
    slope, slopes = dense.infonce_gradient(positive, negative, temperature)
    expected = {
        "entropy": entropy.mean(),
        "effective_negatives": np.exp(entropy).mean(),
        "effective_sample_size": dense.effective_sample_size(penalty).mean(),
        "effective_share": (np.exp(entropy) / count).mean(),
        "hardest_share": penalty.max(axis=1).mean(),
        "false_negative_push": (penalty * same_label(target, negative.shape[1])).sum(axis=1).mean(),
        "loss": dense.infonce(positive, negative, temperature).mean(),
        "positive_slope": -slope.mean(),
    }
    assert found == {key: pytest.approx(value, rel=2e-3) for key, value in expected.items()}
    np.testing.assert_allclose(slopes.sum(axis=1), -slope, rtol=1e-9)


def test_the_push_by_score_is_the_histogram_of_relative_penalties() -> None:
    target = SETS["clusters"]
    negative = negatives_of(target, "all")[1]
    penalty = dense.relative_penalty(negative, 0.2)
    own = same_label(target, negative.shape[1])
    view = ask("hardness", target, negative_views="all", temperature=0.2, bins=20).views["push"]
    drawn = {series.name: series for series in view.series}
    inside = np.isfinite(negative)
    for series, weights in (
        ("negatives", inside.astype(float)),
        ("push on them", penalty),
        ("push on the same label", penalty * own),
    ):
        whole = inside.sum() if series == "negatives" else len(negative)
        expected = np.histogram(negative[inside], bins=20, range=(-1, 1), weights=weights[inside])[0] / whole
        # A cell that straddles an edge goes to one side whole.
        np.testing.assert_allclose(np.cumsum(drawn[series].y) * 0.1, np.cumsum(expected), atol=6e-3)


@pytest.mark.parametrize("negatives", ["cross", "all"])
def test_the_curves_over_temperature(negatives: str) -> None:
    target = SETS["clusters"]
    positive, negative = negatives_of(target, negatives)
    count = np.isfinite(negative).sum(axis=1)
    views = ask("hardness", target, negative_views=negatives).views
    by_entropy, by_squares = views["effective"].series[:2]
    for place in (0, 8, 20):
        temperature = by_entropy.x[place]
        penalty = dense.relative_penalty(negative, temperature)
        assert by_entropy.y[place] == pytest.approx((np.exp(dense.entropy(penalty)) / count).mean(), rel=5e-3)
        assert by_squares.y[place] == pytest.approx((dense.effective_sample_size(penalty) / count).mean(), rel=5e-3)
        push = (penalty * same_label(target, negative.shape[1])).sum(axis=1).mean()
        assert views["false_negatives"].series[0].y[place] == pytest.approx(push, rel=5e-3)
        loss = dense.infonce(positive, negative, temperature).mean()
        assert views["loss"].series[0].y[place] == pytest.approx(loss, rel=5e-3)


@pytest.mark.parametrize("name", list(SETS))
@pytest.mark.parametrize("temperature", [0.05, 0.3])
def test_multiplier_of_all_samples_as_one_batch(name: str, temperature: float) -> None:
    """As the decoupled paper has it: both views, 2(N - 1) negatives."""
    target = SETS[name]
    positive, negative = negatives_of(target, "all")
    multiplier = dense.npc_multiplier(positive, negative, temperature)
    found = values(ask("batch_size", target, negative_views="all", temperature=temperature, batch_size=65536))
    assert found["multiplier_of_all"] == found["multiplier"] == pytest.approx(multiplier.mean(), rel=2e-3)
    assert found["variation_of_all"] == pytest.approx(multiplier.std() / multiplier.mean(), rel=5e-3)
    decoupled = dense.decoupled(positive, negative, temperature).mean()
    assert found["decoupled_loss"] == pytest.approx(decoupled, abs=2e-3)
    assert decoupled == pytest.approx(float(loss_of("dcl", target, temperature=temperature).mean()), rel=1e-9)


@pytest.mark.parametrize("negatives", ["cross", "all"])
@pytest.mark.parametrize("size", [2, 9, 64])
def test_multiplier_in_batches_is_that_of_batches_drawn_anew(negatives: str, size: int) -> None:
    target, generator = SETS["clusters"], np.random.default_rng(5)
    first, second = target.views.values()
    drawn, means = dense.two_view_negatives if negatives == "all" else dense.cross_negatives, []
    for _ in range(3000 // size):
        rows = generator.permutation(150)[:size]
        for one, other in ((first[rows], second[rows]), (second[rows], first[rows])):
            means.append(dense.npc_multiplier(*drawn(one, other), 0.2).mean())
    result = ask("batch_size", target, negative_views=negatives, temperature=0.2, batch_size=size)
    assert result["multiplier"].value == pytest.approx(np.mean(means), abs=0.025)


@pytest.mark.parametrize("name", list(SETS))
@pytest.mark.parametrize(("beta", "prior", "share"), [(0.0, 0.0, 1.0), (1.0, 0.1, 0.1), (2.5, 0.02, 0.03)])
def test_reweighting(name: str, beta: float, prior: float, share: float) -> None:
    target, temperature = SETS[name], 0.5
    positive, negative = negatives_of(target, "all")
    chosen = {"beta": beta, "class_prior": prior, "kept_share": share}
    found = values(ask("negative_reweighting", target, negative_views="all", temperature=temperature, **chosen))
    loss, clamped = dense.reweighted(positive, negative, temperature, beta, prior)
    weights = dense.relative_penalty(negative, temperature / beta) if beta else np.isfinite(negative) / 298.0
    weights = weights / weights.sum(axis=1, keepdims=True)
    weighted = dense.relative_penalty(negative, temperature / (1 + beta))
    kept = np.isfinite(dense.truncated(negative, share))
    penalty = dense.relative_penalty(negative, temperature)
    expected = {
        "plain_loss": dense.infonce(positive, negative, temperature).mean(),
        "reweighted_loss": loss.mean(),
        "clamped_share": clamped.mean(),
        "weights_sample_size": dense.effective_sample_size(weights).mean(),
        "reweighted_false_negative_push": (weighted * same_label(target, negative.shape[1])).sum(axis=1).mean(),
        "truncated_loss": dense.infonce(positive, dense.truncated(negative, share), temperature).mean(),
        "kept_push": (penalty * kept).sum(axis=1).mean(),
    }
    assert found == {key: pytest.approx(value, rel=3e-3, abs=1e-9) for key, value in expected.items()}
    given = {"temperature": temperature, "class_prior": prior, "concentration": beta}
    assert loss.mean() == pytest.approx(float(loss_of("hard_negative_reweighting", target, **given).mean()), rel=1e-9)
    assert expected["plain_loss"] == pytest.approx(float(loss_of("ntxent", target, temperature=temperature).mean()))


def test_the_curve_of_clamped_positives_is_that_of_the_losses() -> None:
    target = SETS["clusters"]
    positive, negative = negatives_of(target, "all")
    view = ask("negative_reweighting", target, negative_views="all", temperature=0.2, beta=1.0).views["clamped"]
    for place in (0, 3, 10, 40):
        prior = float(view.series[0].x[place])
        expected = dense.reweighted(positive, negative, 0.2, 1.0, prior)[1].mean()
        assert view.series[0].y[place] == pytest.approx(expected, abs=0.011)
    assert 0 < np.ptp(view.series[0].y) <= 1


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_adaptive_temperature(alpha: float) -> None:
    target = SETS["clusters"]
    positive, negative = negatives_of(target, "all")
    chosen = {"alpha": alpha, "reference_alignment": 0.2}
    found = values(ask("adaptive_temperature", target, negative_views="all", temperature=0.1, **chosen))
    adapted = dense.adaptive_temperature(positive, 0.1, alpha, 0.2)
    assert found["alignment"] == pytest.approx(positive.mean(), rel=1e-9)
    assert found["adapted_temperature"] == pytest.approx(adapted, rel=1e-9)
    expected = dense.model_aware(positive, negative, 0.1, alpha, 0.2).mean()
    assert found["loss"] == pytest.approx(expected, rel=2e-3)
    assert found["coupling"] == pytest.approx(dense.npc_multiplier(positive, negative, adapted).mean(), rel=2e-3)
    theirs = loss_of("macl", target, temperature=0.1, alpha=alpha, reference=0.2).mean()
    assert expected == pytest.approx(float(theirs), rel=1e-9)


@pytest.mark.parametrize("name", list(SETS))
@pytest.mark.parametrize("negatives", ["cross", "all"])
@pytest.mark.parametrize(("rho", "smallest", "largest"), [(0.1, 0.05, 1.0), (1.0, 0.05, 1.0), (3.0, 0.005, 1.0)])
def test_individual_temperatures(name: str, negatives: str, rho: float, smallest: float, largest: float) -> None:
    target = SETS[name]
    negative = negatives_of(target, negatives)[1]
    expected = dense.individual_temperatures(negative, rho, smallest, largest)
    chosen = {"rho": rho, "smallest": smallest, "largest": largest, "negative_views": negatives}
    result = ask("individual_temperatures", target, **chosen)
    found = values(result)
    assert found["mean_temperature"] == pytest.approx(expected.mean(), rel=3e-3)
    assert found["median_temperature"] == pytest.approx(np.median(expected), rel=3e-3)
    assert found["low_temperature"] == pytest.approx(np.quantile(expected, 0.05), rel=6e-3)
    assert found["high_temperature"] == pytest.approx(np.quantile(expected, 0.95), rel=6e-3)
    assert found["at_smallest"] == pytest.approx((expected < smallest + 1e-6).mean(), abs=0.01)
    assert found["at_largest"] == pytest.approx((expected > largest - 1e-6).mean(), abs=0.01)
    assert found["log_negatives"] == pytest.approx(np.log(np.isfinite(negative).sum(axis=1).mean()))
    table = result.views["lowest"].columns
    order = np.argsort(expected[: target.n])
    np.testing.assert_allclose(table["temperature"][:10], expected[order][:10], rtol=6e-3)


@pytest.mark.parametrize("rho", [0.4, 2.0])
def test_the_mean_slope_is_that_of_the_authors(rho: float) -> None:
    target = SETS["clusters"]
    first, second = target.views.values()
    found = ask("individual_temperatures", target, negative_views="all", rho=rho, temperature=0.1)
    expected = dense.mean_clipped_slope(first, second, 0.1, rho)
    assert found["mean_slope"].value == pytest.approx(expected, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("name", list(SETS))
def test_uniformity_and_tolerance(name: str) -> None:
    target = SETS[name]
    labels = target.role("label")
    found = values(ask("uniformity_tolerance", target))
    views = list(target.views.values())
    assert found["tolerance"] == pytest.approx(np.mean([dense.tolerance(view, labels) for view in views]), rel=1e-9)
    literal = np.mean([dense.tolerance_literal(view, labels) for view in views])
    assert found["tolerance_literal"] == pytest.approx(literal, rel=1e-9)
    above = np.triu_indices(target.n, 1)
    by_view = [np.log(np.exp(-2 * (2 - 2 * scores.cosine_scores(v, v)[above])).mean()) for v in views]
    assert found["uniformity"] == pytest.approx(np.mean(by_view), rel=1e-4)
