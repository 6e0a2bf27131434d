"""Means over drawn anchors, and whether their intervals hold the mean over every row as often as they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import InputError
from cl_viz.core.result import Interval
from cl_viz.engine.anchor_means import anchor_means
from cl_viz.engine.anchor_sketch import AnchorSketch
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.queries import AnchorQueries
from cl_viz.testing import clusters

TEMPERATURES = [0.02, 0.2]
N, DRAWS = 20_000, 400
QUESTIONS: dict[str, Callable[[AnchorQueries], np.ndarray]] = {
    "loss": lambda ask: ask.loss(TEMPERATURES),
    "NPC multiplier": lambda ask: ask.npc_multiplier(TEMPERATURES),
    "entropy": lambda ask: ask.entropy(TEMPERATURES),
    "effective negatives": lambda ask: ask.effective_negatives(TEMPERATURES),
    "effective sample size": lambda ask: ask.effective_sample_size(TEMPERATURES),
    "false-negative mass": lambda ask: ask.false_negative_mass(TEMPERATURES),
    "truncated loss": lambda ask: ask.truncated_loss(TEMPERATURES, 0.1),
    "debiased loss": lambda ask: ask.reweighted_loss(TEMPERATURES, 0.0, 0.05)[0],
    "hard-negative loss": lambda ask: ask.reweighted_loss(TEMPERATURES, 1.0, 0.05)[0],
}


def drawn(sketch: AnchorSketch, count: int, seed: int) -> AnchorSketch:
    """Return what rows and positives a draw of anchors has."""
    rows = np.sort(np.random.default_rng(seed).choice(sketch.population, size=count, replace=False))
    return AnchorSketch(sketch.view, rows, sketch.population, sketch.positives[rows], np.arange(count + 1), {})


def inside(interval: Interval | None, value: float) -> bool:
    return interval is not None and interval.low <= value <= interval.high


@pytest.fixture(scope="module")
def large() -> cl_viz.EmbeddingSet:
    """Classes of unequal size and width: anchors differ in what they see."""
    generator = np.random.default_rng(3)
    # In a cone, so that histograms are narrow and the test is cheap.
    centres = generator.normal(size=(12, 8)) + 4
    label = generator.choice(12, size=N, p=np.arange(1, 13) / 78)
    rows = centres[label] + (0.2 + 0.1 * label[:, None]) * generator.normal(size=(N, 8))
    return cl_viz.EmbeddingSet.from_arrays(rows.astype(np.float32), label=label)


@pytest.mark.slow
def test_intervals_from_drawn_anchors_hold_the_mean_over_all_20000_rows(large: cl_viz.EmbeddingSet) -> None:
    sketch = cl_viz.scan(large, anchors=N, cache=False).anchors["view_1"]
    generator = np.random.default_rng(4)
    # A single view has no positives; a score for each row stands for them.
    sketch = replace(sketch, positives=np.tanh(generator.normal(1.0, 0.5, N)), offsets=np.arange(N + 1))
    ask = AnchorQueries.of(sketch, PairRoles())
    answers = np.concatenate([question(ask) for question in QUESTIONS.values()])
    truth, held, shown = answers.mean(axis=1), np.zeros((2, len(answers))), np.zeros((2, len(answers)))
    for seed in range(DRAWS):
        for place, count in enumerate((1024, 8192)):
            some = drawn(sketch, count, seed)
            intervals = anchor_means([some], [answers[:, some.rows]]).intervals()
            shown[place] += [found is not None for found in intervals]
            held[place] += [inside(found, value) for found, value in zip(intervals, truth, strict=True)]
    # Where positives beat all negatives but for a few anchors, those few decide, and no interval is shown.
    judged = shown > DRAWS / 2
    assert judged.sum() >= 34
    assert (held >= 0.92 * shown)[judged].all(), held / shown
    assert (held <= 0.98 * shown)[judged].all(), held / shown
    # End to end: the pass draws the anchors itself.
    anchors = cl_viz.scan(large, anchors=1024, cache=False).anchors["view_1"]
    asked, expected = AnchorQueries.of(anchors, PairRoles()), truth.reshape(len(QUESTIONS), -1)
    for place, name in ((2, "entropy"), (4, "effective sample size"), (5, "false-negative mass")):
        found = anchor_means([anchors], [QUESTIONS[name](asked)])
        assert (found.n_anchors, found.population) == (1024, N)
        assert (abs(found.mean - expected[place]) <= 3 * found.standard_error).all()


def test_the_error_is_that_of_a_mean_of_units_drawn_without_replacement() -> None:
    sketches = list(cl_viz.scan(clusters(300, 8, 3, 0.5), anchors=60, cache=False).anchors.values())
    first, second = np.random.default_rng(0).normal(size=(2, 60))
    found = anchor_means(sketches, [first, second])
    both = (first + second) / 2
    assert found.mean[0] == pytest.approx(both.mean())
    assert found.standard_error[0] == pytest.approx(np.sqrt(both.var(ddof=1) / 60 * (1 - 60 / 300)))
    assert (found.n_anchors, found.population) == (60, 300)
    (interval,) = found.intervals()
    assert interval is not None
    assert interval.method == "over draws of 60 anchors of 300, without replacement"
    assert interval.high - interval.low == pytest.approx(2 * 1.959964 * found.standard_error[0], rel=1e-6)
    apart = anchor_means(sketches, [first, second], aligned=False)
    error = np.hypot(first.std(ddof=1), second.std(ddof=1)) / 2 / np.sqrt(60) * np.sqrt(1 - 60 / 300)
    # Two views whose rows are drawn apart; residuals are about the common mean.
    assert apart.standard_error[0] == pytest.approx(error, rel=1e-6)
    assert (apart.n_anchors, apart.population) == (120, 600)


def test_what_is_not_known_is_left_out_and_nothing_is_uncertain_where_all_rows_are_anchors() -> None:
    (sketch,) = cl_viz.scan(cl_viz.EmbeddingSet.from_arrays(clusters(80, 8, 3, 0.5).views["view_1"])).anchors.values()
    values = np.arange(80.0)
    values[:7] = np.nan
    found = anchor_means([sketch], [values])
    assert found.mean[0] == pytest.approx(np.arange(7, 80).mean())
    assert found.standard_error[0] == 0
    assert found.intervals() == [None]
    with pytest.raises(InputError, match="80"):
        anchor_means([sketch], [np.zeros(79)])


def test_positives_are_drawn_with_their_anchor() -> None:
    """Anchors have one, two or three positives: a ratio of two means over anchors."""
    generator = np.random.default_rng(1)
    counts = generator.integers(1, 4, 5000)
    level = generator.normal(counts, 0.3)
    values = np.repeat(level, counts) + 0.1 * generator.normal(size=counts.sum())
    offsets = np.concatenate([[0], np.cumsum(counts)])
    truth, held = values.mean(), 0
    for seed in range(400):
        rows = np.sort(np.random.default_rng(seed).choice(5000, 400, replace=False))
        kept = np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])
        starts = np.concatenate([[0], np.cumsum(counts[rows])])
        sketch = AnchorSketch("a", rows, 5000, values[kept], starts, {})
        (interval,) = anchor_means([sketch], [values[kept]], of="positives").intervals()
        held += inside(interval, truth)
    assert 0.92 * 400 <= held <= 0.98 * 400
