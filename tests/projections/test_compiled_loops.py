"""Loops of a layout library that numba keeps on disk."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import cl_viz
import cl_viz.projections
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.projections import umap
from cl_viz.projections._compiled_loops import compiled_before, keep_compiled, note_compiled

_MODULE = """
import numba

@numba.njit
def loop(number):
    return number + 1

def plain(number):
    return number
"""


@pytest.fixture
def loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a module with a loop that is compiled, and with one that is not."""
    (tmp_path / "loops_of_a_library.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "loops_of_a_library", raising=False)
    return "loops_of_a_library"


def test_what_one_process_compiled_the_next_one_reads(loops: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_compiled({loops: ("loop",)})
    first = importlib.import_module(loops).loop
    assert first(1) == 2
    assert sum(first.stats.cache_misses.values()) == 1
    # As in another process: a module that is imported anew has compiled nothing.
    monkeypatch.delitem(sys.modules, loops)
    assert keep_compiled({loops: ("loop",)})
    second = importlib.import_module(loops).loop
    assert second is not first
    assert second(1) == 2
    assert sum(second.stats.cache_hits.values()) == 1
    assert not second.stats.cache_misses


@pytest.mark.parametrize("name", ["plain", "of another version"])
def test_a_function_that_numba_does_not_compile_is_passed_over(loops: str, name: str) -> None:
    assert not keep_compiled({loops: (name, "loop")})
    loop = importlib.import_module(loops).loop
    assert loop(1) == 2
    # The others are kept all the same.
    assert sum(loop.stats.cache_misses.values()) == 1


def test_where_nothing_can_be_written_nothing_is_kept(loops: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = importlib.import_module(loops).loop

    def fails() -> None:
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(loop, "enable_caching", fails)
    assert not keep_compiled({loops: ("loop",)})
    assert loop(1) == 2


def test_the_loops_of_umap_are_those_of_the_version_that_is_installed() -> None:
    pytest.importorskip("umap")
    assert keep_compiled(umap._LOOPS)


@pytest.mark.parametrize(("method", "rounds"), [("umap", "epochs"), ("pacmap", "iterations")])
def test_a_map_that_was_made_shortens_the_estimate_of_the_next(
    clumps: EmbeddingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, rounds: str
) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    before = cl_viz.projections.estimate(90, 8, method)
    said: list[str] = []
    cl_viz.project(clumps, method, params={rounds: 5}, progress=lambda _, message: said.append(message))
    assert any("compiled" in message for message in said)
    assert cl_viz.projections.estimate(90, 8, method) < 10 < before
    said.clear()
    cl_viz.project(clumps, method, params={rounds: 6}, progress=lambda _, message: said.append(message))
    assert said
    assert not any("compiled" in message for message in said)


def test_another_version_of_the_library_was_not_compiled_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    note_compiled("umap-learn")
    assert compiled_before("umap-learn")
    monkeypatch.setattr("cl_viz.projections._compiled_loops.version", lambda _: "99.0")
    assert not compiled_before("umap-learn")
    # A cache that cannot be written is no reason to fail.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path / "file"))
    note_compiled("umap-learn")
    assert not compiled_before("umap-learn")
