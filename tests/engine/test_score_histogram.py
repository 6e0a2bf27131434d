"""The histogram's numbers against the definitions on plain arrays."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.diagnostics._dense import scores as dense
from cl_viz.engine import bins
from cl_viz.engine import score_histogram as separation
from cl_viz.engine.candidate_points import relative_penalty_share
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.testing import clusters, collapsed, paired_sphere

SETS = {
    "sphere": lambda: paired_sphere(150, 24, 0.3, classes=5),
    "loose clusters": lambda: clusters(150, 24, 5, 0.8),
    "tight clusters": lambda: clusters(150, 24, 5, 0.05),
    "very tight clusters": lambda: clusters(150, 24, 5, 0.02),
    "collapsed": lambda: collapsed(150, 24, 0.003),
}


@pytest.fixture(params=list(SETS))
def embedding_set(request: pytest.FixtureRequest) -> cl_viz.EmbeddingSet:
    return SETS[request.param]()


def split(embedding_set: cl_viz.EmbeddingSet) -> tuple[np.ndarray, np.ndarray]:
    scores = dense.cosine_scores(*embedding_set.views.values())
    return scores.diagonal(), scores[~np.eye(len(scores), dtype=bool)]


def test_separation_of_the_sketch_is_that_of_the_scores(embedding_set: cl_viz.EmbeddingSet) -> None:
    pytest.importorskip("scipy")
    positives, negatives = split(embedding_set)
    sketch = cl_viz.scan(embedding_set, anchors=0).pairs
    binned = sketch.positives(PairRoles()), sketch.negatives(PairRoles())
    error = separation.auc_error(*binned)
    assert error < 1e-2, "the bins are too coarse for these scores"
    wrong = abs(separation.auc(*binned) - dense.auc(positives, negatives))
    assert wrong <= error + 1e-12
    assert wrong <= 1e-3
    assert separation.dprime(*binned) == pytest.approx(dense.dprime(positives, negatives), rel=1e-6)
    assert separation.kolmogorov_smirnov(*binned) == pytest.approx(
        dense.kolmogorov_smirnov(positives, negatives), abs=2 * error + 0.02
    )
    assert separation.wasserstein(*binned) == pytest.approx(dense.wasserstein(positives, negatives), abs=2 * bins.WIDTH)
    # Scores within rounding of a bin's edge may fall on either side of it in the two histograms.
    assert separation.overlap(*binned) == pytest.approx(dense.histogram_overlap(positives, negatives), abs=2e-4)
    assert binned[1].variance == pytest.approx(negatives.var(ddof=1), rel=1e-6)


@pytest.mark.parametrize("spread", [5e-3, 2e-3, 1e-4, 1e-5])
@pytest.mark.parametrize("mixed", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("n", [60, 200])
def test_auc_is_right_when_all_scores_are_near_one(n: int, mixed: float, spread: float) -> None:
    pytest.importorskip("scipy")
    embedding_set = collapsed(n, 16, spread)
    first, second = embedding_set.views.values()
    near = cl_viz.EmbeddingSet.from_arrays({"view_1": first, "view_2": first * (1 - mixed) + mixed * second})
    positives, negatives = split(near)
    assert min(positives.min(), negatives.min()) > 0.998
    sketch = cl_viz.scan(near, anchors=0, cache=False).pairs
    expected = dense.auc(positives, negatives)
    found = separation.auc(sketch.positives(PairRoles()), sketch.negatives(PairRoles()))
    assert abs(found - expected) <= 1e-3 * expected


def test_scores_of_one_bin_are_ordered_by_their_means() -> None:
    edge, width = float(bins.edges()[3000]), bins.WIDTH

    def histogram(*places: float) -> separation.ScoreHistogram:
        scores = edge + width * np.array(places)
        where = np.full(len(places), 3000)
        counts = np.bincount(where, minlength=bins.BINS)
        sums = np.bincount(where, weights=scores, minlength=bins.BINS)
        return separation.ScoreHistogram(
            counts.astype(np.int64), sums.astype(np.float64), 0.0, scores.min(), scores.max()
        )

    assert separation.auc(histogram(0.6), histogram(0.4)) == 1.0
    assert separation.auc(histogram(0.4), histogram(0.6)) == 0.0
    assert separation.auc(histogram(0.5), histogram(0.5)) == 0.5
    even = np.linspace(0.001, 0.999, 999)
    assert separation.auc(histogram(0.7), histogram(*even)) == pytest.approx(0.7, abs=1e-9)
    assert separation.auc(histogram(*even), histogram(0.7)) == pytest.approx(0.3, abs=1e-9)
    # Densities 2u and 2 (1 - u): the first is larger with chance 5 / 6.
    rising = np.sqrt(even)
    assert separation.auc(histogram(*rising), histogram(*(1 - rising))) == pytest.approx(5 / 6, abs=2e-3)


@pytest.mark.parametrize("temperature", [0.01, 0.05, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("name", ["sphere", "loose clusters", "tight clusters", "very tight clusters"])
def test_push_on_false_negatives_is_that_of_the_scores(name: str, temperature: float) -> None:
    embedding_set = SETS[name]()
    scores = dense.cosine_scores(*embedding_set.views.values())
    labels = embedding_set.role("label")
    expected = dense.false_negative_push(scores, labels, temperature).mean()
    sketch = cl_viz.scan(embedding_set).anchors["view_1"]
    found = relative_penalty_share(sketch, PairRoles(), temperature).mean()
    assert abs(found - expected) <= 1e-3 * max(expected, 1e-2)


def test_bins_cover_every_score_once() -> None:
    edges = bins.edges()
    assert len(edges) == bins.BINS + 1
    assert (np.diff(edges) > 0).all()
    assert (edges[0], edges[-1]) == (-1.0, 1.0)
    scores = np.concatenate([np.linspace(-1, 1, 20001), 1 - np.geomspace(1e-11, 2e-3, 999), [-1 - 1e-7, 1 + 1e-7]])
    place = bins.bin_index(torch.from_numpy(scores)).numpy()
    expected = np.searchsorted(edges, scores, side="right") - 1
    assert np.abs(place - expected.clip(0, bins.BINS - 1)).max() <= 1
    assert (place == expected.clip(0, bins.BINS - 1)).mean() > 0.98


def test_masses_over_a_hundred_bins_are_those_of_numpy() -> None:
    scores = np.random.default_rng(0).uniform(-1, 1, 5000)
    index = bins.bin_index(torch.from_numpy(scores))
    counts = np.bincount(index, minlength=bins.BINS)
    sums = np.bincount(index, weights=scores, minlength=bins.BINS)
    histogram = separation.ScoreHistogram(counts, sums, float(np.square(scores).sum()), scores.min(), scores.max())
    np.testing.assert_array_equal(histogram.masses(100), np.histogram(scores, 100, (-1, 1))[0] / 5000)
    edges, density = histogram.density(37)
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0)
    assert histogram.log_mean_exp(20.0) == pytest.approx(np.log(np.exp(20 * scores).mean()), abs=1e-5)
