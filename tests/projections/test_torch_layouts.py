"""Layouts by torchdr: the engine's neighbours, seeded, with what they keep; on the processor in the place of a GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import Cancelled, MissingDependencyError
from cl_viz.projections import PROJECTIONS, Projection, find_kept
from cl_viz.projections._torch_layouts import layout_device

FEW: dict[str, dict[str, object]] = {
    "umap": {"epochs": 60}, "tsne": {"iterations": 60, "early_iterations": 40}, "pacmap": {"iterations": 20},
}  # fmt: skip
"""Methods that a GPU lays out, with fewer rounds."""


@pytest.fixture
def as_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Projection]:
    """Make maps as if the processor were a GPU."""
    pytest.importorskip("torchdr")
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path))
    monkeypatch.setattr("cl_viz.projections._requests.layout_device", lambda *_: "cpu")
    return cl_viz.project


@pytest.mark.parametrize("method", FEW)
def test_a_map_by_torchdr_is_seeded_judged_and_kept_apart(
    clumps: EmbeddingSet, as_gpu: Callable[..., Projection], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = torch.random.get_rng_state()
    seen: list[float] = []
    made = as_gpu(clumps, method, params=FEW[method], seed=3, progress=lambda done, _: seen.append(done))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert seen == sorted(seen)
    assert len({share for share in seen if 0.3 < share < 0.9}) > 3
    again = as_gpu(clumps, method, params=FEW[method], seed=3, cache=False)
    np.testing.assert_array_equal(made.coordinates, again.coordinates)
    other = as_gpu(clumps, method, params=FEW[method], seed=4, cache=False)
    assert not np.array_equal(made.coordinates, other.coordinates)
    # Three clumps far apart: each sample's neighbours are of its own, where a shuffled map has a third of them.
    assert made.trustworthiness.value is not None
    assert made.trustworthiness.value > 0.8
    assert np.isfinite(made.error).all()
    assert "laid out by torchdr on cpu" in made.notes
    found = find_kept(clumps, method, params=FEW[method], seed=3)
    assert found is not None
    np.testing.assert_array_equal(found.coordinates, made.coordinates)
    monkeypatch.setattr("cl_viz.projections._requests.layout_device", lambda *_: "")
    assert find_kept(clumps, method, params=FEW[method], seed=3) is None


def test_copies_of_rows_have_points_of_their_own(as_gpu: Callable[..., Projection]) -> None:
    rows = np.repeat(np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32), 3, axis=0)
    for method, params in FEW.items():
        made = as_gpu(EmbeddingSet.from_arrays(rows), method, params=params, cache=False)
        assert np.isfinite(made.coordinates).all()
        assert made.coordinates.shape == (90, 2)


def test_a_layout_by_torchdr_can_be_stopped(clumps: EmbeddingSet, as_gpu: Callable[..., Projection]) -> None:
    def stop(done: float, message: str) -> None:
        if "round" in message:
            raise Cancelled(message)

    with pytest.raises(Cancelled, match="round 10 of 60"):
        as_gpu(clumps, "umap", params=FEW["umap"], cache=False, progress=stop)


def test_the_device_and_what_is_installed_decide_who_lays_out(
    clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert layout_device(PROJECTIONS["umap"], 100, "auto") == ("" if not torch.cuda.is_available() else "cuda:0")
    for room in ("_torch_layouts",):
        monkeypatch.setattr(f"cl_viz.projections.{room}.resolve_device", lambda name: torch.device("cuda:0"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert layout_device(PROJECTIONS["umap"], 100, "auto") == "cuda:0"
    assert layout_device(PROJECTIONS["pca"], 100, "cuda") == ""
    assert layout_device(PROJECTIONS["tsne"], 20_001, "cuda") == ""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert layout_device(PROJECTIONS["umap"], 100, "auto") == ""
    with pytest.raises(MissingDependencyError, match="gpu-maps"):
        layout_device(PROJECTIONS["umap"], 100, "cuda")


def test_a_map_that_falls_back_to_the_processor_says_so(clumps: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("cl_viz.projections._torch_layouts.resolve_device", lambda name: torch.device("cuda:0"))
    few = {"iterations": 5, "early_iterations": 0}
    made = cl_viz.project(clumps, "tsne", params=few, cache=False)
    assert any("torchdr is not installed" in note and "cl-viz[gpu-maps]" in note for note in made.notes)
    assert not any("torchdr" in note for note in cl_viz.project(clumps, "pca", cache=False).notes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("method", FEW)
def test_a_gpu_lays_out_the_same_map_for_a_seed(clumps: EmbeddingSet, method: str) -> None:
    pytest.importorskip("torchdr")
    made, again = (cl_viz.project(clumps, method, device="cuda", cache=False) for _ in range(2))
    np.testing.assert_allclose(made.coordinates, again.coordinates, atol=1e-3)
    assert made.trustworthiness.value is not None
    assert made.trustworthiness.value > 0.8
    assert "laid out by torchdr on cuda:0" in made.notes
