"""Weights out of safetensors, torch files and shards: unwrapped, checked, and nothing in them ever run."""

from __future__ import annotations

import argparse
import collections
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.encoders._torch_weights import as_float32, is_weights, state_dict


class Payload:
    """Unpickling this makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.target}'",)


class Settings:
    """A class of the training code."""


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"layer.weight": torch.randn(3, 4, generator=generator), "layer.bias": torch.randn(3, generator=generator)}


def same(got: Any, wanted: dict[str, Tensor]) -> bool:
    return set(got) == set(wanted) and all(torch.equal(got[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("wrap", "taken", "left_out"),
    [
        (lambda found: found, "", ()),
        (lambda found: collections.OrderedDict(found), "", ()),
        (lambda found: {"state_dict": found, "optimizer": {"state": {}}}, "state_dict", ("optimizer",)),
        (lambda found: {"epoch": 3, "model": found}, "model", ("epoch",)),
        (lambda found: {"state_dict": {"model": found}}, "state_dict.model", ()),
        (
            lambda found: {"student": {}, "teacher": found, "args": argparse.Namespace(arch="vit_small")},
            "teacher", ("student", "args"),
        ),
        (lambda found: {"student": found, "loss": 0.5}, "student", ("loss",)),
        (lambda found: {"net": found, "acc": 91.2, "optimizer": {"state": {0: weights()}}}, "net",
         ("acc", "optimizer")),
        (lambda found: {"run": {"checkpoint": {"state_dict": found}, "epoch": 3}}, "run.checkpoint.state_dict",
         ("run.epoch",)),
    ],
)  # fmt: skip
def test_wrappings_are_taken_off_and_named(
    wrap: Any, taken: str, left_out: tuple[str, ...], old: bool, tmp_path: Path
) -> None:
    path = tmp_path / "any name.ckpt"
    torch.save(wrap(weights()), path, _use_new_zipfile_serialization=not old)
    assert is_weights(path)
    found = state_dict(path)
    assert same(found, weights())
    assert (found.taken, found.left_out, found.parameters) == (taken, left_out, 15)


def test_a_key_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "two.pth"
    torch.save({"teacher": weights(), "student": {"layer.bias": torch.ones(3)}}, path)
    assert same(state_dict(path, take="student"), {"layer.bias": torch.ones(3)})
    with pytest.raises(FormatError, match="'encoder'") as caught:
        state_dict(path, take="encoder")
    assert "teacher, student" in str(caught.value)


def test_parts_beside_each_other_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "parts.pth"
    torch.save({"encoder": weights(), "head": {"weight": torch.ones(2)}, "optimizer": {"state": {0: weights()}}}, path)
    found = state_dict(path)
    assert set(found) == {"encoder.layer.weight", "encoder.layer.bias", "head.weight"}
    assert found.left_out == ("optimizer",)


def test_safetensors_and_shards_give_the_same(tmp_path: Path) -> None:
    save_file(weights(), tmp_path / "model.safetensors")
    assert same(state_dict(tmp_path), weights())
    folder = tmp_path / "sharded"
    folder.mkdir()
    names = {name: f"model-0000{number}-of-00002.safetensors" for number, name in enumerate(weights(), 1)}
    for name, file in names.items():
        save_file({name: weights()[name]}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    assert same(state_dict(folder), weights())
    (folder / names["layer.bias"]).unlink()
    with pytest.raises(FormatError, match="no such file"):
        state_dict(folder)


@pytest.mark.parametrize("shard", ["../secret.safetensors", "/etc/passwd", "..", "a\\b", 3])
def test_an_index_points_to_its_own_folder_alone(shard: object, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(UnsafeFileError, match="points to"):
        state_dict(tmp_path)


@pytest.mark.parametrize("cut", [4, 40, 120])
def test_a_truncated_file_is_refused(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(weights(), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError, match=r"model\.safetensors"):
        state_dict(path)


def _bare(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content))


@pytest.mark.parametrize(
    "write", [torch.save, lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False), _bare]
)
def test_a_pickle_is_refused_with_the_way_out_and_never_run(write: Any, tmp_path: Path) -> None:
    target = tmp_path / "executed"
    path = tmp_path / "hostile.pth"
    write({"state_dict": weights(), "hyper_parameters": Payload(target)}, path)
    with pytest.raises(UnsafeFileError) as caught:
        state_dict(path)
    assert not target.exists()
    assert "torch.load('hostile.pth', map_location='cpu', weights_only=False)" in str(caught.value.remedy)
    # The payload itself works: the test would notice.
    os.system(Payload(target).__reduce__()[1][0])
    assert target.exists()


def test_the_refusal_names_the_global_and_the_snippet_converts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "it's mine.pth"
    torch.save({"state_dict": weights(), "settings": Settings()}, path)
    with pytest.raises(UnsafeFileError, match=r"asks to call \S*Settings") as caught:
        state_dict(path)
    snippet = str(caught.value.remedy).split(":\n", 1)[1]
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    converted = state_dict(tmp_path / "it's mine_weights.pt")
    assert same(converted, weights())


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_script_is_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)), str(path))  # type: ignore[no-untyped-call]
    assert not is_weights(path)
    with pytest.raises(UnsafeFileError, match="TorchScript"):
        state_dict(path)


def test_a_tensor_that_claims_more_than_is_stored_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.pth"
    torch.save({"weight": torch.ones(1).expand(1 << 20, 1 << 20)}, path)
    with pytest.raises(UnsafeFileError, match="claims"):
        state_dict(path)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], torch.ones(3)])
def test_a_file_without_names_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "nothing.pth"
    torch.save(content, path)
    with pytest.raises(FormatError, match="no named weights"):
        state_dict(path)


def test_half_precision_is_widened_into_memory_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_file({"a": torch.ones(3, dtype=torch.bfloat16), "steps": torch.tensor(3)}, path)
    wide = as_float32(state_dict(path))
    assert wide["a"].dtype == torch.float32
    assert wide["steps"].dtype == torch.int64
    wide["a"].zero_()
    assert float(state_dict(path)["a"].sum()) == 3


def test_strangers_are_no_weights(tmp_path: Path) -> None:
    (tmp_path / "text.pt").write_text("words")
    (tmp_path / "zip.pt").write_bytes(b"PK\x03\x04")
    assert not any(is_weights(tmp_path / name) for name in ("text.pt", "zip.pt", "absent", "."))
