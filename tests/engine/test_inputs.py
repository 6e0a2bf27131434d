"""Inputs of diagnostics: what each need is given, and what is said where it is missing."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.run import Run, Snapshot
from cl_viz.engine import scanner as scanner_module
from cl_viz.engine.inputs import FamilyInputs, LayerInputs, PairInputs, gather
from cl_viz.engine.scanner import Scanner
from tests.engine.comparing import assert_same


def _set(seed: int, dim: int = 4) -> EmbeddingSet:
    return EmbeddingSet.from_arrays(np.random.default_rng(seed).normal(size=(12, dim)), name=f"set {seed}")


def _run(name: str, seed: int) -> Run:
    snapshots = {
        Snapshot(step, layer): _set(seed + step, dim) for step in (0, 9) for layer, dim in (("p", 4), ("b", 6))
    }
    return Run(name, snapshots, card={"seed": seed})


def test_layers_of_the_last_step_in_the_runs_order() -> None:
    found = gather("layers", _run("a", 1))
    assert isinstance(found, LayerInputs)
    assert found.layers == ("p", "b")
    assert [found.at(layer).embedding_set.dim for layer in found.layers] == [4, 6]
    assert found.at("b").snapshot == Snapshot(9, "b")


def test_a_pair_is_the_run_and_the_first_other_one() -> None:
    own, reference = _run("a", 1), _run("b", 2)
    found = gather("pair", own, others=[own, reference])
    assert isinstance(found, PairInputs)
    assert (found.run, found.own.run, found.reference.run) == ("a", "a", "b")


def test_a_family_knows_the_cards_before_it_loads() -> None:
    loaded: list[str] = []

    def load() -> EmbeddingSet:
        loaded.append("c")
        return _set(3)

    own, lazy = _run("a", 1), Run("c", {Snapshot(9, "p"): load}, card={"seed": 3})
    found = gather("family", own, others=[own, lazy])
    assert isinstance(found, FamilyInputs)
    assert (found.names, found.cards[0]["seed"], loaded) == (("c",), 3, [])
    assert found.others[0]().embedding_set.name == "set 3"
    assert loaded == ["c"]


@pytest.mark.parametrize("needs", ["steps", "layers", "pair"])
def test_what_is_missing_is_said(needs: str) -> None:
    alone = Run.from_set(_set(1))
    with pytest.raises(MissingInputError) as caught:
        gather(needs, alone, others=[alone])  # type: ignore[arg-type]
    assert caught.value.remedy


def test_progress_of_several_sets_rises_to_one() -> None:
    seen: list[float] = []
    found = gather("pair", _run("a", 1), others=[_run("b", 5)], progress=lambda done, _: seen.append(done))
    assert isinstance(found, PairInputs)
    assert found.own.statistics.n_used == found.reference.statistics.n_used == 12
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the passes that scanners have made."""
    made: list[str] = []
    for name in ("scan", "nearest", "scan_rows", "compute_moments"):
        real = getattr(scanner_module, name)

        def counting(*given: object, real: object = real, name: str = name, **named: object) -> object:
            made.append(name)
            return real(*given, **named)  # type: ignore[operator]

        monkeypatch.setattr(scanner_module, name, counting)
    return made


def test_a_scanner_makes_each_pass_once(made: list[str]) -> None:
    keeper, run = Scanner(), _run("a", 1)
    for _ in range(2):
        inputs = gather("set", run, scanner=keeper)
        assert inputs.moments.views["view_1"].count == 12  # type: ignore[union-attr]
        assert inputs.statistics.n_used == 12  # type: ignore[union-attr]
        assert inputs.neighbors["view_1", "view_1"].indices.shape == (12, 11)  # type: ignore[union-attr]
        assert inputs.rows([0.1])["view_1"].entropy.shape == (1, 12)  # type: ignore[union-attr]
        assert inputs.remember("number", lambda: len(made)) == 4  # type: ignore[union-attr]
    assert sorted(made) == ["compute_moments", "nearest", "scan", "scan_rows"]


def test_statistics_at_hand_hold_the_moments(made: list[str]) -> None:
    keeper, embedding_set = Scanner(), _set(1)
    found = keeper.statistics(embedding_set)
    assert keeper.moments(embedding_set) is found.moments
    assert made == ["scan"]


@pytest.mark.parametrize("first", ["statistics", "neighbors"])
def test_what_is_expected_together_is_found_in_one_pass(made: list[str], first: str) -> None:
    keeper, embedding_set = Scanner(), _set(1)
    alone = Scanner()
    apart = alone.statistics(embedding_set), alone.neighbors(embedding_set)
    assert made == ["scan", "nearest"]
    keeper.expect(embedding_set, ["statistics"])
    keeper.expect(embedding_set, ["neighbors"])
    assert made == ["scan", "nearest"]
    order = [keeper.statistics, keeper.neighbors]
    for ask in order if first == "statistics" else order[::-1]:
        ask(embedding_set)
    assert made == ["scan", "nearest", "scan"]
    assert_same(keeper.statistics(embedding_set), apart[0], rtol=1e-12)
    assert_same(keeper.neighbors(embedding_set), apart[1])
    assert made == ["scan", "nearest", "scan"]


def test_who_expects_one_pass_pays_for_that_one(made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    keeper, embedding_set = Scanner(), _set(1)
    keeper.expect(embedding_set, ["neighbors"])
    assert keeper.neighbors(embedding_set)
    assert made == ["nearest"]
    # Once one of them is there, the other is found on its own; so is that of another set.
    keeper.expect(embedding_set, ["statistics", "neighbors"])
    assert not keeper.statistics(embedding_set).neighbors
    assert not keeper.statistics(_set(2)).neighbors
    assert made == ["nearest", "scan", "scan"]
    # Lists that one pass could not hold are filled block by block.
    monkeypatch.setattr(scanner_module, "LIST_BYTES", 100)
    keeper.expect(_set(3), ["statistics", "neighbors"])
    assert keeper.neighbors(_set(3))
    assert made[3:] == ["nearest"]
