"""The compiled kernels against torch, and how they come to be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pytest

import cl_viz
from cl_viz.engine import Statistics, bins, compiled
from cl_viz.engine.candidate_points import relative_penalty_share
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.testing import clusters, collapsed, paired_sphere, sphere

BothPaths = Callable[..., tuple[Statistics, Statistics]]
SETS: dict[str, Callable[[], cl_viz.EmbeddingSet]] = {
    "sphere": lambda: paired_sphere(700, 24, 0.4, classes=7),
    "clusters": lambda: clusters(650, 16, 9, 0.3),
    "tight clusters": lambda: clusters(650, 16, 5, 0.02),
    "collapsed": lambda: collapsed(600, 16, 0.003),
    "one view, some labels": lambda: cl_viz.EmbeddingSet.from_arrays(
        sphere(1100, 12), label=np.array([None if i % 5 == 0 else f"c{i % 11}" for i in range(1100)], dtype=object)
    ),
    "opposite directions": lambda: cl_viz.EmbeddingSet.from_arrays(np.tile([[1.0, 1e-9], [-1.0, 0.0]], (300, 1))),
}


@pytest.fixture
def both() -> Iterator[BothPaths]:
    if not compiled.wait():
        pytest.skip(compiled.failure())
    before = compiled.enable(True)

    def run(*args: object, **keywords: object) -> tuple[Statistics, Statistics]:
        found = []
        for enabled in (False, True):
            compiled.enable(enabled)
            found.append(cl_viz.scan(*args, **keywords))
        return found[0], found[1]

    yield run
    compiled.enable(before)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", list(SETS))
def test_compiled_loops_find_what_torch_finds(name: str, precision: str, both: BothPaths) -> None:
    plain, fast = both(SETS[name](), precision=precision)
    fine = 1e-12 if precision == "float64" else 3e-7
    np.testing.assert_array_equal(plain.pairs.counts.sum(axis=2), fast.pairs.counts.sum(axis=2))
    n_pairs = plain.pairs.counts.sum(axis=2)
    # A product may round differently for columns in another order: a score on an edge may change its bin, so what
    # is small is the distance that scores have moved, not the difference of counts.
    moved = np.abs(np.cumsum(plain.pairs.counts - fast.pairs.counts, axis=2)) @ np.diff(bins.edges())
    assert (moved <= 1e-6 * n_pairs).all()
    np.testing.assert_allclose(plain.pairs.sums.sum(axis=2), fast.pairs.sums.sum(axis=2), atol=fine * n_pairs.max())
    np.testing.assert_allclose(plain.pairs.squares, fast.pairs.squares, atol=fine * n_pairs.max())
    np.testing.assert_allclose(plain.pairs.low, fast.pairs.low, atol=fine)
    np.testing.assert_allclose(plain.pairs.high, fast.pairs.high, atol=fine)
    for view, sketch in plain.anchors.items():
        other = fast.anchors[view]
        for seen, candidates in sketch.candidates.items():
            against = other.candidates[seen]
            np.testing.assert_array_equal(candidates.counts.sum(axis=2), against.counts.sum(axis=2))
            np.testing.assert_allclose(candidates.moments, against.moments, atol=fine * n_pairs.max())
            np.testing.assert_allclose(candidates.top_scores, against.top_scores, atol=fine)
            # A tie, within rounding, may be seen as one on one side only.
            np.testing.assert_allclose(candidates.below, against.below, atol=0.5 if precision == "float64" else 2)
        push = [relative_penalty_share(found, PairRoles(), 0.1) for found in (sketch, other)]
        np.testing.assert_allclose(push[0], push[1], rtol=1e-3, atol=1e-5)


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_without_numba_the_pass_uses_torch() -> None:
    code = """
import sys
sys.modules["numba"] = None
import cl_viz
from cl_viz.engine import compiled
from cl_viz.testing import clusters
compiled.request()
found = cl_viz.scan(clusters(80, 8, 4, 0.3))
print(compiled.wait(), compiled.failure(), found.pairs.counts.sum())
"""
    assert run_python(code) == f"False numba is not installed {160 * 159 // 2}"


def test_a_short_process_leaves_the_compiler_alone_and_a_long_one_goes_over_to_it() -> None:
    code = """
import sys, cl_viz
from cl_viz.engine import compiled
from cl_viz.testing import clusters
first = cl_viz.scan(clusters(200, 8, 4, 0.3)).pairs.counts.sum()
print("numba" in sys.modules)
compiled.request()
meanwhile = cl_viz.scan(clusters(200, 8, 4, 0.3)).pairs.counts.sum()
assert compiled.wait()
after = cl_viz.scan(clusters(200, 8, 4, 0.3)).pairs.counts.sum()
print(first == meanwhile == after)
"""
    pytest.importorskip("numba")
    assert run_python(code).split() == ["False", "True"]
