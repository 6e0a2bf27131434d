"""LoRA adapters: merged here they give what PEFT's own model gives; other kinds, and a missing base, say what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cl_viz.core.errors import FormatError
from cl_viz.encoders import recognise
from cl_viz.encoders._encoding import fingerprint
from cl_viz.encoders.lora_adapter import build

pytest.importorskip("transformers")

from tests.encoders.tiny_transformers import TEXTS, save, tokenizer

PIXELS = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
MODULE = "encoder.layer.0.attention.self.query"


def _by_hand(folder: Path, said: dict[str, Any] | None = None, **weights: torch.Tensor) -> Path:
    """An adapter of one layer of the tiny BERT."""
    folder.mkdir(exist_ok=True)
    configuration = {
        "peft_type": "LORA",
        "lora_alpha": 6,
        "r": 3,
        "base_model_name_or_path": "some/bert",
        **(said or {}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(configuration), encoding="utf-8")
    torch.manual_seed(1)
    factors = {f"base_model.model.{MODULE}.lora_A.weight": torch.randn(3, 16),
               f"base_model.model.{MODULE}.lora_B.weight": torch.randn(16, 3)}  # fmt: skip
    save_file(factors | weights, folder / "adapter_model.safetensors")
    return folder


# PEFT asks transformers by names that it calls old.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bert", {"target_modules": ["query", "dense"], "alpha_pattern": {"output.dense": 5}, "bias": "lora_only"}),
        ("bert", {"target_modules": ["value"], "use_rslora": True, "modules_to_save": ["pooler"]}),
        ("vit", {"target_modules": ["query", "q_proj", "fc1", "dense"], "rank_pattern": {"fc1": 2}}),
        ("clip", {"target_modules": ["q_proj", "v_proj", "visual_projection"]}),
    ],
)
def test_an_adapter_gives_what_peft_gives(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    peft: Any = pytest.importorskip("peft")
    model = save(name, tmp_path / "base")
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=3, lora_alpha=6, **settings)).eval()
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    adapted.save_pretrained(tmp_path / "adapter")
    (tmp_path / "adapter" / "base").symlink_to(tmp_path / "base")
    recognised, encoder = recognise(tmp_path / "adapter"), build(tmp_path / "adapter")
    assert recognised.family == "lora_adapter"
    assert "with a LoRA adapter" in recognised.architecture
    merged = adapted.merge_and_unload().eval()
    with torch.inference_mode():
        if name == "bert":
            tokens = tokenizer()(TEXTS, padding=True, truncation=True, max_length=20, return_tensors="pt")
            wanted, got = merged(**tokens).pooler_output, encoder.encode(TEXTS, "text")["pooler"]
        elif name == "vit":
            wanted = merged(torch.from_numpy(PIXELS)).last_hidden_state[:, 0]
            got = encoder.encode(PIXELS, "image")["cls_token"]
        else:
            wanted = merged.get_image_features(pixel_values=torch.from_numpy(PIXELS))
            wanted = getattr(wanted, "pooler_output", wanted)
            got = encoder.encode(PIXELS, "image")["projected"]
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-5)


def test_an_adapter_without_its_base_says_where_to_put_it(tmp_path: Path) -> None:
    folder = _by_hand(tmp_path / "adapter")
    recognised = recognise(folder)
    assert any("some/bert" in note and "into the adapter's folder as base" in note for note in recognised.notes)
    with pytest.raises(FormatError, match=r"some/bert.*nothing is downloaded"):
        build(folder)


@pytest.mark.parametrize(
    ("said", "weights"),
    [
        ({"peft_type": "IA3"}, {}),
        ({"use_dora": True}, {}),
        ({"init_lora_weights": "pissa"}, {}),
        ({}, {"base_model.model.embeddings.lora_embedding_A": torch.zeros(3, 4)}),
        ({}, {f"base_model.model.{MODULE}.lora_A.weight": torch.zeros(4, 16)}),
    ],
)
def test_other_kinds_of_adapters_are_refused(
    said: dict[str, Any], weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    folder = _by_hand(tmp_path / "adapter", said, **weights)
    save("bert", folder / "base")
    with pytest.raises(FormatError, match="LoRA of linear layers"):
        build(folder)
    assert any("cannot be opened" in note for note in recognise(folder).notes)


def test_the_wrong_base_is_refused_and_a_strange_head_is_listed(tmp_path: Path) -> None:
    head = {"base_model.model.classifier.weight": torch.zeros(2, 16)}
    folder = _by_hand(tmp_path / "adapter", **head)
    save("distilbert", folder / "base")
    with pytest.raises(FormatError, match="the model that the adapter was trained on"):
        build(folder)
    assert any("other names" in note for note in recognise(folder).notes)
    other = _by_hand(tmp_path / "other", **head)
    save("bert", other / "base")
    assert "base_model.model.classifier.weight" in recognise(other).unmatched


def test_a_linked_base_is_part_of_the_checkpoint(tmp_path: Path) -> None:
    folder, base = _by_hand(tmp_path / "adapter"), tmp_path / "bert"
    base.mkdir()
    (base / "config.json").write_text("{}", encoding="utf-8")
    (folder / "base").symlink_to(base)
    before = fingerprint(folder)
    (base / "config.json").write_text("{ }", encoding="utf-8")
    assert fingerprint(folder) != before
