"""The stochastic block model: published curves, its own theory, and graphs that follow it."""

import numpy as np
import pytest
from scipy.optimize import brentq

from cl_viz.core.errors import Cancelled, InputError
from cl_viz.simulate.stochastic_block_model import (
    block_mean_cosines,
    collapse_curves,
    embed_graph,
    minority_shares,
    population_loss,
    population_optimum,
    sample_graph,
    three_blocks,
)

SHARES = 2.0 ** -np.arange(7) / 3


def test_the_published_curve_reaches_1_for_enough_connectivity_only():
    curves = collapse_curves(SHARES, [0.05, 0.1, 0.2, 0.4])[:, :, 0, 1]
    assert curves[-1, 3] > 0.99
    assert (np.diff(curves[:, 3]) > 0).all()
    assert curves[-1, :3].max() < 0.35
    assert (np.diff(curves[-1]) > 0).all()


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4])
def test_a_vanishing_block_stops_where_its_own_loss_says(alpha):
    """With blocks 2 and 3 opposed, the loss of the vanishing block is stationary in c = h1.h2 where this is 0."""
    expected = brentq(lambda c: np.tanh(c) + np.sinh(c) / np.cosh(1) - 1 - alpha / 0.95, 0, 1)
    found = collapse_curves([1e-5], [alpha], weights="graph", steps=3000)[0, 0]
    assert found[1, 2] == pytest.approx(-1, abs=1e-3)
    assert found[0, 1] == pytest.approx(expected, abs=0.005)


def test_full_collapse_has_a_threshold_of_connectivity():
    threshold = 0.95 * (2 * np.tanh(1) - 1)
    below, above = collapse_curves([1e-4], [threshold - 0.05, threshold + 0.05], weights="graph", steps=3000)[
        0, :, 0, 1
    ]
    assert below < 0.985
    assert above > 0.995


@pytest.mark.slow
def test_the_threshold_lies_between_0_49_and_0_51():
    """After 20,000 steps: one vector above it, and below it the cosine at which a vanishing block is stationary."""
    below, above = 1 - collapse_curves([1e-6], [0.49, 0.51], weights="graph", dim=3, steps=20_000)[0, :, 0, 1]
    stationary = brentq(lambda c: np.tanh(c) + np.sinh(c) / np.cosh(1) - 1 - 0.49 / 0.95, 0, 1.2)
    assert below == pytest.approx(1 - stationary, abs=1e-4)
    assert below > 0.005
    assert above < 1e-7


def test_the_authors_steps_are_short_of_the_optimum_near_the_threshold():
    """Away from it they are not; what is shown as the authors' curve says how many steps it is of."""
    shares, alphas = [2**-8 / 3], [0.05, 0.2, 0.4]
    authors, longer = (collapse_curves(shares, alphas, steps=steps)[0, :, 0, 1] for steps in (1000, 5000))
    assert authors[:2] == pytest.approx(longer[:2], abs=1e-4)
    assert authors[2] == pytest.approx(0.9983, abs=1e-4)
    assert longer[2] > 0.99999


@pytest.mark.parametrize("weights", ["graph", "script"])
def test_with_equal_shares_both_weights_are_the_same(weights):
    found = collapse_curves([1 / 3], [0.4], weights=weights)[0, 0]
    assert found[0, 1] == pytest.approx(0.541, abs=0.002)
    assert found[1, 2] == pytest.approx(-0.878, abs=0.002)


@pytest.mark.parametrize("weights", ["graph", "script"])
@pytest.mark.parametrize("share", [1 / 3, 0.03])
def test_no_other_vectors_do_better(weights, share):
    shares, joined = minority_shares(share), three_blocks(0.3)
    gram = population_optimum(shares, joined, weights=weights, steps=4000)
    values, axes = np.linalg.eigh(gram)
    best = axes * np.sqrt(np.maximum(values, 0))
    best = np.pad(best, ((0, 0), (0, 3)))
    lowest = population_loss(best, shares, joined, weights=weights)
    generator = np.random.default_rng(0)
    for size in (0.03, 0.3, 3.0):
        other = best + size * generator.normal(size=(50, 3, 6))
        other /= np.linalg.norm(other, axis=-1, keepdims=True)
        assert (population_loss(other, shares, joined, weights=weights) > lowest - 1e-7).all()


def test_graphs_follow_the_weights_of_the_graph():
    joined, sizes = three_blocks(0.4), (8, 80, 80)
    graph, blocks = sample_graph(sizes, joined, seed=1)
    assert (graph == graph.T).all()
    assert not graph.diagonal().any()
    assert graph[np.ix_(blocks == 0, blocks == 1)].mean() == pytest.approx(0.4, abs=0.05)
    assert graph[np.ix_(blocks == 0, blocks == 2)].sum() == 0
    means = block_mean_cosines(embed_graph(graph, steps=1200), blocks)
    shares = minority_shares(8 / 168)
    by_graph, by_script = (population_optimum(shares, joined, weights=w)[0, 1] for w in ("graph", "script"))
    cosine = means[0, 1] / np.sqrt(means[0, 0] * means[1, 1])
    assert abs(cosine - by_graph) < 0.05
    assert by_script - cosine > 0.08


def test_a_node_without_neighbours_and_impossible_blocks_are_refused():
    with pytest.raises(InputError, match="without a positive"):
        embed_graph(np.zeros((3, 3)))
    with pytest.raises(InputError, match="cannot be embedded"):
        population_optimum(np.array([0.5, 0.2, 0.2]), three_blocks(0.4))
    with pytest.raises(InputError, match="cannot be embedded"):
        population_optimum(minority_shares(0.2), np.zeros((3, 3)))


def test_the_descent_can_be_stopped():
    graph, _ = sample_graph((5, 20, 20), three_blocks(0.4))

    def stop(done, message):
        if done > 0.1:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        embed_graph(graph, progress=stop)
