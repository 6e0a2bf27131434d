"""ONNX and TorchScript: recognised without running anything, refused without trust, equal to the library where run."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor, nn

from cl_viz.core.errors import DeviceError, FormatError, InputError, MissingDependencyError, UnsafeFileError
from cl_viz.encoders import ENCODERS
from cl_viz.encoders import recognise as recognise_any
from cl_viz.encoders.onnx_file import build as build_onnx
from cl_viz.encoders.onnx_file import recognise as recognise_onnx
from cl_viz.encoders.torchscript_file import build as build_script
from cl_viz.encoders.torchscript_file import recognise as recognise_script

onnx: Any = pytest.importorskip("onnx")
onnxruntime: Any = pytest.importorskip("onnxruntime")

WORDS = ["[PAD]", "[UNK]", "a", "cat", "dog", "sat"]
TEXTS = ["a cat sat", "dog", "unheard", "a " * 700]
RANDOM = np.random.default_rng(0)
PICTURES = RANDOM.normal(size=(5, 3, 16, 16)).astype(np.float32)
TABLE = RANDOM.normal(size=(len(WORDS), 4)).astype(np.float32)
FLOAT, INT64, INT32 = 1, 7, 6


def _tokenizer(folder: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def _means(longest: int = 512) -> np.ndarray:
    rows = [[WORDS.index(word) if word in WORDS else 1 for word in text.split()][:longest] for text in TEXTS]
    return np.stack([TABLE[row].mean(axis=0) for row in rows])


def _value(name: str, kind: int, shape: list[Any]) -> Any:
    return onnx.helper.make_tensor_value_info(name, kind, shape)


def _save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], **constants: np.ndarray) -> Path:
    held = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "graph", inputs, outputs, held)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def _picture_program(path: Path, shape: list[Any] | None = None, last: bool = False) -> Path:
    node = onnx.helper.make_node
    nodes = [node("Transpose", ["pixels"], ["turned"], perm=[0, 3, 1, 2])] if last else []
    nodes += [
        node("Conv", ["turned" if last else "pixels", "kernel"], ["places"]),
        node("GlobalAveragePool", ["places"], ["average"]),
        node("Flatten", ["average"], ["embedding"]),
    ]
    if last:
        nodes.append(node("Transpose", ["places"], ["turned_back"], perm=[0, 2, 3, 1]))
    places = _value("turned_back", FLOAT, ["n", "h", "w", 2]) if last else _value("places", FLOAT, ["n", 2, "h", "w"])
    outputs = [places, _value("embedding", FLOAT, ["n", 2])]
    shape = shape or ["n", 3, 16, 16]
    kernel = np.random.default_rng(1).normal(size=(2, 3, 3, 3)).astype(np.float32)
    return _save(path, nodes, [_value("pixels", FLOAT, shape)], outputs, kernel=kernel)


def _text_program(path: Path, kind: int = INT64, length: Any = "t") -> Path:
    inputs = [_value("input_ids", kind, ["n", length]), _value("attention_mask", kind, ["n", length])]
    nodes = [
        onnx.helper.make_node("Gather", ["table", "input_ids"], ["last_hidden_state"]),
        onnx.helper.make_node("Identity", ["attention_mask"], ["mask"]),
    ]
    outputs = [_value("last_hidden_state", FLOAT, ["n", length, 4]), _value("mask", kind, ["n", length])]
    _save(path, nodes, inputs, outputs, table=TABLE)
    _tokenizer(path.parent)
    return path


# -- ONNX --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [["n", 3, 16, 16], [2, 3, 16, 16], ["n", 16, 16, 3], ["n", 3, "h", "w"]], ids=str)
def test_an_image_program_gives_what_onnxruntime_gives(shape: list[Any], tmp_path: Path) -> None:
    last = shape[3] == 3
    layer, axes = ("turned_back", (1, 2)) if last else ("places", (2, 3))
    path = _picture_program(tmp_path / "model.onnx", shape, last)
    recognised = recognise_onnx(path)
    assert recognised is not None
    assert (recognised.modalities, recognised.layers) == (("image",), ("embedding", layer))
    assert recognised.parameters == 2 * 3 * 3 * 3
    assert recognised.image is not None
    assert recognised.image.size == ((224, 224) if shape[3] == "w" else (16, 16))
    assert any("trust its author" in note for note in recognised.notes)
    got = build_onnx(path).to("cpu", half=True).encode(PICTURES, "image")
    pictures = PICTURES.transpose(0, 2, 3, 1) if last else PICTURES
    session = onnxruntime.InferenceSession(str(path))
    whole = np.concatenate([pictures, pictures[-1:]])
    parts = [session.run(None, {"pixels": whole[start : start + 2]}) for start in (0, 2, 4)]
    places, embedding = (np.concatenate(outputs)[:5] for outputs in zip(*parts, strict=True))
    np.testing.assert_allclose(got["embedding"], embedding, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(got[layer], places.mean(axis=axes), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "length"), [(INT64, "t"), (INT32, "t"), (INT64, 3)])
def test_a_text_program_is_averaged_over_its_words(kind: int, length: Any, tmp_path: Path) -> None:
    path = _text_program(tmp_path / "onnx" / "model.onnx", kind, length)
    (tmp_path / "onnx" / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    recognised = recognise_onnx(tmp_path)
    assert recognised is not None
    assert (recognised.modalities, recognised.layers) == (("text",), ("last_hidden_state",))
    got = build_onnx(path).encode(TEXTS, "text")["last_hidden_state"]
    np.testing.assert_allclose(got, _means(512 if length == "t" else 3), rtol=1e-5, atol=1e-5)


def _two_towers(path: Path, rows: Any = "n") -> Path:
    node = onnx.helper.make_node
    nodes = [
        node("Gather", ["table", "input_ids"], ["words"]),
        node("ReduceMean", ["words"], ["text_embeds"], axes=[1], keepdims=0),
        node("Conv", ["pixel_values", "kernel"], ["places"]),
        node("GlobalAveragePool", ["places"], ["average"]),
        node("Flatten", ["average"], ["image_embeds"]),
        node("Transpose", ["text_embeds"], ["turned"]),
        node("MatMul", ["image_embeds", "turned"], ["logits_per_image"]),
        node("Identity", ["attention_mask"], ["mask"]),
    ]
    inputs = [_value("input_ids", INT64, [rows, "t"]), _value("pixel_values", FLOAT, ["m", 3, 16, 16]),
              _value("attention_mask", INT64, [rows, "t"])]  # fmt: skip
    outputs = [_value("logits_per_image", FLOAT, ["m", rows]), _value("text_embeds", FLOAT, [rows, 4]),
               _value("image_embeds", FLOAT, ["m", 4]), _value("mask", INT64, [rows, "t"])]  # fmt: skip
    kernel = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    _save(path, nodes, inputs, outputs, table=TABLE, kernel=kernel)
    _tokenizer(path.parent)
    return path


@pytest.mark.parametrize("rows", ["n", 2])
def test_a_program_of_two_towers_embeds_images_and_texts(rows: Any, tmp_path: Path) -> None:
    path = _two_towers(tmp_path / "model.onnx", rows)
    recognised, encoder = recognise_onnx(path), build_onnx(path)
    assert recognised is not None
    assert (recognised.modalities, recognised.layers) == (("image", "text"), ("projected",))
    texts = ["a cat sat", "dog dog dog", "cat cat a", "sat sat sat"]
    numbers = np.array([[WORDS.index(word) for word in text.split()] for text in texts], dtype=np.int64)
    session = onnxruntime.InferenceSession(str(path))
    feed = {"input_ids": numbers[:2], "attention_mask": np.ones((2, 3), np.int64), "pixel_values": PICTURES}
    (wanted,) = session.run(["image_embeds"], feed)
    np.testing.assert_allclose(encoder.encode(PICTURES, "image")["projected"], wanted, rtol=1e-5, atol=1e-6)
    got = encoder.encode(texts, "text")["projected"]
    np.testing.assert_allclose(got, TABLE[numbers].mean(axis=1), rtol=1e-5, atol=1e-6)


def test_two_inputs_without_an_output_for_each_are_refused(tmp_path: Path) -> None:
    path = _two_towers(tmp_path / "model.onnx")
    model = onnx.load(path)
    del model.graph.output[2]
    onnx.save(model, path)
    with pytest.raises(FormatError, match="export each tower by itself"):
        build_onnx(path)


def test_an_oblong_image_is_squeezed(tmp_path: Path) -> None:
    path = _picture_program(tmp_path / "model.onnx", ["n", 3, 16, 12])
    recognised = recognise_onnx(path)
    assert recognised is not None
    assert recognised.image is not None
    assert recognised.image.size == recognised.image.resize == (16, 12)
    assert build_onnx(path).encode(PICTURES[:, :, :, :12], "image")["embedding"].shape == (5, 2)


def test_programs_are_refused_without_trust(tmp_path: Path) -> None:
    path = _picture_program(tmp_path / "model.onnx")
    with pytest.raises(UnsafeFileError, match="--trust"):
        recognise_any(path)
    assert recognise_any(path, trust=True).family == "onnx"
    assert {name for name, spec in ENCODERS.items() if spec.runs_code} >= {"onnx", "torchscript"}


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "a/../../secret.bin", "link.bin", "C:\\x", "absent"])
@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_numbers_outside_the_folder_are_refused(place: str, where: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    path = _picture_program(folder / "model.onnx")
    (tmp_path / "secret.bin").write_bytes(bytes(4 * 54))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    if where == "attribute":
        node = onnx.helper.make_node("Constant", [], ["unused"], value=onnx.numpy_helper.from_array(TABLE, "inner"))
        model.graph.node.append(node)
        tensor = model.graph.node[-1].attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    tensor.external_data.add(key="location", value=place)
    path.write_bytes(model.SerializeToString())
    recognised = recognise_onnx(path)
    assert recognised is not None
    assert any("cannot be opened" in note for note in recognised.notes)
    with pytest.raises(FormatError, match=r"outside its folder|are missing"):
        build_onnx(path)


def test_numbers_in_the_same_folder_are_read(tmp_path: Path) -> None:
    path = _picture_program(tmp_path / "model.onnx")
    wanted = build_onnx(path).encode(PICTURES, "image")["embedding"]
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="numbers.bin", size_threshold=0)
    assert (tmp_path / "numbers.bin").stat().st_size >= 4 * 54
    np.testing.assert_array_equal(build_onnx(path).encode(PICTURES, "image")["embedding"], wanted)


def test_other_inputs_and_damage_are_refused(tmp_path: Path) -> None:
    two = [_value("pixels", FLOAT, ["n", 3, 8, 8]), _value("input_ids", INT64, ["n", "t"])]
    nodes = [onnx.helper.make_node("Flatten", ["pixels"], ["out"])]
    path = _save(tmp_path / "two.onnx", nodes, two, [_value("out", FLOAT, ["n", 192])])
    recognised = recognise_onnx(path)
    assert recognised is not None
    assert any("neither" in note for note in recognised.notes)
    with pytest.raises(FormatError, match="pixels, input_ids"):
        build_onnx(path)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(path.read_bytes()[:40])
    assert recognise_onnx(cut) is not None
    with pytest.raises(FormatError, match=r"cut\.onnx"):
        build_onnx(cut)
    text = _text_program(tmp_path / "text.onnx")
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FormatError, match=r"no tokenizer\.json"):
        build_onnx(text)


def test_what_an_onnx_program_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _picture_program(tmp_path / "model.onnx")
    encoder = build_onnx(path)
    with pytest.raises(DeviceError, match="onnxruntime cannot run on cuda"):
        encoder.to("cuda:0", half=True)
    with pytest.raises(InputError, match="modality"):
        encoder.encode(TEXTS, "text")
    with pytest.raises(FormatError, match="cannot be run"):
        encoder.encode(PICTURES[:, :2], "image")
    for missing in ("onnx", "onnxruntime"):
        with monkeypatch.context() as patched:
            patched.setitem(sys.modules, missing, None)
            assert recognise_onnx(path) is not None
            with pytest.raises(MissingDependencyError, match=f"pip install {missing}$|pip install {missing}[^r]"):
                build_onnx(path)


# -- TorchScript -------------------------------------------------------------------------------------------------
class Pictures(nn.Module):
    """Features of images, with a second output that is left out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return places and a constant."""
        return self.body(pixels), torch.ones(1)


class Words(nn.Module):
    """Vectors of words."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(torch.from_numpy(TABLE))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Return a vector a word."""
        return {"other": attention_mask, "last_hidden_state": self.table(input_ids)}


