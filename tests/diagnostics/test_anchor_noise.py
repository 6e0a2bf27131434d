"""Intervals of means over anchors, in which a sample is an anchor and a negative: how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

import cl_viz
from cl_viz.core.result import Interval, Result
from cl_viz.diagnostics._temperature import fewer_anchors, sample_noise
from cl_viz.diagnostics._temperature.anchor_noise import AnchorNoise
from cl_viz.diagnostics._temperature.hardness_measures import HardnessMeasures
from cl_viz.diagnostics._temperature.sample_noise import SampleNoise
from cl_viz.diagnostics.hardness import SPEC
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.scanner import Scanner
from cl_viz.testing import clusters, paired_sphere

DRAWS = 120
N, DIM, CLASSES = 100, 10, 5
TEMPERATURE = 0.2
CENTRES = np.random.default_rng(0).normal(size=(CLASSES, DIM))
QUANTITIES = ("effective_negatives", "effective_share", "entropy", "false_negative_push", "loss", "positive_slope")


def drawn(seed: int, n: int = N, *, kinds: bool = True) -> cl_viz.EmbeddingSet:
    """Draw samples, two views of each: of classes of unequal size and width, or random directions."""
    generator = np.random.default_rng(seed)
    label = generator.choice(CLASSES, size=n, p=np.arange(1, CLASSES + 1) / 15)
    sample = (0.4 + 0.15 * label[:, None]) * generator.normal(size=(n, DIM)) + (CENTRES[label] if kinds else 0)
    views = {name: sample + 0.4 * generator.normal(size=(n, DIM)) for name in "ab"}
    return cl_viz.EmbeddingSet.from_arrays(views, label=label)


def estimates(embedding_set: cl_viz.EmbeddingSet) -> dict[str, tuple[float, Interval | None]]:
    inputs = SetInputs(embedding_set, "run", scanner=Scanner())
    measures = HardnessMeasures.of(inputs, "all", TEMPERATURE)
    noise = AnchorNoise.of(measures.anchors, TEMPERATURE)
    assert noise is not None
    found = {"decoupled_loss": (float(measures.margins.mean()), noise.of_margin(lambda margin: margin))}
    for spec in SPEC.quantities:
        if spec.name in QUANTITIES:
            quantity = measures.quantity(spec)
            assert quantity.value is not None
            found[spec.name] = (quantity.value, quantity.interval)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("kinds", "subset"), [(True, False), (False, False), (True, True)])
def test_intervals_hold_the_expected_value_as_often_as_they_say(
    kinds: bool, subset: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subset:
        # Some samples leave, for all; and some rows are anchors.
        monkeypatch.setattr(sample_noise, "MOST", 60)
        monkeypatch.setattr(fewer_anchors.at_most, "__defaults__", (75,))
    draws = [estimates(drawn(seed, kinds=kinds)) for seed in range(DRAWS)]
    held = {}
    for name in (*QUANTITIES, "decoupled_loss"):
        truth = np.mean([found[name][0] for found in draws])
        intervals = [found[name][1] for found in draws]
        held[name] = np.mean([found is not None and found.low <= truth <= found.high for found in intervals])
    outside = {name: share for name, share in held.items() if not 0.91 <= share <= 0.99}
    assert not outside, held


def test_the_interval_is_that_of_leaving_every_sample_out_in_turn() -> None:
    """Against the diagnostic on the set without each sample."""
    target = drawn(3, 24)
    whole = ask(target)["loss"]
    assert whole.value is not None
    assert whole.interval is not None
    rest = [ask(target.select(rows=np.delete(np.arange(24), left)))["loss"].value or 0.0 for left in range(24)]
    error = np.sqrt(23 / 24 * np.square(np.array(rest) - np.mean(rest)).sum())
    # The interval of what is above 0 is made on the log scale.
    assert np.log(whole.interval.high / whole.value) == pytest.approx(1.959964 * error / whole.value, rel=1e-3)


def ask(target: cl_viz.EmbeddingSet, temperature: float = 0.2) -> Result:
    found: Result = cl_viz.diagnose("hardness", target, params={"temperature": temperature, "negative_views": "all"})
    return found


def test_no_interval_where_a_few_samples_decide_or_views_are_not_aligned() -> None:
    easy = ask(paired_sphere(120, 16, 0.95), 0.02)
    assert easy["effective_negatives"].interval is None
    assert easy["loss"].interval is None
    image, text = clusters(40, 8, 3, 0.5).views["view_1"], clusters(80, 8, 3, 0.5).views["view_1"]
    pairs = np.stack([np.repeat(np.arange(40), 2), np.arange(80)], axis=1)
    captions = cl_viz.EmbeddingSet.from_arrays({"image": image, "text": text}, pairs=pairs)
    assert ask(captions)["entropy"].interval is None


def test_the_method_says_who_leaves() -> None:
    interval = ask(drawn(1))["entropy"].interval
    assert interval is not None
    assert interval.method == "jackknife over samples, as anchors and as negatives (100 samples left out one by one)"


def test_a_mean_of_values_that_know_nothing_of_each_other_has_the_usual_interval() -> None:
    values = np.random.default_rng(0).normal(size=50)
    noise = SampleNoise(np.arange(50), 50)
    interval = noise.interval(values.mean(), (values,), lambda _: np.repeat(values[:, None], 50, axis=1))
    assert interval is not None
    assert interval.high - values.mean() == pytest.approx(1.959964 * values.std(ddof=1) / np.sqrt(50), rel=1e-6)
