"""Which family a checkpoint is of; what nobody knows is answered with what was looked for and what was found."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import cl_viz.encoders
from cl_viz.core.encoder import EncoderSpec, Recognised
from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.encoders import ENCODERS, recognise
from cl_viz.encoders._recognising import refuse_checkpoint
from cl_viz.encoders.tiny import TinyArchitecture, TinyNetwork, write_checkpoint


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    write_checkpoint(path, TinyNetwork(TinyArchitecture()))
    return path


@pytest.fixture
def program() -> Iterator[None]:
    """A family whose files are programs, registered for one test."""
    spec = EncoderSpec(
        "program", "A program", lambda path: Recognised("program", "a program", ("image",), ("out",))
        if path.suffix == ".program" else None, lambda path: pytest.fail("it was run"), "Runs code.", runs_code=True,
    )  # fmt: skip
    ENCODERS._entries["program"] = spec
    yield
    del ENCODERS._entries["program"]


def test_a_checkpoint_is_named_with_its_family_and_layers(tiny: Path) -> None:
    found = recognise(tiny)
    assert found.family == "tiny"
    assert found.layers == ("projector", "backbone")
    assert found.parameters > 10_000


def test_an_unknown_file_of_weights_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": {"odd.one": torch.zeros(2, 2), "odd.two": torch.zeros(2)}}, path)
    with pytest.raises(FormatError) as error:
        recognise(path)
    assert "2 keys: odd.one, odd.two" in str(error.value)
    assert "'state_dict'" in str(error.value)
    for spec in ENCODERS.values():
        assert spec.label in str(error.value)


def test_an_unknown_folder_says_its_model_type_and_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "strange"}')
    with pytest.raises(FormatError, match=r"'strange'.*1 file: config\.json"):
        recognise(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": ')
    with pytest.raises(FormatError, match=r"whose config\.json cannot be read"):
        recognise(tmp_path)


def test_other_files_and_no_file_are_refused_with_their_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello there")
    with pytest.raises(FormatError, match="begins with b'hello th'"):
        recognise(tmp_path / "a.txt")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(FormatError, match="the file is empty"):
        recognise(tmp_path / "empty.pth")
    with pytest.raises(FormatError, match="no such file"):
        recognise(tmp_path / "absent")


def test_a_pickle_that_asks_for_more_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"model": torch.nn.Linear(2, 2)}, path)
    with pytest.raises(UnsafeFileError) as error:
        recognise(path)
    assert "could run code" in str(error.value)
    assert "torch.save({'state_dict': weights}" in str(error.value)
    bare = tmp_path / "bare.pkl"
    bare.write_bytes(pickle.dumps({"weight": np.zeros(3)}))
    with pytest.raises(UnsafeFileError, match=r"bare pickle could run code and was not opened(.|\n)*torch\.save"):
        recognise(bare)


def test_a_program_is_run_only_when_trusted(program: None, tmp_path: Path) -> None:
    path = tmp_path / "x.program"
    path.write_text("anything")
    with pytest.raises(UnsafeFileError, match=r"runs whatever code its author put there.*--trust"):
        recognise(path)
    assert recognise(path, trust=True).family == "program"


def test_a_checkpoint_where_embeddings_are_wanted_says_what_to_do(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"has no embeddings yet.*cl_viz\.encode\(checkpoint, data\)"):
        refuse_checkpoint(tiny)
    np.save(tmp_path / "dump.npy", np.zeros((4, 3)))
    refuse_checkpoint(tmp_path / "dump.npy")
    refuse_checkpoint(tmp_path / "absent.pt")


def test_the_room_offers_it_lazily() -> None:
    assert cl_viz.encoders.recognise is recognise
    with pytest.raises(AttributeError):
        _ = cl_viz.encoders.nothing
