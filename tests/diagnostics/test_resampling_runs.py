"""Differences judged by resampling: the same samples in both runs, no more marks than promised, and what is said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, InputError
from cl_viz.core.run import Run
from cl_viz.diagnostics import DIAGNOSTICS, diagnose
from cl_viz.diagnostics._comparing.differences import Difference, adjusted, difference
from cl_viz.diagnostics._comparing.resampling import OF_MOMENTS, resample, resample_seconds
from cl_viz.diagnostics._comparing.same_samples import Pairing
from cl_viz.diagnostics._comparing.unjudged import GROWING_WITH_N, NOT_BY_INFLUENCES, ONLY_BY_INFLUENCES, UNJUDGED

Floats = NDArray[np.float64]
SAME = Pairing(True, "same samples by id")
CENTRES = np.random.default_rng(99).normal(size=(3, 6))
SCALE = np.linspace(1.3, 0.6, 6)


def two_noises(generator: np.random.Generator, count: int, **columns: Any) -> list[EmbeddingSet]:
    """Embed samples with one encoder twice, each time with noise of its own."""
    label = generator.integers(3, size=count)
    content = (CENTRES[label] + 0.7 * generator.normal(size=(count, 6))) * SCALE
    made = []
    for name in ("first", "second"):
        rows = {
            view: (content + 0.3 * generator.normal(size=content.shape)).astype(np.float32)
            for view in ("view_1", "view_2")
        }
        made.append(EmbeddingSet.from_arrays(rows, name=name, label=label, **columns))
    return made


def as_runs(sets: list[EmbeddingSet]) -> list[Run]:
    return [Run.from_set(entry) for entry in sets]


def test_two_noise_seeds_of_one_encoder_are_marked_at_the_rate_that_is_promised() -> None:
    generator = np.random.default_rng(4)
    rounds = 60
    asked = ("dimension_ranks", "spectrum", "class_cosines")
    marked: dict[str, int] = {}
    judged: dict[str, int] = {}
    any_held = 0
    for _ in range(rounds):
        table = cl_viz.compare_runs(two_noises(generator, 70), diagnostics=asked)
        any_held += table.holding > 0
        for row in table.rows:
            for entry in row.differences.values():
                judged[row.key] = judged.get(row.key, 0) + (entry.interval is not None)
                marked[row.key] = marked.get(row.key, 0) + entry.beyond_noise
    rates = {key: marked[key] / count for key, count in judged.items() if count == rounds}
    assert len(rates) >= 12
    # A rate of 5 % shows itself as 10 of 60 or more in one run of a thousand.
    assert max(rates.values()) < 10 / 60, rates
    # The ranks move together, so that their mean rate is hardly better known than one of them.
    assert np.mean(list(rates.values())) < 0.1
    # Of equal runs nothing holds, in 95 of 100 comparisons.
    assert any_held / rounds < 0.12


@pytest.mark.parametrize("scheme", ["bootstrap", "half-samples"])
def test_influences_are_the_fast_way_to_what_resampling_finds(scheme: str) -> None:
    sets = two_noises(np.random.default_rng(8), 120)
    asked = {
        "bootstrap": ("dimension_ranks", "spectrum"),
        "half-samples": ("alignment_uniformity",),
    }[scheme]
    assert all((name in OF_MOMENTS) == (scheme == "bootstrap") for name in asked)
    drawn = resample(as_runs(sets), {"second": SAME}, "first", asked, draws=60, seed=1)
    compared = 0
    for name in asked:
        before, after = (diagnose(name, entry) for entry in sets)
        for quantity, own in before.quantities.items():
            quick = difference(own, after[quantity], SAME, f"{name}.{quantity}")
            if quick is None or quick.interval is None or quick.noise != "paired":
                continue
            error, kept, reason = drawn.standard_error("first", "second", f"{name}.{quantity}")
            assert (kept, reason) == (60, "")
            ratio = (quick.interval.high - quick.interval.low) / 2 / 1.96 / error
            # 60 draws know a standard error to 9 %.
            assert 0.7 < ratio < 1.4, (name, quantity, ratio)
            compared += 1
    assert compared >= 3


def test_the_bootstrap_of_a_mean_has_its_textbook_error_and_pairing_narrows_it() -> None:
    sets = two_noises(np.random.default_rng(2), 200)
    asked = ("data_quality",)
    paired = resample(as_runs(sets), {"second": SAME}, "first", asked, draws=60)
    apart = resample(as_runs(sets), {"second": Pairing(False, "others")}, "first", asked, draws=60)
    norms = [np.linalg.norm(np.concatenate(list(entry.views.values()), axis=1).reshape(200, 2, 6), axis=2)
             for entry in sets]  # fmt: skip
    moved = (norms[1] - norms[0]).mean(axis=1)
    error, _, _ = paired.standard_error("first", "second", "data_quality.norm_mean")
    assert error == pytest.approx(moved.std() / math.sqrt(200), rel=0.3)
    wide, _, _ = apart.standard_error("first", "second", "data_quality.norm_mean")
    assert wide > 1.3 * error
    alone = np.hypot(*(entry.mean(axis=1).std() for entry in norms)) / math.sqrt(200)
    assert wide == pytest.approx(alone, rel=0.3)


def test_equal_samples_are_drawn_together() -> None:
    single = two_noises(np.random.default_rng(3), 60)
    five = [
        EmbeddingSet.from_arrays({view: np.repeat(rows, 5, axis=0) for view, rows in entry.views.items()},
                                 name=entry.name)
        for entry in single
    ]  # fmt: skip
    named = [
        EmbeddingSet.from_arrays(dict(entry.views), metadata={"id": np.arange(300) // 5}, roles={"id": "id"},
                                 name=entry.name)
        for entry in five
    ]  # fmt: skip
    errors = []
    for sets in (single, five, named):
        drawn = resample(as_runs(sets), {"second": SAME}, "first", ("data_quality",), draws=60)
        assert drawn.units == {"first": 60, "second": 60}
        errors.append(drawn.standard_error("first", "second", "data_quality.norm_mean")[0])
    assert errors[1] == pytest.approx(errors[0], rel=1e-3)
    assert errors[2] == pytest.approx(errors[0], rel=1e-3)
    few = two_noises(np.random.default_rng(3), 12)
    drawn = resample(as_runs(few), {"second": SAME}, "first", ("isotropy",), draws=20)
    assert drawn.standard_error("first", "second", "isotropy.isoscore")[2] == "only 12 of its samples differ"


def test_a_table_of_resamples_judges_more_says_how_and_is_repeatable() -> None:
    sets = two_noises(np.random.default_rng(6), 80)
    other = EmbeddingSet.from_arrays({v: np.array(rows)[:70] for v, rows in sets[0].views.items()}, name="other",
                                     label=np.array(sets[0].role("label"))[:70])  # fmt: skip
    asked = ("class_cosines", "label_retrieval", "cross_view_retrieval", "data_quality")
    quick = cl_viz.compare_runs([*sets, other], diagnostics=asked)
    seen: list[float] = []
    table = cl_viz.compare_runs(
        [*sets, other], diagnostics=asked, resamples=24, seed=5, progress=lambda done, message: seen.append(done)
    )
    again = cl_viz.compare_runs([*sets, other], diagnostics=asked, resamples=24, seed=5)
    assert table.judged > quick.judged
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert table.resamples is not None
    assert (table.resamples.draws, table.resamples.seed) == (24, 5)
    moved = table["label_retrieval.map_at_r"].differences
    assert (moved["second"].noise, moved["second"].method, moved["second"].degrees) == ("paired", "half-samples", 23)
    assert (moved["other"].noise, "70 in view_1" in moved["other"].reason) == ("unpaired", True)
    assert moved["second"].interval == again["label_retrieval.map_at_r"].differences["second"].interval
    assert table["class_cosines.within"].noise == "paired, bootstrap; unpaired, bootstrap"
    assert table["cross_view_retrieval.recall_at_1_there"].differences["second"].method == ""
    assert "what is in the file" in table["data_quality.rows"].reason
    with pytest.raises(InputError, match="20 or more"):
        cl_viz.compare_runs(sets, diagnostics=asked, resamples=5)

    def stop(done: float, message: str) -> None:
        if "resample 3 of" in message:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cl_viz.compare_runs(sets, diagnostics=asked, resamples=24, progress=stop)
    assert resample_seconds(sets, asked, 200) > resample_seconds(sets, asked, 20) > 0


def test_p_values_are_adjusted_for_how_many_were_judged() -> None:
    from scipy.stats import false_discovery_control, norm

    def of(statistic: float) -> Difference:
        reach = 1.959963985
        return Difference(statistic, cl_viz.core.result.Interval(statistic - reach, statistic + reach), "paired")

    found = [of(value) for value in (0.5, 2.1, 5.0)] + [Difference(1.0, None, "no interval")]
    made = adjusted(found)
    p_values = [2 * norm.sf(value) for value in (0.5, 2.1, 5.0)]
    assert [entry.p_value for entry in found[:3]] == pytest.approx(p_values, rel=1e-6)
    assert [entry.adjusted for entry in made[:3]] == pytest.approx(false_discovery_control(p_values, method="by"))
    assert [entry.beyond_noise for entry in made] == [False, True, True, False]
    assert [entry.holds for entry in made] == [False, False, True, False]
    assert math.isnan(made[3].adjusted)
    assert adjusted([]) == []


def test_every_number_named_as_not_judged_is_a_number() -> None:
    declared = {f"{name}.{entry.name}" for name, spec in DIAGNOSTICS.items() for entry in spec.quantities}
    keys: Mapping[str, object] = {**UNJUDGED, **dict.fromkeys(GROWING_WITH_N), **dict.fromkeys(ONLY_BY_INFLUENCES)}
    assert set(keys) <= declared
    assert {*NOT_BY_INFLUENCES, *OF_MOMENTS} <= set(DIAGNOSTICS)
