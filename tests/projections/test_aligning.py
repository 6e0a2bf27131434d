"""Maps laid over each other: Procrustes against its closed form, samples matched by id or row, AlignedUMAP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run, Snapshot


def named(rows: np.ndarray, name: str, **roles: object) -> EmbeddingSet:  # type: ignore[type-arg]
    return EmbeddingSet.from_arrays(np.asarray(rows, dtype=np.float32), name=name, **roles)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(8).normal(size=(60, 5)) * [3, 2, 1, 0.5, 0.5]


def test_a_turned_copy_lies_exactly_on_the_first(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    """Three of the five columns swapped and one negated: the same directions up to a rotation."""
    turned = rows[:, [1, 0, 2, 4, 3]] * [1, -1, 1, 1, 1]
    first, second = cl_viz.project_aligned([named(rows, "a"), named(turned, "b")], "pca", cache=False)
    np.testing.assert_allclose(second.coordinates, first.coordinates, atol=1e-5)
    assert "laid over the map of a by Procrustes with scale" in second.notes[-1]
    assert "moved by 0.00 of its spread (root mean square, N = 60)" in second.notes[-1]
    np.testing.assert_array_equal(first.coordinates, cl_viz.project(named(rows, "a"), "pca", cache=False).coordinates)


@pytest.mark.parametrize("scale", [True, False])
def test_the_alignment_is_the_least_squares_one(scale: bool, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    other = rows + 0.8 * np.random.default_rng(1).normal(size=rows.shape)
    sets = [named(rows, "a"), named(other, "b")]
    first, second = cl_viz.project_aligned(sets, "pca", scale=scale, cache=False)
    alone = cl_viz.project(sets[1], "pca", cache=False)
    # Neighbourhoods, and so what the map keeps, are those of the map made alone.
    np.testing.assert_array_equal(second.error, alone.error)
    assert second.trustworthiness == alone.trustworthiness
    gaps = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (alone.coordinates, second.coordinates)]
    ratio = gaps[1].sum() / gaps[0].sum()
    np.testing.assert_allclose(gaps[1], ratio * gaps[0], atol=1e-5)
    assert (abs(ratio - 1) < 1e-6) is not scale
    best = np.square(second.coordinates - first.coordinates).sum()
    centre = second.coordinates.mean(axis=0)
    for angle in np.linspace(-0.3, 0.3, 7):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for factor in (0.9, 1.0, 1.1) if scale else (1.0,):
            moved = (second.coordinates - centre) @ turn * factor + centre + 0.01 * angle
            assert np.square(moved - first.coordinates).sum() >= best - 1e-6


def test_samples_are_matched_by_id(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    order = np.random.default_rng(2).permutation(60)[:50]
    ids = np.array([f"s{number}" for number in range(60)])
    first, second = cl_viz.project_aligned(
        [named(rows, "a", id=ids), named(rows[order], "b", id=ids[order])], "pca", cache=False
    )
    assert "N = 50" in second.notes[-1]
    spread = np.linalg.norm(first.coordinates - first.coordinates.mean(axis=0), axis=1).mean()
    assert np.linalg.norm(second.coordinates - first.coordinates[order], axis=1).mean() < 0.2 * spread


def test_steps_of_a_run_are_laid_over_each_other_in_order(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    steps = {Snapshot(step): named(rows * [1, 1, 1, step, 1], f"step {step}") for step in (1, 2, 4)}
    made = cl_viz.project_aligned(Run("r", steps), "pca", cache=False)
    assert [each.name for each in made] == ["step 1", "step 2", "step 4"]
    assert "the map of step 2 by Procrustes" in made[2].notes[-1]


def test_unusable_rows_are_left_out_of_the_match(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    holed = rows.copy()
    holed[[2, 9]] = 0
    _, second = cl_viz.project_aligned([named(rows, "a"), named(holed, "b")], "pca", cache=False)
    assert "N = 58" in second.notes[-1]
    assert np.flatnonzero(~second.usable).tolist() == [2, 9]


def test_sets_that_cannot_be_aligned_are_told(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    whole, part = named(rows, "a"), named(rows[:20], "b")
    with pytest.raises(InputError, match="two or more"):
        cl_viz.project_aligned([whole], "pca")
    with pytest.raises(InputError, match="give both sets the role id"):
        cl_viz.project_aligned([whole, part], "pca")
    with pytest.raises(InputError, match="alignment = 'turn'"):
        cl_viz.project_aligned([whole, whole], "pca", alignment="turn")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="procrustes' for other methods"):
        cl_viz.project_aligned([whole, whole], "pca", alignment="umap")
    apart = [named(rows[:20], name, id=np.arange(20) + start) for name, start in (("a", 0), ("b", 18))]
    with pytest.raises(InputError, match="share 2 usable samples"):
        cl_viz.project_aligned(apart, "pca")


def test_maps_are_laid_out_together_by_aligned_umap(rows: np.ndarray, tmp_path: Path) -> None:  # type: ignore[type-arg]
    """Without compiling, which takes half a minute: with so few rows plain Python is quicker."""
    np.save(tmp_path / "rows.npy", rows[:24])
    code = (
        "import sys, numpy as np, cl_viz\n"
        "rows = np.load(sys.argv[1] + '/rows.npy').astype(np.float32)\n"
        "other = rows + np.float32(0.05) * np.random.default_rng(0).normal(size=rows.shape).astype(np.float32)\n"
        "other[5] = 0\n"
        "sets = [cl_viz.EmbeddingSet.from_arrays(each, name=name) for each, name in ((rows, 'a'), (other, 'b'))]\n"
        "made = [cl_viz.project_aligned(sets, alignment='umap', params={'epochs': 12, 'n_neighbors': 6}, seed=3)\n"
        "        for _ in range(2)]\n"
        "fresh = cl_viz.project_aligned(sets, alignment='umap', params={'epochs': 12, 'n_neighbors': 6}, seed=3,\n"
        "                               cache=False)\n"
        "first, second = made[0]\n"
        "for again in (*made[1], *fresh):\n"
        "    twin = first if again.name == 'a' else second\n"
        "    np.testing.assert_array_equal(again.coordinates, twin.coordinates)\n"
        "assert np.flatnonzero(~second.usable).tolist() == [5]\n"
        "gap = np.linalg.norm(first.coordinates - second.coordinates, axis=1)[second.usable].mean()\n"
        "spread = np.linalg.norm(first.coordinates - first.coordinates.mean(axis=0), axis=1).mean()\n"
        "assert gap < spread, (gap, spread)\n"
        "print(second.notes, second.trustworthiness.k, second.trustworthiness.population)\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "CL_VIZ_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "from the map of a shared samples moved by" in done.stdout
    assert done.stdout.rstrip().endswith("11 23")
