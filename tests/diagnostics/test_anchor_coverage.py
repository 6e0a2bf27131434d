"""Intervals of what scores and temperatures say hold the expected value about as often as they claim.

Every law is drawn many times, and all questions are put to the same passes. The truth is the mean over the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Quantity
from cl_viz.diagnostics import individual_temperatures
from cl_viz.diagnostics._scores import separation_intervals
from cl_viz.diagnostics._scores.score_measures import ScoreMeasures
from cl_viz.diagnostics._temperature.anchor_questions import Anchors
from cl_viz.diagnostics._temperature.hardness_measures import HardnessMeasures
from cl_viz.diagnostics._temperature.individual_views import Individual
from cl_viz.diagnostics._temperature.reweighting_measures import ReweightingMeasures
from cl_viz.diagnostics._temperature.row_temperatures import grid, of_anchors
from cl_viz.diagnostics.hardness import SPEC as HARDNESS
from cl_viz.diagnostics.individual_temperatures import IndividualParams
from cl_viz.diagnostics.negative_reweighting import SPEC as REWEIGHTING
from cl_viz.diagnostics.score_distribution import SPEC as SCORES
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.scanner import Scanner
from tests.diagnostics.test_anchor_noise import drawn

pytestmark = pytest.mark.slow
DRAWS, N = 40, 90
Asked = Mapping[str, Quantity]


@cache
def draws() -> list[SetInputs]:
    return [SetInputs(drawn(seed, N), "run", scanner=Scanner()) for seed in range(DRAWS)]


def scores(inputs: SetInputs) -> Asked:
    measures = ScoreMeasures.of(inputs, "views", "all", 0.2)
    return {spec.name: measures.quantity(spec) for spec in SCORES.quantities}


def hardness(inputs: SetInputs) -> Asked:
    measures = HardnessMeasures.of(inputs, "all", 0.2)
    return {spec.name: measures.quantity(spec) for spec in HARDNESS.quantities}


def reweighted(inputs: SetInputs) -> Asked:
    measures = ReweightingMeasures(Anchors.of(inputs, "all"), 0.3, 1.0, 0.3, 0.2)
    return {spec.name: measures.quantity(spec) for spec in REWEIGHTING.quantities}


def individual(inputs: SetInputs) -> Asked:
    params = IndividualParams(negative_views="all", temperature=0.25, rho=0.4, smallest=0.25, largest=0.6)
    anchors = Anchors.of(inputs, "all")
    parts = of_anchors(anchors, grid(params.smallest, params.largest), inputs.progress)
    found = Individual(anchors, parts, params.rho, params.smallest, params.largest)
    return individual_temperatures._quantities(found, params)


def asked_of(name: str, **params: float) -> Callable[[SetInputs], Asked]:
    def ask(inputs: SetInputs) -> Asked:
        found = cl_viz.diagnose(
            name, inputs.embedding_set, params={**params, "negative_views": "all"}, scanner=inputs.scanner
        )
        return found.quantities

    ask.__name__ = name
    return ask


QUESTIONS: list[tuple[Callable[[SetInputs], Asked], set[str]]] = [
    (
        scores,
        {"auc", "auc_per_anchor", "dprime", "overlap", "overlap_gaussian", "kolmogorov_smirnov", "wasserstein",
         "positive_variance", "negative_variance", "false_negative_share_top10", "false_negative_push"},
    ),
    (hardness, {"effective_sample_size", "hardest_share"}),
    (
        reweighted,
        {"reweighted_loss", "clamped_share", "weights_sample_size", "truncated_loss", "kept_push"},
    ),
    (
        asked_of("adaptive_temperature", temperature=0.2),
        {"alignment", "adapted_temperature", "coupling", "loss"},
    ),
    (
        asked_of("suggested_temperature", fewest_negatives=30.0, most_even=0.5, least_signal=0.8),
        {"low", "high", "for_negatives", "for_labels", "for_signal", "for_hardness"},
    ),
    (individual, {"mean_temperature", "median_temperature", "high_temperature", "at_smallest"}),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "names"), QUESTIONS, ids=[ask.__name__ for ask, _ in QUESTIONS])
def test_intervals_cover(ask: Callable[[SetInputs], Asked], names: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # So few samples as can be drawn often would be shown no interval of these.
    for gate in ("_APART", "_BESIDE", "_COCHRAN", "_FEWEST"):
        monkeypatch.setattr(separation_intervals, gate, 0)
    monkeypatch.setattr(separation_intervals, "_MOST_BIAS", np.inf)
    found = [ask(inputs) for inputs in draws()]
    held = {}
    for name in sorted(names):
        truth = np.mean([asked[name].value for asked in found])
        ends = [asked[name].interval for asked in found]
        assert all(end is not None for end in ends), name
        held[name] = np.mean([end.low <= truth <= end.high for end in ends if end is not None])
    # Three standard errors of a share of so many draws below 93 %: few samples, and the mean is not quite the truth.
    assert min(held.values()) >= 0.93 - 3 * np.sqrt(0.93 * 0.07 / DRAWS), held


def test_numbers_that_few_samples_decide_have_no_interval() -> None:
    asked = scores(SetInputs(drawn(0, N), "run", scanner=Scanner()))
    assert asked["overlap"].interval is None
    assert asked["positive_variance"].interval is None
    assert asked["wasserstein"].interval is not None


def test_equal_distributions_have_no_interval_that_leaves_equality_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # Positives of unrelated views are scores of other samples: every distance is made by chance.
    monkeypatch.setattr(separation_intervals, "_BESIDE", 0)
    for seed in range(3):
        one, two = np.random.default_rng(seed).normal(size=(2, 200, 16))
        inputs = SetInputs(cl_viz.EmbeddingSet.from_arrays({"one": one, "two": two}), "run", scanner=Scanner())
        measures = ScoreMeasures.of(inputs, "views", "all", 0.2)
        for name in ("wasserstein", "kolmogorov_smirnov", "overlap", "overlap_gaussian"):
            assert measures.quantity(SCORES.quantity(name)).interval is None, name
        assert measures.quantity(SCORES.quantity("auc")).interval is not None


def test_rows_that_are_no_samples_have_no_interval() -> None:
    image, text = (np.random.default_rng(seed).normal(size=(size, 6)) for seed, size in ((0, 40), (1, 80)))
    pairs = np.stack([np.repeat(np.arange(40), 2), np.arange(80)], axis=1)
    captions = cl_viz.EmbeddingSet.from_arrays({"image": image, "text": text}, pairs=pairs)
    found = cl_viz.diagnose("score_distribution", captions)
    assert found["auc_per_anchor"].interval is None
    assert found["auc"].interval is not None


def test_samples_that_are_all_alike_have_no_interval_without_width() -> None:
    rows, label = np.repeat(np.random.default_rng(0).normal(size=(3, 6)), 20, axis=0), np.arange(60) // 20
    repeated = cl_viz.EmbeddingSet.from_arrays({"one": rows, "two": rows}, label=label)
    equal = cl_viz.EmbeddingSet.from_arrays({"one": np.ones((60, 6)), "two": np.ones((60, 6))}, label=label)
    classes = cl_viz.diagnose("class_cosines", repeated)
    assert classes["closest"].interval is None
    assert classes["least_separation"].interval is None
    assert cl_viz.diagnose("modality_gap", repeated)["separability_auc"].interval is None
    assert hardness(SetInputs(equal, "run", scanner=Scanner()))["entropy"].interval is None


def test_a_share_of_the_hardest_has_no_interval_where_all_negatives_are_counted() -> None:
    shares = {
        n: scores(SetInputs(drawn(0, n), "run", scanner=Scanner()))["false_negative_share_top10"] for n in (6, 60)
    }
    assert shares[6].interval is None
    assert shares[60].interval is not None
