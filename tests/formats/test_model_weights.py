"""Weights of a model are no embeddings: they are refused with how to encode, and odd names of dumps are not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import cl_viz
from cl_viz.core.errors import FormatError
from cl_viz.formats import inspect

ROWS = np.random.default_rng(0).normal(size=(12, 6)).astype(np.float32)


def weights() -> dict[str, torch.Tensor]:
    network = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.ReLU(), torch.nn.Linear(12, 6))
    return {f"encoder.{name}": values for name, values in network.state_dict().items()}


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_saved_by_torch_are_refused_with_the_way_to_encode(wrapped: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"epoch": 3, "state_dict": weights()} if wrapped else weights(), path)
    with pytest.raises(FormatError, match=r"this is a checkpoint.*weight") as refused:
        cl_viz.load(path)
    assert "cl_viz.encode(checkpoint, data)" in str(refused.value)
    assert "this is a checkpoint" in (inspect(path).problem or "")


def test_three_matrices_of_different_sizes_are_a_model_without_biases(tmp_path: Path) -> None:
    save_file({f"layers.{n}.weight": np.ones((4 + n, 6), np.float32) for n in range(3)}, tmp_path / "m.safetensors")
    with pytest.raises(FormatError, match="this is a checkpoint"):
        cl_viz.load(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", {"model_type": "bert"}),
        ("modules.json", [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]),
        ("adapter_config.json", {"peft_type": "LORA"}),
    ],
)
def test_a_folder_of_a_model_is_refused_by_its_configuration(name: str, content: object, tmp_path: Path) -> None:
    (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    save_file({"embeddings": ROWS}, tmp_path / "model.safetensors")
    with pytest.raises(FormatError, match=f"this is a checkpoint.*{name}"):
        cl_viz.load(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"weight": ROWS},
        {"words.weight": ROWS},
        {"user.weight": ROWS, "item.weight": ROWS},
        {"image.weight": ROWS, "label": np.arange(12)},
        {"weight": ROWS, "bias": np.arange(12.0)},
    ],
)
def test_dumps_with_odd_names_are_opened(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    save_file(arrays, tmp_path / "dump.safetensors")
    assert cl_viz.load(tmp_path / "dump.safetensors").n == 12


def test_a_matrix_of_weights_is_opened_where_it_is_named(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "model.pt")
    assert cl_viz.load(tmp_path / "model.pt", views=["encoder.0.weight"]).n == 12


@pytest.mark.parametrize("said", ["{", '{"temperature": 0.1}', "[1, 2]", "[]"])
def test_another_configuration_beside_embeddings_does_not_matter(said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(said, encoding="utf-8")
    save_file({"embeddings": ROWS}, tmp_path / "run.safetensors")
    assert cl_viz.load(tmp_path).n == 12


def test_what_cl_viz_saved_is_opened_whatever_its_views_are_called(tmp_path: Path) -> None:
    path = tmp_path / "saved.safetensors"
    views = {"a.weight": ROWS, "b.weight": ROWS}
    cl_viz.save(cl_viz.EmbeddingSet(views, {"c.bias": np.arange(12.0)}), path)
    assert cl_viz.load(path).view_names == ("a.weight", "b.weight")
