"""Runs side by side: paired intervals hold what they promise, and equal runs do not differ."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.influences import MOST_UNITS, Influences
from cl_viz.core.result import Interval, Quantity
from cl_viz.diagnostics import Point, against, card_facts, changed_neighbors, diagnose, run_matrix
from cl_viz.diagnostics._comparing.differences import difference
from cl_viz.diagnostics._comparing.same_samples import Pairing, pairing

Floats = NDArray[np.float64]
SAME = Pairing(True, "same samples by id")
QUICK = ("alignment_uniformity", "label_retrieval", "neural_collapse")


def views(generator: np.random.Generator, count: int) -> dict[str, dict[str, Floats]]:
    """Draw samples, and embed them with two encoders that see the same noise."""
    content = generator.normal(size=(count, 4))
    noise = [generator.normal(size=(count, 4)) for _ in range(2)]
    made = {}
    for name, tilt, spread in (("first", 1.0, 0.30), ("second", 0.8, 0.36)):
        rows = [content * [1, 1, 1, tilt] + spread * entry for entry in noise]
        made[name] = {f"view_{n}": row / np.linalg.norm(row, axis=1)[:, None] for n, row in enumerate(rows, 1)}
    return made


def embedding_set(name: str, arrays: Mapping[str, NDArray[Any]], **columns: Any) -> EmbeddingSet:
    rows = {view: np.asarray(values, dtype=np.float32) for view, values in arrays.items()}
    return EmbeddingSet.from_arrays(rows, name=name, **columns)


def population(arrays: dict[str, Floats]) -> dict[str, float]:
    """Alignment and uniformity of many samples, straight from their definitions."""
    first, second = arrays.values()
    found = {"alignment": float(np.square(first - second).sum(axis=1).mean())}
    logs = []
    for rows in (first, second):
        half = len(rows) // 2
        kernel = np.exp(-2 * (2 - 2 * rows[:half] @ rows[half:].T))
        logs.append(math.log(kernel.mean()))
    return found | {"uniformity": float(np.mean(logs))}


def test_paired_intervals_hold_the_true_difference_and_are_narrower() -> None:
    generator = np.random.default_rng(3)
    many = {name: population(arrays) for name, arrays in views(generator, 6000).items()}
    truth = {name: many["second"][name] - many["first"][name] for name in ("alignment", "uniformity")}
    held = dict.fromkeys(truth, 0)
    widths: dict[str, list[tuple[float, float]]] = {name: [] for name in truth}
    rounds = 60
    for _ in range(rounds):
        results = {
            name: diagnose("alignment_uniformity", embedding_set(name, arrays))
            for name, arrays in views(generator, 100).items()
        }
        for name, expected in truth.items():
            pair = results["first"][name], results["second"][name]
            paired, unpaired = (difference(*pair, Pairing(same, "")) for same in (True, False))
            assert paired is not None
            assert paired.interval is not None
            assert paired.noise == "paired"
            assert unpaired is not None
            assert unpaired.interval is not None
            assert unpaired.noise == "unpaired"
            held[name] += paired.interval.low <= expected <= paired.interval.high
            intervals = paired.interval, unpaired.interval
            widths[name].append((intervals[0].high - intervals[0].low, intervals[1].high - intervals[1].low))
    for name, times in held.items():
        # 57 of 60 on average; an honest interval holds it fewer than 50 times in one run of a thousand.
        assert times >= 50, f"{name} was held {times} times in {rounds}"
        paired_width, unpaired_width = np.mean(widths[name], axis=0)
        assert paired_width < 0.6 * unpaired_width, name


@pytest.fixture(scope="module")
def labelled() -> list[EmbeddingSet]:
    generator = np.random.default_rng(5)
    label = np.repeat(np.arange(4), 30)
    centres = 2 * generator.normal(size=(4, 4))
    sets = []
    for name, arrays in views(generator, 120).items():
        moved = {view: rows + centres[label] for view, rows in arrays.items()}
        sets.append(embedding_set(name, moved, label=label))
    return sets


def test_equal_runs_show_no_difference(labelled: list[EmbeddingSet]) -> None:
    first = labelled[0]
    twin = embedding_set(
        "twin", {view: np.array(rows) for view, rows in first.views.items()}, label=first.role("label")
    )
    table = cl_viz.compare_runs([first, twin], diagnostics=QUICK)
    assert table.judged > 5
    assert table.beyond_noise == 0
    assert {entry.value for entry in table.differences} == {0.0}
    assert all(row.best == "" for row in table.rows)


def test_a_table_says_what_is_best_what_is_beyond_noise_and_how_it_was_judged(labelled: list[EmbeddingSet]) -> None:
    table = cl_viz.compare_runs(labelled, reference="second", diagnostics=QUICK)
    row = table["alignment_uniformity.alignment"]
    assert row.better == "lower"
    assert row.best == "first"
    assert row.noise == "paired"
    assert row.differences["first"].beyond_noise
    assert row.cell("first").startswith("best · differs · ")
    assert row.cell("second") == row.quantities["second"].text()
    assert table["label_retrieval.true_recall"].noise == "no interval"
    assert "negatives there are" in table["label_retrieval.true_recall"].reason
    assert "resample" in table["label_retrieval.map_at_r"].reason
    ((run, finding),) = table.findings
    assert run == "first"
    assert finding.level == ("good" if ", 0 worse" in finding.message else "watch")
    assert f"{table.holding} of {table.judged} judged numbers differ from those of second" in finding.message
    strengths = [entry.strength() for entry in table.sorted_by()]
    judged = [strength for strength in strengths if not math.isnan(strength)]
    assert judged == sorted(judged, reverse=True)
    assert all(math.isnan(strength) for strength in strengths[len(judged) :])
    view = table.view(table.sorted_by(), "differences")
    assert list(view.columns)[2:4] == ["first", "second (reference)"]
    assert set(view.columns["second (reference)"]) == {""}
    assert view.title.endswith(f"{table.holding} of them at a false discovery rate of 5 %")
    assert view.title.startswith(f"{table.beyond_noise} of {table.judged} differences from second are beyond noise")
    assert "second (reference)</th>" in table._repr_html_()
    frame = table.table()
    assert len(frame) == sum(len(entry.quantities) for entry in table.rows)
    mine = frame[(frame["key"] == row.key) & (frame["run"] == "first")].iloc[0]
    moved = row.differences["first"]
    assert mine["difference"] == moved.value == mine["value"] - row.value("second")
    assert moved.interval is not None
    assert [mine["difference_low"], mine["difference_high"]] == [moved.interval.low, moved.interval.high]
    assert mine["direction"] == "better"
    assert frame["beyond_noise"].sum() == table.beyond_noise
    assert frame[frame["run"] == "second"]["difference"].isna().all()
    with pytest.raises(KeyError, match=r"did you mean .label_retrieval\.map_at_r."):
        table["label_retrieval.map_at_k"]


def test_other_samples_are_compared_unpaired_with_the_reason(labelled: list[EmbeddingSet]) -> None:
    first, second = labelled
    label = np.array(second.role("label"))[::-1]
    turned = embedding_set("turned", {view: np.array(rows)[::-1] for view, rows in second.views.items()}, label=label)
    table = cl_viz.compare_runs([first, turned], diagnostics=QUICK)
    found = table["alignment_uniformity.alignment"].differences["turned"]
    assert found.noise == "unpaired"
    assert "another order" in found.reason
    assert not table.pairings["turned"].same
    gone = {view: np.array(rows) for view, rows in second.views.items()}
    gone["view_1"][3] = np.nan
    holed = embedding_set("holed", gone, label=second.role("label"))
    assert pairing(first, holed, ("first", "holed")).reason == "other rows of view_1 are NaN, infinite or zero"


def test_numbers_without_intervals_are_shown_and_not_judged() -> None:
    def quantity(value: float | None, interval: Interval | None = None) -> Quantity:
        return Quantity("q", "Q", value, interval=interval)

    assert difference(quantity(None), quantity(1.0), SAME) is None
    bare = difference(quantity(1.0), quantity(2.0), SAME)
    assert bare is not None
    assert (bare.noise, bare.beyond_noise, bare.value) == ("no interval", False, 1.0)
    assert math.isnan(bare.strength)
    flat = difference(quantity(1.0, Interval(1.0, 1.0)), quantity(2.0, Interval(2.0, 2.0)), SAME)
    assert flat is not None
    assert flat.interval is None
    # Squared and added: the upper arm of the smaller and the lower arm of the larger decide.
    apart = difference(quantity(1.0, Interval(0.9, 1.3)), quantity(2.0, Interval(1.6, 2.1)), SAME)
    assert apart is not None
    assert apart.interval is not None
    assert apart.interval.low == pytest.approx(1 - 0.5)
    assert apart.interval.high == pytest.approx(1 + math.hypot(0.1, 0.1))


def test_influences_of_many_samples_are_kept_small_with_the_same_error() -> None:
    generator = np.random.default_rng(0)
    values = generator.exponential(size=MOST_UNITS * 7 + 11)
    kept = Influences.keep([values - values.mean()], [len(values)])
    assert len(kept.groups[0]) == MOST_UNITS
    assert kept.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(len(values)), rel=0.03)
    few = Influences.keep([values[:50]], [50])
    assert few.standard_error == pytest.approx(values[:50].std(ddof=1) / math.sqrt(50), rel=1e-6)
    assert not few.matches(kept)


def test_runs_that_cannot_be_compared_are_refused(labelled: list[EmbeddingSet]) -> None:
    with pytest.raises(InputError, match="two runs or more"):
        cl_viz.compare_runs(labelled[:1])
    with pytest.raises(InputError, match="same name"):
        cl_viz.compare_runs([labelled[0], labelled[0]])
    with pytest.raises(InputError, match="no run 'third'"):
        cl_viz.compare_runs(labelled, reference="third")


def test_the_matrix_of_runs_has_known_values_and_names_who_is_left_out(labelled: list[EmbeddingSet]) -> None:
    first, second = labelled
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))
    turned = embedding_set("turned", {v: rows @ turn for v, rows in first.views.items()}, label=first.role("label"))
    other = embedding_set("other", {v: rows[:100] for v, rows in first.views.items()})
    seen: list[float] = []
    found = run_matrix([first, second, turned, other], progress=lambda done, message: seen.append(done))
    assert found.runs == ("first", "second", "turned")
    assert "other 100 in view_1" in found.left_out["other"]
    assert found.count == 120
    for values in found.values.values():
        assert np.diag(values) == pytest.approx(1.0)
        assert values == pytest.approx(values.T)
        # A turned copy is the same to all three.
        assert values[0, 2] == pytest.approx(1.0, abs=0.01)
        assert values[0, 1] < 1 - 1e-6
    pair = diagnose("run_similarity", second, others=[first])
    for measure, name in (("cka", "cka_debiased"), ("procrustes", "procrustes_similarity"),
                          ("neighbours", "neighbor_overlap")):  # fmt: skip
        assert found.values[measure][0, 1] == pytest.approx(pair[name].value, abs=1e-9)
    assert found.view("procrustes").title.startswith("Procrustes similarity: least ")
    assert found.view("neighbours").scale.range == (0.0, 1.0)
    assert max(seen) <= 1.0
    with pytest.raises(MissingInputError, match="no second run"):
        run_matrix([first, other])


def test_neighbours_of_a_sample_in_two_runs_are_those_of_the_definition(labelled: list[EmbeddingSet]) -> None:
    first, second = labelled
    change = changed_neighbors(first, second, 7, 5)
    lists = []
    for one in labelled:
        rows = np.asarray(one.views["view_1"], dtype=np.float64)
        rows = rows / np.linalg.norm(rows, axis=1)[:, None]
        scores = rows @ rows[7]
        scores[7] = -2
        lists.append(set(np.argsort(-scores)[:5].tolist()))
    assert set(change.kept.tolist()) == lists[0] & lists[1]
    assert set(change.lost.tolist()) == lists[0] - lists[1]
    assert set(change.gained.tolist()) == lists[1] - lists[0]
    assert change.views == ("view_1", "view_1")


def test_one_number_against_another_says_its_rank_correlation_from_four_runs_on() -> None:
    def point(run: str, x: float, y: float, spread: float = 0.0) -> Point:
        ends = Interval(y - spread, y + spread) if spread else None
        return Point(run, Quantity("t", "temperature", x), Quantity("u", "Uniformity", y, interval=ends, n=50))

    points = [point("a", 0.01, -1.0, 0.1), point("b", 0.1, -2.0), point("c", 0.5, -3.0), point("d", 1.0, -2.5)]
    view = against(points)
    assert view.title == "Uniformity against temperature: rank correlation -0.80 (N = 4 runs)"
    assert view.named
    assert view.x.log
    assert not view.y.log
    assert view.x.range is not None
    assert view.x.range[0] < 0.01 < 1.0 < view.x.range[1]
    assert view.series[0].low == pytest.approx([-1.1])
    assert view.series[1].low is None
    assert against(points[:3]).title.endswith("N = 3 runs: a rank correlation needs 4")
    flat = [point(name, 1.0, y) for name, y in zip("abcd", range(4), strict=True)]
    assert "the same in all runs" in against(flat).title
    # Steps of a run are not runs: only the last of each counts.
    steps = against([point("a", 9.0, 9.0), *points])
    assert "at the last step: rank correlation -0.80 (N = 4 runs)" in steps.title
    assert not steps.named
    assert len(steps.series) == 4
    drawn = cl_viz.render(view)
    assert drawn.data[0].error_y.arrayminus is not None


def test_facts_of_a_card_are_its_numbers(labelled: list[EmbeddingSet]) -> None:
    card = {"temperature": 0.1, "loss": "ntxent", "frozen": True, "parameters": {"margin": 2}, "rate": math.nan}
    facts = card_facts(cl_viz.Run.from_set(labelled[0], card=card))
    assert {name: fact.value for name, fact in facts.items()} == {
        "card.temperature": 0.1, "card.parameters.margin": 2.0, "card.N": 120.0, "card.D": 4.0,
    }  # fmt: skip
