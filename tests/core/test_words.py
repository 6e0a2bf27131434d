"""Runs, results, parameters, errors and figures as data."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from cl_viz import EmbeddingSet, Run, Snapshot
from cl_viz.core.errors import FormatError, InputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Caveats, Finding, Quantity, Result, worst_first
from cl_viz.core.view import Axis, Histogram, Reference, Series, overlay, series_table


def small(name: str = "set") -> EmbeddingSet:
    return EmbeddingSet.from_arrays(np.random.default_rng(0).normal(size=(4, 3)), name=name)


def test_a_run_loads_a_snapshot_once_and_only_when_asked() -> None:
    loaded: list[int] = []

    def loader(step: int) -> EmbeddingSet:
        loaded.append(step)
        return small()

    run = Run("r", {(step, "projector"): (lambda step=step: loader(step)) for step in (20, 0, 10)})
    assert run.steps == (0, 10, 20)
    assert loaded == []
    assert run.get() is run.get(20, "projector")
    assert loaded == [20]
    assert run.renamed("other").get(20) is run.get(20)
    assert loaded == [20]
    with pytest.raises(InputError, match=r"steps \[0, 10, 20\]"):
        run.get(5)


def test_a_run_without_snapshots_is_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        Run("r", {})


def test_the_first_layer_is_the_one_shown() -> None:
    run = Run("r", {Snapshot(1, "projector"): small("p"), Snapshot(1, "backbone"): small("b")})
    assert run.get().name == "p"
    assert run.layers == ("projector", "backbone")


@dataclass(frozen=True)
class Knobs(Params):
    """For these tests."""

    rate: float = param(0.5, "how fast", low=0.0, high=1.0, card_key="learning_rate")
    count: int = param(3, "how many", low=1)
    mode: str = param("a", "which", choices=("a", "b"))


def test_parameters_take_what_is_given_then_the_card_then_the_default() -> None:
    assert Knobs.make({}, {}).as_dict() == {"rate": 0.5, "count": 3, "mode": "a"}
    assert Knobs.make({}, {"learning_rate": 0.25}).as_dict()["rate"] == 0.25
    assert Knobs.make({"rate": 1}, {"learning_rate": 0.25}).as_dict()["rate"] == 1


@pytest.mark.parametrize("wrong", [{"rate": 1.5}, {"rate": True}, {"count": 0}, {"count": 2.5}, {"mode": "c"}])
def test_parameters_out_of_range_say_what_is_allowed(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Allowed"):
        Knobs.make(wrong)


def test_errors_say_everything_and_survive_a_process_boundary() -> None:
    error = FormatError("the file is empty", where="a b.npy", allowed="an array", remedy="save it again")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is FormatError
    assert str(again) == "a b.npy: the file is empty. Allowed: an array. What to do: save it again."


def test_findings_are_worst_first_and_unknown_is_not_bad() -> None:
    findings = [Finding("d", level, level) for level in ("good", "unknown", "watch", "bad")]
    assert [finding.level for finding in worst_first(findings)] == ["bad", "watch", "unknown", "good"]
    caveats = Caveats(10, 0, 3, ("a",))
    result = Result("d", "r", {}, {}, tuple(findings), caveats)
    assert result.level == "bad"


def test_a_quantity_without_a_value_says_what_is_missing() -> None:
    assert Quantity("q", "Q", None, missing="add labels").text() == "unknown: add labels"
    assert Quantity("q", "Q", 0.12345).text() == "0.123"


def test_html_of_results_is_escaped() -> None:
    finding = Finding("d", "bad", "<img src=x onerror=alert(1)>", "<b>")
    result = Result("<d>", "<r>", {"q": Quantity("q", "<q>", 1.0)}, {}, (finding,), Caveats(1, 0, 2, ("<v>",)))
    shown = result._repr_html_()
    for evil in ("<img", "<d>", "<r>", "<q>", "<v>"):
        assert evil not in shown


def histogram(run: str) -> Histogram:
    series = Series("s", np.linspace(-1, 1, 4), np.ones(3), run=run)
    return Histogram("t", Axis("Score", "cosine"), Axis("Density"), (series,), (Reference("zero", 0.0),))


def test_views_of_several_runs_lie_over_each_other() -> None:
    both = overlay([histogram("one"), histogram("two")], "both")
    assert [series.run for series in both.series] == ["one", "two"]
    assert len(both.references) == 1
    table = series_table(both)
    assert len(table["y"]) == 6
    np.testing.assert_allclose(table["x_high"] - table["x_low"], 2 / 3)
    with pytest.raises(ValueError, match="one kind"):
        overlay([], "none")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, cl_viz; print([m for m in ('torch','plotly','streamlit','pandas','scipy') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_what_neither_the_caller_nor_the_card_gives_is_said_to_be_assumed() -> None:
    @dataclass(frozen=True)
    class Weighed(Params):
        temperature: float = param(0.1, "Weighs.", low=0.0, card_key="temperature")
        bins: int = param(10, "Not of the card.")

    assert Weighed.assumed({}, {"loss": "nt_xent"}) == ("temperature 0.1",)
    assert Weighed.assumed({"temperature": 0.1}, {}) == ()
    assert Weighed.assumed({}, {"temperature": 0.5}) == ()
