"""What every diagnostic promises, on every kind of input it may meet."""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, InputError
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.result import LEVELS, Level, Result
from cl_viz.core.run import Run, Snapshot
from cl_viz.core.threshold import Condition, Limit, Threshold
from cl_viz.core.view import Heatmap, Histogram, Table
from cl_viz.diagnostics import DIAGNOSTICS, _thresholds, estimate
from cl_viz.diagnostics._thresholds.collapse import TOTAL_VARIANCE
from cl_viz.engine import Statistics
from cl_viz.engine.nearest import NeighborMap
from cl_viz.engine.scanner import Scanner
from cl_viz.figures import csv_text
from cl_viz.reporting import as_document, as_text


def _rows(n: int = 60, dim: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim))


def _labelled(label: object = None) -> EmbeddingSet:
    first = _rows()
    named = {} if label is None else {"label": label}
    return EmbeddingSet.from_arrays({"a": first, "b": first + 0.2 * _rows(seed=1)}, name="set", **named)


def _with_bad_rows() -> EmbeddingSet:
    first, second = _rows(), _rows(seed=1)
    first[3], first[7, 2], second[9, 0] = 0.0, np.nan, np.inf
    return EmbeddingSet.from_arrays({"a": first, "b": second}, label=np.arange(60) % 3)


def _one_sample_left() -> EmbeddingSet:
    kept = np.array([[1.0], [0.0], [0.0]])
    return EmbeddingSet.from_arrays({"a": _rows(3) * kept, "b": _rows(3, seed=1) * kept}, label=[0, 1, 1])


def _two_directions() -> EmbeddingSet:
    sides = np.random.default_rng(2).choice([-1.0, 1.0], size=(2, 13, 1)) * np.ones(4)
    return EmbeddingSet.from_arrays({"a": sides[0], "b": sides[1]}, label=np.arange(13) % 3)


def _many_to_many() -> EmbeddingSet:
    captions = np.stack([np.repeat(np.arange(60), 2), np.arange(120)], axis=1)
    return EmbeddingSet.from_arrays({"image": _rows(), "text": _rows(120, seed=1)}, pairs=captions)


def _trained() -> Run:
    label = np.arange(60) % 4
    steps = {}
    for step, noise in ((0, 3.0), (10, 1.0), (100, 0.1)):
        views = {"a": _rows(), "b": _rows() + noise * _rows(seed=step)}
        steps[Snapshot(step, "projector")] = EmbeddingSet.from_arrays(views, label=label, name="trained")
    return Run("trained", steps, card={"temperature": 0.2})


INPUTS: dict[str, Callable[[], Run | EmbeddingSet]] = {
    "two views with labels": lambda: _labelled(np.arange(60) % 4),
    "two views without labels": _labelled,
    "one view with labels": lambda: EmbeddingSet.from_arrays(_rows(), label=np.arange(60) % 4),
    "one view without labels": lambda: EmbeddingSet.from_arrays(_rows()),
    "one label for all": lambda: _labelled(np.zeros(60, dtype=int)),
    "a label for each": lambda: _labelled(np.arange(60)),
    "labels missing for some": lambda: _labelled([None if i % 3 == 0 else f"<b>{i % 2}</b>" for i in range(60)]),
    "one point a class, views equal": lambda: EmbeddingSet.from_arrays(
        {"a": np.repeat(_rows(2), 20, axis=0), "b": np.repeat(_rows(2), 20, axis=0)}, label=np.arange(40) // 20
    ),
    "bad rows": _with_bad_rows,
    "all rows equal": lambda: EmbeddingSet.from_arrays({"a": np.ones((20, 4)), "b": np.ones((20, 4))}),
    "two samples": lambda: EmbeddingSet.from_arrays({"a": _rows(2), "b": _rows(2, seed=1)}, label=[0, 1]),
    "one sample left": _one_sample_left,
    "two directions": _two_directions,
    "many to many": _many_to_many,
    "half precision": lambda: EmbeddingSet.from_arrays(_rows().astype(np.float16), label=np.arange(60) % 2),
    "three views": lambda: EmbeddingSet.from_arrays({view: _rows(seed=i) for i, view in enumerate("abc")}),
    "training steps": _trained,
}


