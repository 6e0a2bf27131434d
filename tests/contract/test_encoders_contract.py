"""Every family of checkpoints: cheap and silent on strangers, layers named, nothing executed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cl_viz.core.encoder import EncoderSpec
from cl_viz.core.errors import ClVizError, FormatError
from cl_viz.encoders import ENCODERS
from cl_viz.encoders.tiny import TinyArchitecture, TinyNetwork, write_checkpoint

HEAVY = ("transformers", "sentence_transformers", "onnx", "onnxruntime", "model2vec", "timm", "lightning", "tokenizers")
EACH = pytest.mark.parametrize("spec", list(ENCODERS.values()), ids=lambda spec: str(spec.name))


def _deep(path: Path) -> None:
    path.write_text("[" * 200_000)


STRANGERS: dict[str, Callable[[Path], object]] = {
    "weights.safetensors": lambda path: save_file({"a": torch.ones(2, 2)}, path),
    "tensor.pt": lambda path: torch.save(torch.ones(3), path),
    "numbers.pth": lambda path: torch.save({"epoch": 3, "losses": [0.1, 0.2]}, path),
    "array.npy": lambda path: np.save(path, np.ones((4, 4))),
    "empty.onnx": lambda path: path.touch(),
    "text.onnx": lambda path: path.write_text("not a program"),
    "picture.png": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"),
    "broken.zip": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(100)),
    "config.json": lambda path: path.write_text("{}"),
    "modules.json": lambda path: path.write_text("[]"),
    "list.json": lambda path: path.write_text("[1, 2]"),
    "preprocessor_config.json": _deep,
}


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("strangers")
    for name, write in STRANGERS.items():
        write(home / name)
    odd = home / "odd"
    odd.mkdir()
    (odd / "config.json").write_text(json.dumps({"model_type": {"nested": []}, "architectures": 3}))
    deep = home / "deep"
    deep.mkdir()
    for name in ("config.json", "modules.json"):
        _deep(deep / name)
    return [*sorted(home.iterdir()), home / "absent", home]


@EACH
def test_strangers_are_not_recognised_and_cost_nothing(spec: EncoderSpec, strangers: list[Path]) -> None:
    started = time.process_time()
    for stranger in strangers:
        assert spec.recognise(stranger) is None, stranger
    assert time.process_time() - started < 1.0


@EACH
def test_a_stranger_is_not_built(spec: EncoderSpec, strangers: list[Path]) -> None:
    for stranger in strangers:
        with pytest.raises(ClVizError):
            spec.build(stranger)


@EACH
def test_a_large_file_of_zeros_is_not_read(spec: EncoderSpec, tmp_path: Path) -> None:
    for name in ("weights.safetensors", "model.onnx", "weights.pth"):
        path = tmp_path / name
        with path.open("wb") as file:
            file.truncate(8 << 30)
        started = time.process_time()
        assert spec.recognise(path) is None
        assert time.process_time() - started < 1.0


@EACH
def test_a_family_is_described(spec: EncoderSpec) -> None:
    assert spec.description.endswith(".")
    assert not spec.label.endswith(".")
    assert spec.runs_code == (spec.name in ("onnx", "torchscript"))


def test_asking_what_a_file_is_imports_no_library_of_a_family(tmp_path: Path) -> None:
    torch.manual_seed(0)
    write_checkpoint(tmp_path / "tiny.safetensors", TinyNetwork(TinyArchitecture()))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 16}))
    save_file({"embeddings.word_embeddings.weight": torch.ones(2, 2)}, tmp_path / "model.safetensors")
    code = (
        "import sys, pathlib; from cl_viz.encoders import recognise\n"
        f"home = pathlib.Path({str(tmp_path)!r})\n"
        "print(recognise(home / 'tiny.safetensors').family, recognise(home).family)\n"
        f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["tiny transformers", "[]"]


@pytest.mark.parametrize("words", [0, 11])
def test_layers_are_named_and_unique(words: int, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    torch.manual_seed(0)
    write_checkpoint(path, TinyNetwork(TinyArchitecture(words=words)))
    recognised = ENCODERS["tiny"].recognise(path)
    encoder = ENCODERS["tiny"].build(path)
    assert recognised is not None
    assert recognised.layers == encoder.layers
    assert len(set(encoder.layers)) == len(encoder.layers) > 0
    rows = encoder.encode(np.zeros((2, 1, 28, 28), dtype=np.float32), "image")
    assert tuple(rows) == encoder.layers


def test_nobody_knows_is_an_error_that_lists_the_families(strangers: list[Path]) -> None:
    from cl_viz.encoders import recognise

    with pytest.raises(FormatError) as caught:
        recognise(strangers[0])
    for spec in ENCODERS.values():
        assert spec.label in str(caught.value)
