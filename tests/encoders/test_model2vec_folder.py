"""Static embeddings saved by the model2vec library give back its own rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from cl_viz.core.errors import DeviceError, FormatError, InputError, MissingDependencyError
from cl_viz.encoders import recognise as recognise_any
from cl_viz.encoders.model2vec_folder import build, recognise

model2vec: Any = pytest.importorskip("model2vec")

WORDS = ["[PAD]", "[UNK]", "a", "cat", "dog", "sat", "on", "the", "mat"]
TEXTS = ["a cat sat on the mat", "the dog", "unheard of", "dog " * 900]


def _save(folder: Path, *, normalize: bool = True, quantised: bool = False, dtype: Any = np.float32) -> Any:
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    random = np.random.default_rng(0)
    extra: dict[str, Any] = {}
    if quantised:
        extra = {"weights": random.random(len(WORDS)), "token_mapping": random.integers(0, 4, len(WORDS))}
    vectors = random.normal(size=(4 if quantised else len(WORDS), 6)).astype(dtype)
    model = model2vec.StaticModel(vectors, tokenizer, normalize=normalize, **extra)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("options", [{}, {"normalize": False}, {"quantised": True}, {"dtype": np.float16}], ids=str)
def test_rows_are_the_librarys_own(options: dict[str, Any], tmp_path: Path) -> None:
    model = _save(tmp_path, **options)
    if not options:
        # As distillation writes it; a model made by hand has no model type.
        said = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**said, "model_type": "model2vec"}))
    recognised = recognise(tmp_path)
    encoder = build(tmp_path)
    assert recognised is not None
    assert recognise_any(tmp_path).family == "model2vec"
    assert recognised.layers == encoder.layers
    assert recognised.parameters == (4 if "quantised" in options else len(WORDS)) * 6
    assert recognised.unmatched == ()
    got = encoder.to("cpu", half=True).encode(TEXTS, "text")
    assert got[encoder.layers[0]].dtype == np.float32
    np.testing.assert_allclose(got[encoder.layers[0]], model.encode(TEXTS), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got["mean_of_words"], model.encode(TEXTS, normalize=False), rtol=1e-5, atol=1e-5)
    assert np.linalg.norm(got["mean_of_words"][2]) == 0


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    _save(tmp_path)
    encoder = build(tmp_path)
    with pytest.raises(InputError, match="no dropout"):
        encoder.dropout(True)
    with pytest.raises(DeviceError, match="cuda"):
        encoder.to("cuda", half=False)
    with pytest.raises(InputError, match="modality"):
        encoder.encode([], "image")


def _write_mapping(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), "mapping": np.full(len(WORDS), 10**6)}, path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:99]),
        lambda folder: save_file({"other": np.ones((2, 2))}, folder / "model.safetensors"),
        lambda folder: save_file({"embeddings": np.ones((2, 2))}, folder / "model.safetensors"),
        _write_mapping,
        lambda folder: (folder / "config.json").write_text('{"model_type": "other"}'),
    ],
)
def test_damaged_folders_are_refused(damage: Any, tmp_path: Path) -> None:
    _save(tmp_path)
    damage(tmp_path)
    recognise(tmp_path)
    with pytest.raises(FormatError, match=str(tmp_path)):
        build(tmp_path)


def test_a_missing_library_names_the_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path)
    monkeypatch.setitem(sys.modules, "model2vec", None)
    assert recognise(tmp_path) is not None
    with pytest.raises(MissingDependencyError, match="pip install model2vec"):
        build(tmp_path)