@pytest.fixture(scope="module", params=list(INPUTS))
def target(request: pytest.FixtureRequest) -> Run | EmbeddingSet:
    return INPUTS[request.param]()


class _Noting(Scanner):
    """Notes which passes are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def statistics(self, embedding_set: EmbeddingSet, progress: ProgressCallback = silent) -> Statistics:
        self.asked.add("statistics")
        return super().statistics(embedding_set, progress)

    def neighbors(self, embedding_set: EmbeddingSet, progress: ProgressCallback = silent) -> NeighborMap:
        self.asked.add("neighbors")
        return super().neighbors(embedding_set, progress)


@dataclass(frozen=True)
class Looked:
    """A result, the passes that were asked for, and the limits that levels were read from."""

    result: Result
    asked: set[str]
    judged_by: set[str]


@pytest.fixture(scope="module", params=list(DIAGNOSTICS))
def looked(request: pytest.FixtureRequest, target: Run | EmbeddingSet) -> Looked:
    scanner, judged_by, level, met = _Noting(), set(), Threshold.level, Condition.met

    def noting(threshold: Threshold, value: float) -> Level:
        judged_by.add(threshold.what)
        return level(threshold, value)

    def noting_condition(condition: Condition, value: float) -> bool:
        judged_by.add(condition.what)
        return met(condition, value)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Threshold, "level", noting)
        patch.setattr(Condition, "met", noting_condition)
        found = cl_viz.diagnose(request.param, target, scanner=scanner)
    return Looked(found, scanner.asked, judged_by)


@pytest.fixture(scope="module")
def result(looked: Looked) -> Result:
    return looked.result


def test_only_declared_passes_are_asked_for(looked: Looked) -> None:
    assert looked.asked <= set(DIAGNOSTICS[looked.result.diagnostic].passes)


def test_levels_are_read_from_declared_limits_only(looked: Looked) -> None:
    declared = {found.what for found in DIAGNOSTICS[looked.result.diagnostic].thresholds}
    # Good news of any diagnostic is qualified where rows have collapsed.
    assert looked.judged_by <= declared | {TOTAL_VARIANCE.what}


def test_every_limit_is_declared_where_it_is_used() -> None:
    declared = {found for spec in DIAGNOSTICS.values() for found in spec.thresholds}
    there = {
        found
        for info in pkgutil.iter_modules(_thresholds.__path__)
        for found in vars(importlib.import_module(f"{_thresholds.__name__}.{info.name}")).values()
        if isinstance(found, Limit)
    }
    assert len({found.what for found in there}) == len(there) > 40
    assert declared == there


@pytest.mark.parametrize("name", [name for name, spec in DIAGNOSTICS.items() if spec.needs == "set" and spec.quick])
def test_declared_passes_are_asked_for(name: str) -> None:
    scanner = _Noting()
    cl_viz.diagnose(name, INPUTS["two views with labels"](), scanner=scanner)
    assert scanner.asked == set(DIAGNOSTICS[name].passes)


def test_declared_quantities_are_reported_and_no_others(result: Result) -> None:
    declared = {spec.name: spec for spec in DIAGNOSTICS[result.diagnostic].quantities}
    if not result.quantities:
        assert result.level == "unknown"
        return
    assert set(result.quantities) == set(declared)
    for name, quantity in result.quantities.items():
        assert (quantity.name, quantity.label, quantity.unit) == (name, declared[name].label, declared[name].unit)
        assert quantity.range == declared[name].range
        assert quantity.text()


def test_numbers_lie_in_their_range_or_say_what_is_missing(result: Result) -> None:
    for name, quantity in result.quantities.items():
        if quantity.value is None:
            assert quantity.missing, name
            continue
        assert not math.isnan(quantity.value), name
        assert quantity.n is not None, name
        low, high = quantity.range or (-math.inf, math.inf)
        assert low <= quantity.value <= high, name
        if quantity.interval is not None:
            assert quantity.interval.low <= quantity.value <= quantity.interval.high, name
            # A rank may stand for all that could be drawn; of other numbers an interval without width says nothing.
            assert quantity.interval.low < quantity.interval.high or quantity.unit == "rank", name
            assert 0 < quantity.interval.level < 1
            assert quantity.interval.method


def test_there_are_findings_in_sentences_with_a_source(result: Result) -> None:
    declared = {spec.name for spec in DIAGNOSTICS[result.diagnostic].quantities}
    assert result.findings
    for finding in result.findings:
        assert finding.diagnostic == result.diagnostic
        assert finding.level in LEVELS
        assert finding.message.endswith(".")
        assert finding.message[0].isupper() or not finding.message[0].isalpha()
        assert not finding.quantity or finding.quantity in declared
        if finding.level == "unknown":
            assert finding.advice, finding.message
        else:
            assert finding.source is not None, finding.message
    ranks = [LEVELS.index(finding.level) for finding in result.findings]
    assert ranks == sorted(ranks)


def test_caveats_say_what_the_numbers_rest_on(result: Result, target: Run | EmbeddingSet) -> None:
    embedding_set = target.get() if isinstance(target, Run) else target
    caveats = result.caveats
    assert caveats.n_used > 0
    assert caveats.n_excluded >= 0
    assert caveats.dim == embedding_set.dim
    assert set(caveats.views) <= set(embedding_set.view_names)
    assert all(caveats.lines())


def test_figures_are_data_that_can_be_drawn_and_downloaded(result: Result) -> None:
    for name, view in result.views.items():
        assert view.title, name
        if not isinstance(view, Heatmap | Table):
            assert view.series, name
            for series in view.series:
                extra = 1 if isinstance(view, Histogram) else 0
                assert len(series.x) == len(series.y) + extra, name
                assert series.run == result.run
        json.loads(cl_viz.render(view).to_json())
        assert csv_text(view).count("\n") >= 1


def test_the_result_is_strict_json(result: Result, target: Run | EmbeddingSet) -> None:
    embedding_set = target.get() if isinstance(target, Run) else target

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    document = json.loads(as_text(as_document([(embedding_set, [result])])), parse_constant=refuse)
    (run,) = document["runs"]
    assert len(run["quantities"]) == len(result.quantities)
    assert len(run["findings"]) == len(result.findings)


def test_text_is_escaped_where_html_is_made(result: Result) -> None:
    assert "<b>1</b>" not in result._repr_html_()


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_the_same_input_gives_the_same_result(name: str) -> None:
    first, second = (cl_viz.diagnose(name, _trained()) for _ in range(2))
    assert {key: quantity.value for key, quantity in first.quantities.items()} == {
        key: quantity.value for key, quantity in second.quantities.items()
    }
    assert first.findings == second.findings


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_progress_rises_and_can_stop_the_work(name: str) -> None:
    seen: list[float] = []
    cl_viz.diagnose(name, _trained(), progress=lambda done, message: seen.append(done))
    assert seen == sorted(seen)
    assert all(0 <= done <= 1 for done in seen)

    def stop(done: float, message: str) -> None:
        raise Cancelled("stopped")

    if seen:
        with pytest.raises(Cancelled):
            cl_viz.diagnose(name, _trained(), progress=stop)


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_a_parameter_that_is_unknown_or_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown parameter"):
        cl_viz.diagnose(name, _trained(), params={"nonsense": 1})
    for info in DIAGNOSTICS[name].params.describe():
        if info.high is not None:
            with pytest.raises(InputError, match=info.name):
                cl_viz.diagnose(name, _trained(), params={info.name: type(info.default)(info.high + 1)})


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_its_page_is_there(name: str, checkout: object) -> None:
    assert (checkout / "pages" / f"{DIAGNOSTICS[name].page}.py").is_file()  # type: ignore[operator]


@pytest.mark.parametrize("name", list(DIAGNOSTICS))
def test_what_is_slow_says_about_how_long_it_takes(name: str) -> None:
    spec = DIAGNOSTICS[name]
    assert spec.quick or spec.seconds is not None
    assert estimate(name, _trained()) >= 0
