"""Every method of mapping: odd inputs, determinism in another process, errors in words, what a spec declares."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.core.params import Params
from cl_viz.projections import PROJECTIONS, Projection, ProjectionInputs
from cl_viz.projections import _libraries as libraries
from cl_viz.projections._inputs import Near

QUICK = {"umap": {"epochs": 40}, "tsne": {"early_iterations": 30, "iterations": 40}, "pacmap": {"iterations": 30}}
METHODS = list(PROJECTIONS)
ELSEWHERE = [method for method in METHODS if method != "pacmap"]
"""Methods whose maps are made in a second process too; PaCMAP would compile for a minute, and is made twice in one."""


def mapped(rows: np.ndarray, method: str, **choices: object) -> Projection:  # type: ignore[type-arg]
    params = {**QUICK.get(method, {}), **choices.pop("params", {})}  # type: ignore[dict-item]
    made = EmbeddingSet.from_arrays(np.asarray(rows, dtype=np.float32), name="odd")
    return cl_viz.project(made, method, params=params, cache=False, **choices)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def rows() -> np.ndarray:  # type: ignore[type-arg]
    """Forty rows in two clumps."""
    generator = np.random.default_rng(2)
    return 3 * np.eye(2, 6)[np.arange(40) % 2] + generator.normal(size=(40, 6))


def test_there_are_the_four_methods() -> None:
    assert METHODS == ["pacmap", "pca", "tsne", "umap"]


@pytest.mark.parametrize("method", METHODS)
def test_a_spec_declares_what_a_page_needs(method: str) -> None:
    spec = PROJECTIONS[method]
    assert issubclass(spec.params, Params)
    assert set(spec.dims) <= {2, 3}
    assert 2 in spec.dims
    assert spec.description.endswith(".")
    for info in spec.params.describe():
        assert info.help.endswith(".")
        assert info.default is not None
    for source in spec.sources:
        assert source.url.startswith("https://")
    assert spec.seconds(1000, 64, spec.params()) > 0
    assert spec.neighbors is None or 1 <= spec.neighbors(spec.params()) <= 100


@pytest.fixture(scope="module")
def elsewhere(rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    """The maps of most methods as another process makes them: one process, since UMAP compiles for long."""
    folder = tmp_path_factory.mktemp("elsewhere")
    np.save(folder / "rows.npy", rows)
    code = (
        "import sys, numpy as np\n"
        "from tests.contract.test_projections_contract import ELSEWHERE, mapped\n"
        "rows = np.load(sys.argv[1] + '/rows.npy')\n"
        "made = {method: mapped(rows, method, seed=5).coordinates for method in ELSEWHERE}\n"
        "np.savez(sys.argv[1] + '/maps.npz', **made)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=Path(__file__).parents[2])
    with np.load(folder / "maps.npz") as stored:
        return dict(stored)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_one_map_in_another_process_too(
    method: str,
    rows: np.ndarray,
    elsewhere: dict[str, np.ndarray],  # type: ignore[type-arg]
) -> None:
    """The engine's neighbours, the start and the layout are the same to the last bit."""
    here = mapped(rows, method, seed=5)
    again = elsewhere[method] if method in ELSEWHERE else mapped(rows, method, seed=5).coordinates
    np.testing.assert_array_equal(here.coordinates, again)
    if method != "pca":
        assert not np.array_equal(here.coordinates, mapped(rows, method, seed=6).coordinates)


@pytest.mark.parametrize("method", METHODS)
def test_clumps_stay_clumps(method: str) -> None:
    rows = 8 * np.eye(2, 6)[np.arange(60) % 2] + np.random.default_rng(0).normal(size=(60, 6))
    points = mapped(rows, method).coordinates
    centres = np.stack([points[part::2].mean(axis=0) for part in range(2)])
    gaps = np.linalg.norm(points[:, None] - centres[None], axis=2)
    assert (gaps.argmin(axis=1) == np.arange(60) % 2).all()


