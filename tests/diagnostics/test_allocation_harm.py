"""Allocation harm: identities, the dense definition, the peers' values, resuming after a stop, and planted effects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled
from cl_viz.core.run import Run
from cl_viz.core.view import Heatmap, Table
from cl_viz.diagnostics import allocation_harm, estimate
from cl_viz.diagnostics._dense import harm as dense
from cl_viz.diagnostics._groups.mediation_effects import STATES, TERMS, mediate
from cl_viz.diagnostics._groups.mediation_probes import Split, answer
from cl_viz.diagnostics._groups.mediation_results import ClassMediation, judge
from cl_viz.engine.scanner import Scanner
from cl_viz.testing import planted_harm, sphere
from tests.golden_records import Goldens

NAME = "allocation_harm"
FEW = {"bootstraps": 200}


def _family(rare: np.ndarray, balanced: np.ndarray, labels: np.ndarray, name: str) -> list[Run]:
    """Return rare-0, balanced-0, rare-1, ... from features of shape (S, N, D)."""
    runs = []
    for seed, pair in enumerate(zip(rare, balanced, strict=True)):
        for kind, rows in zip(("rare", "balanced"), pair, strict=True):
            card = {"seed": seed, "family": "f", "imbalance_ratio": 5}
            if kind == "rare":
                card |= {"under_represented_class": name, "balanced_twin": f"balanced-{seed}"}
            runs.append(Run.from_set(EmbeddingSet.from_arrays(rows, label=labels, name=f"{kind}-{seed}"), card=card))
    return runs


def _features(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two seeds of overlapping classes; class 1 overlaps more with class 2 where it is rare."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), 30)
    centres = 1.2 * np.eye(4, 8)
    moved = centres.copy()
    moved[1] = 0.4 * centres[1] + 0.6 * centres[2]
    noise = 0.5 * generator.normal(size=(2, 2, 120, 8))
    return moved[labels] + noise[0], centres[labels] + noise[1], labels


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_effects_add_up_on_any_answers(seed: int) -> None:
    generator = np.random.default_rng(seed)
    own, tests = np.arange(12), [np.arange(0, 8), np.arange(4, 20)]
    predicted = {
        state: [[generator.integers(5, size=len(test)) for test in tests] for _ in range(2)] for state in STATES
    }
    found = mediate(3, 5, own, tests, predicted, bootstraps=20, seed=0)
    assert found is not None
    effect = {name: found.values(name) for name in TERMS}
    np.testing.assert_allclose(
        effect["total_effect"], effect["indirect_effect"] - effect["reverse_direct_effect"], atol=1e-14
    )
    np.testing.assert_allclose(
        effect["total_effect"], effect["direct_effect"] + effect["indirect_effect"] + effect["interaction"], atol=1e-14
    )
    for name in TERMS:
        assert effect[name].sum() == pytest.approx(1.0 if name == "accuracy" else 0.0, abs=1e-12)
        for column in range(5):
            interval = found.interval(name, column)
            assert -2 <= interval.low <= interval.high <= 2


def test_every_number_is_that_of_the_dense_definition() -> None:
    rare, balanced, labels = _features()
    runs = _family(rare, balanced, labels, "1")
    result = cl_viz.diagnose(NAME, runs[0], others=runs, params=FEW)
    splits = [Split.of(len(labels), seed) for seed in (0, 1)]

    def row(features: np.ndarray, imbalanced: bool) -> np.ndarray:
        found = [
            dense.probe_confusion(rows, labels, s.thinned(labels, 1, 5) if imbalanced else s.train, s.test)[1]
            for rows in features
            for s in splits
        ]
        return np.mean(found, axis=0)

    y00, y01, y10, y11 = row(balanced, False), row(rare, False), row(balanced, True), row(rare, True)
    expected = {
        "accuracy": y00, "total_effect": y11 - y00, "indirect_effect": y01 - y00, "reverse_direct_effect": y01 - y11,
        "direct_effect": y10 - y00, "interaction": y11 - y10 - y01 + y00,
    }  # fmt: skip
    for name, cells in expected.items():
        assert result[name].value == pytest.approx(cells[1], abs=1e-12), name
        interval = result[name].interval
        assert interval is not None
        assert interval.low <= cells[1] <= interval.high
    assert result["indirect_effect"].value < -0.02
    cells = result.views["cells"]
    assert isinstance(cells, Table)
    for column, name in (("NIE", "indirect_effect"), ("TE", "total_effect"), ("rNDE", "reverse_direct_effect")):
        np.testing.assert_allclose(cells.columns[column], expected[name], atol=1e-12)
    indirect = result.views["indirect"]
    assert isinstance(indirect, Heatmap)
    np.testing.assert_allclose(indirect.values[0], expected["indirect_effect"], atol=1e-12)


def test_the_page_meets_the_values_of_the_authors_code() -> None:
    """The indirect effect and representation harm of class 3 in the golden arrays, by the public calls."""
    goldens = Goldens(Path(__file__).parents[1] / "goldens")
    arrays = goldens.arrays("diagnostics")
    records = {record["metric"]: record for record in goldens.records("diagnostics")}
    features, labels = arrays["harm_feats"], arrays["harm_y"]
    runs = _family(features[3], features[-1], labels, "3")
    result = cl_viz.diagnose(NAME, runs[0], others=runs, params=FEW)
    indirect = result.views["indirect"]
    assert isinstance(indirect, Heatmap)
    np.testing.assert_allclose(indirect.values[0], records["allocation_harm_NIE"]["value"][3], atol=0.02)
    harm = cl_viz.diagnose("representation_harm", runs[0], others=runs, params={**FEW, "self_pairs": True})
    matrix = harm.views["matrix"]
    assert isinstance(matrix, Heatmap)
    np.testing.assert_allclose(matrix.values[0], records["representation_harm_RH"]["value"][3], rtol=1e-9)


def test_a_stopped_study_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, scanner, fitted = planted_harm(0.8, seeds=2), Scanner(), []

    def counting(*given: object) -> object:
        fitted.append(1)
        return answer(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(allocation_harm, "answer", counting)

    def stop(done: float, message: str) -> None:
        if done > 0.4:
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        cl_viz.diagnose(NAME, runs[0], others=runs, scanner=scanner, progress=stop, params=FEW)
    before = len(fitted)
    assert 0 < before < 16
    seen: list[float] = []
    result = cl_viz.diagnose(
        NAME, runs[0], others=runs, scanner=scanner, progress=lambda done, _: seen.append(done), params=FEW
    )
    assert len(fitted) == 16
    assert seen == sorted(seen)
    probes = result.views["probes"]
    assert isinstance(probes, Table)
    assert len(probes.columns["C"]) == 16
    # Another number of draws, and the other run of the family, fit nothing.
    cl_viz.diagnose(NAME, runs[2], others=runs, scanner=scanner, params={"bootstraps": 300})
    assert len(fitted) == 16


def test_a_class_that_became_another_loses_half_to_it() -> None:
    runs = planted_harm(0.4, seeds=4, samples=60)
    result = cl_viz.diagnose(NAME, runs[0], others=runs, params={"bootstraps": 300, "splits": 3})
    assert result["accuracy"].value == 1
    assert result["indirect_effect"].value == pytest.approx(-0.5, abs=0.2)
    assert result.level == "bad"
    assert "Most of it goes to class 2" in result.findings[0].message
    assert "The encoder alone costs class 1" in result.findings[0].message


def test_identical_twins_show_no_effect_of_the_encoder() -> None:
    runs = planted_harm(1.0, seeds=2)
    result = cl_viz.diagnose(NAME, runs[0], others=runs, params=FEW)
    assert result["indirect_effect"].value == 0
    assert result.level == "good"
    assert result["total_effect"].value == pytest.approx(-result["reverse_direct_effect"].value, abs=1e-12)


def test_the_indirect_effect_is_not_claimed_by_chance() -> None:
    """Twins that differ by their noise only, and a single seed, which can at most be watched."""
    levels = []
    for seed in range(6):
        _, first, labels = _features(seed)
        _, second, _ = _features(seed + 100)
        runs = _family(first, second, labels, "1")
        levels.append(cl_viz.diagnose(NAME, runs[0], others=runs, params=FEW).level)
    assert "bad" not in levels
    rare, balanced, labels = _features()
    single = _family(rare[:1], balanced[:1], labels, "1")
    assert cl_viz.diagnose(NAME, single[0], others=single, params=FEW).level in ("watch", "unknown")


def test_the_interval_for_other_seeds_covers() -> None:
    """Three seeds whose encoders cost a class about 15 points; samples differ in how hard they are."""
    generator, inside = np.random.default_rng(0), 0
    own, tests = np.arange(60), [np.arange(60)]
    for _ in range(150):
        hardness = generator.uniform(size=60)
        predicted = {state: [] for state in STATES}
        for _ in range(3):
            lost = {0: 0.1 + 0.03 * generator.normal(), 1: 0.25 + 0.03 * generator.normal()}
            for state in STATES:
                predicted[state].append([np.where(hardness < lost[state[1]], 1, 0)])
        found = mediate(0, 2, own, tests, predicted, bootstraps=200, seed=0)
        assert found is not None
        interval = found.wide_interval("indirect_effect", 0)
        assert interval is not None
        inside += interval.low <= -0.15 <= interval.high
    assert inside >= 0.91 * 150


def test_runs_lose_the_same_samples_and_at_least_one_is_kept() -> None:
    labels = np.repeat(np.arange(3), 20)
    split = Split.of(60, 4)
    kept = split.thinned(labels, 1, 1000)
    assert (labels[kept] == 1).sum() == 1
    np.testing.assert_array_equal(kept, Split.of(60, 4).thinned(labels, 1, 1000))
    assert set(split.train) | set(split.test) == set(range(60))
    runs = planted_harm(0.8, seeds=1)
    lines = cl_viz.diagnose(NAME, runs[0], others=runs, params={**FEW, "imbalance_ratio": 7}).caveats.lines()
    assert any("keep" in line and "training samples of class 1" in line for line in lines)


def test_what_is_missing_is_said() -> None:
    runs = planted_harm(0.8)
    assert "open the balanced twin balanced-0" in cl_viz.diagnose(NAME, runs[0]).findings[0].advice
    few = [
        Run.from_set(EmbeddingSet.from_arrays(sphere(6, 4, s), label=[0, 0, 1, 1, 2, 2], name=name), card=card)
        for s, (name, card) in enumerate(
            [("rare-0", {"under_represented_class": 1, "balanced_twin": "balanced-0"}), ("balanced-0", {})]
        )
    ]
    result = cl_viz.diagnose(NAME, few[0], others=few)
    assert result.level == "unknown"
    assert "too few for probes" in result.findings[0].message


def test_the_estimate_grows_with_the_work() -> None:
    runs = planted_harm(0.8)
    one = estimate(NAME, runs[0], others=runs, params={"splits": 1})
    assert estimate(NAME, runs[0], others=runs, params={"splits": 10}) == pytest.approx(10 * one)
    assert estimate(NAME, runs[0]) == 0


def test_an_effect_that_one_interval_does_not_show_is_open() -> None:
    own, tests = np.arange(40), [np.arange(40)]
    base = np.ones(40, dtype=np.int64)
    worse = base.copy()
    worse[:3] = 2
    predicted = {state: [[worse if state[1] and seed == 0 else base] for seed in range(3)] for state in STATES}
    found = mediate(1, 3, own, tests, predicted, bootstraps=500, seed=0)
    assert found is not None
    assert judge(found)[1] in ("open", "excluded")
    assert ClassMediation("1", found).receiver == 2


def test_the_interval_for_other_seeds_holds_that_of_these_seeds() -> None:
    generator, own, tests = np.random.default_rng(0), np.arange(20), [np.arange(20)]
    for _ in range(25):
        predicted = {state: [[generator.choice(3, p=(0.8, 0.15, 0.05), size=20)] for _ in range(3)] for state in STATES}
        found = mediate(0, 3, own, tests, predicted, bootstraps=100, seed=0)
        assert found is not None
        for column in range(3):
            here, wide = found.interval("indirect_effect", column), found.wide_interval("indirect_effect", column)
            assert wide is not None
            assert wide.low <= here.low <= here.high <= wide.high
        wide = found.wide_interval("indirect_effect", 0)
        assert wide is not None
        assert (judge(found)[1] == "shown") == (wide.high < 0)