def _script(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted: Any = torch.jit.script(module)  # type: ignore[no-untyped-call]
        scripted.save(str(path))
    return path


def test_a_scripted_image_program_gives_what_torch_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Pictures().eval()
    path = _script(module, tmp_path / "features.pt")
    recognised = recognise_script(path)
    assert recognised is not None
    assert (recognised.modalities, recognised.layers) == (("image",), ("output",))
    with pytest.raises(UnsafeFileError, match="--trust"):
        recognise_any(path)
    assert recognise_any(path, trust=True).family == "torchscript"
    encoder = build_script(path).to("cpu", half=False)
    with torch.inference_mode():
        wanted = module(torch.from_numpy(PICTURES))[0].mean(dim=(2, 3)).numpy()
    np.testing.assert_allclose(encoder.encode(PICTURES, "image")["output"], wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="dropout"):
        encoder.dropout(True)
    with pytest.raises(FormatError, match="cannot be run"):
        encoder.encode(PICTURES[:, :1], "image")


def test_a_scripted_text_program_is_averaged_over_its_words(tmp_path: Path) -> None:
    path = _script(Words(), tmp_path / "words.pt")
    recognised = recognise_script(path)
    assert recognised is not None
    assert recognised.modalities == ("text",)
    assert any("no tokenizer.json" in note for note in recognised.notes)
    with pytest.raises(FormatError, match=r"no tokenizer\.json"):
        build_script(path)
    _tokenizer(tmp_path)
    np.testing.assert_allclose(build_script(path).encode(TEXTS, "text")["output"], _means(), rtol=1e-5, atol=1e-5)


def test_recognising_a_script_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _script(Pictures(), tmp_path / "features.pt")
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: os.abort())
    assert recognise_script(path) is not None
    for name, spec in ENCODERS.items():
        assert (spec.recognise(path) is not None) == (name == "torchscript"), name


def test_scripts_of_other_inputs_and_damage_are_refused(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            return first + second

    with pytest.raises(FormatError, match="takes first, second"):
        build_script(_script(Pair(), tmp_path / "pair.pt"))
    path = _script(Pictures(), tmp_path / "cut.pt")
    path.write_bytes(path.read_bytes()[:-200])
    assert recognise_script(path) is None
    with pytest.raises(FormatError):
        build_script(path)