@pytest.mark.parametrize("method", METHODS)
def test_only_directions_count(method: str, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    lengths = 2.0 ** np.random.default_rng(1).integers(-6, 7, size=(len(rows), 1))
    np.testing.assert_array_equal(
        mapped(rows.astype(np.float32) * lengths, method).coordinates, mapped(rows, method).coordinates
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["copies", "two columns", "few", "unusable rows"])
def test_odd_sets_are_mapped(kind: str, method: str, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    odd = {
        "copies": np.repeat(rows[:3], 12, axis=0),
        "two columns": rows[:, :2],
        "few": rows[: PROJECTIONS[method].least_rows],
        "unusable rows": np.where(np.isin(np.arange(len(rows)), [0, 7])[:, None], [[np.nan] + [0] * 5], rows),
    }[kind]
    for dim in PROJECTIONS[method].dims:
        made = mapped(odd, method, dim=dim)
        assert made.coordinates.shape == (len(odd), dim)
        assert made.usable.sum() == len(odd) - 2 * (kind == "unusable rows")
        assert made.neighbor_recall.value is None or 0 <= made.neighbor_recall.value <= 1


@pytest.mark.parametrize("method", METHODS)
def test_too_few_rows_and_one_direction_are_told(method: str, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    spec = PROJECTIONS[method]
    if spec.least_rows > 2:
        with pytest.raises(InputError, match=f"{spec.least_rows} or more"):
            mapped(rows[: spec.least_rows - 1], method)
        with pytest.raises(InputError, match="one direction") as raised:
            mapped(np.outer(np.arange(1, 41), np.ones(5)), method)
        assert "method pca" in str(raised.value)
    else:
        assert mapped(np.ones((30, 5)), method).trustworthiness.value is None


def test_one_column_is_no_set_of_directions() -> None:
    with pytest.raises(InputError, match="D >= 2"):
        mapped(np.ones((5, 1)), "pca")


@pytest.mark.parametrize("method", METHODS)
def test_parameters_out_of_range_are_told(method: str, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    bounded = [info for info in PROJECTIONS[method].params.describe() if info.low is not None]
    for info in bounded:
        with pytest.raises(InputError, match=f"{info.name} = ") as raised:
            mapped(rows, method, params={info.name: type(info.default)(info.low - 1)})
        assert info.help.rstrip(".") in str(raised.value)


def test_a_relation_of_two_parameters_is_told(rows: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError, match="min_dist up to spread"):
        mapped(rows, "umap", params={"min_dist": 2.0, "spread": 1.0})


@pytest.mark.parametrize("method", ["pacmap", "tsne", "umap"])
def test_an_absent_library_names_the_pip_line(
    method: str,
    rows: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[type-arg]
) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(libraries, "importlib", SimpleNamespace(import_module=absent))
    with pytest.raises(MissingDependencyError, match=r"pip install 'cl-viz\[maps\]'"):
        mapped(rows, method)


@pytest.mark.parametrize("method", ["pacmap", "tsne", "umap"])
def test_neighbours_are_those_that_are_given(method: str, rows: np.ndarray) -> None:  # type: ignore[type-arg]
    """Other neighbours, another map: no method looks for its own."""
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    asked: list[int] = []

    def ring(k: int) -> Near:
        asked.append(k)
        steps = np.arange(1, min(k, 39) + 1)
        indices = (np.arange(40)[:, None] + (steps + 1) // 2 * np.where(steps % 2, 1, -1)) % 40
        return Near(indices.astype(np.int32), np.broadcast_to((1 - steps / 80).astype(np.float32), indices.shape))

    inputs = ProjectionInputs(unit, 2, 0, ring)
    spec = PROJECTIONS[method]
    points = spec.fit(inputs, spec.params.make(dict(QUICK[method])))
    assert asked
    near = np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).mean()
    far = np.linalg.norm(points - np.roll(points, 20, axis=0), axis=1).mean()
    assert near < far
    assert not np.array_equal(points, mapped(rows, method).coordinates)


def test_the_signature_of_fit_is_the_contract() -> None:
    for spec in PROJECTIONS.values():
        assert list(inspect.signature(spec.fit).parameters) == ["inputs", "params"]
        assert list(inspect.signature(spec.seconds).parameters) == ["n", "columns", "params"]


def test_a_layout_that_is_not_finite_is_no_map(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    broken = replace(PROJECTIONS["pca"], fit=lambda inputs, params: np.full((len(inputs.rows), 2), np.nan))
    monkeypatch.setitem(PROJECTIONS._entries, "pca", broken)
    with pytest.raises(cl_viz.ClVizError, match="not finite"):
        mapped(rows, "pca")


def test_what_a_library_raises_is_told(rows: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[type-arg]
    def fit(inputs: object, params: object) -> None:
        raise ValueError("eigenvalues did not converge")

    monkeypatch.setitem(PROJECTIONS._entries, "pca", replace(PROJECTIONS["pca"], fit=fit))  # type: ignore[arg-type]
    with pytest.raises(cl_viz.ClVizError, match="ValueError: eigenvalues did not converge"):
        mapped(rows, "pca")
