"""Checkpoints of tiny encoders: written, recognised from the header alone, built, refused."""

import json
import struct

import numpy as np
import pytest
import torch

from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders import ENCODERS
from cl_viz.encoders.tiny import TinyArchitecture, TinyEncoder, TinyNetwork, build, recognise, write_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "weights of a model é.safetensors"
    write_checkpoint(path, TinyNetwork(TinyArchitecture(words=11)))
    return path


def _images(count):
    return np.random.default_rng(0).random((count, 1, 28, 28), dtype=np.float32)


def test_the_family_is_registered():
    assert ENCODERS["tiny"].build is build


def test_a_checkpoint_gives_back_the_encoder(checkpoint):
    torch.manual_seed(0)
    network = TinyNetwork(TinyArchitecture(words=11)).half().float().eval()
    images = _images(7)
    got, wanted = build(checkpoint).encode(images, "view_1"), TinyEncoder(network).encode(images, "view_1")
    assert got["projector"].shape == (7, 32)
    assert got["backbone"].shape == (7, 64)
    for layer in ("projector", "backbone"):
        assert got[layer].dtype == np.float32
        np.testing.assert_array_equal(got[layer], wanted[layer])


def test_the_text_tower_reads_words_and_ignores_padding(checkpoint):
    encoder = build(checkpoint)
    text = encoder.encode(np.array([[1, 2, 0], [1, 2, 0], [3, 4, 5]]), "text")["projector"]
    shorter = encoder.encode(np.array([[1, 2]]), "text")["projector"]
    np.testing.assert_allclose(text[0], shorter[0], rtol=1e-5)
    assert np.abs(text[2] - text[0]).max() > 1e-3


def test_batches_do_not_change_the_rows(checkpoint):
    encoder = build(checkpoint)
    images = _images(1100)
    whole = encoder.encode(images, "view_1")["backbone"]
    np.testing.assert_allclose(whole[700:703], encoder.encode(images[700:703], "view_1")["backbone"], atol=1e-5)


def test_recognise_reads_only_the_header(checkpoint, tmp_path):
    content = checkpoint.read_bytes()
    header = 8 + struct.unpack("<Q", content[:8])[0]
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(content[: header + 10])
    assert recognise(checkpoint)
    assert recognise(cut)
    with pytest.raises(FormatError, match=r"cut\.safetensors"):
        build(cut)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08\x00",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 9) + b"not json!",
        struct.pack("<Q", 2) + b"[]",
    ],
    ids=["empty", "cut length", "header claims too much", "other file", "no JSON", "list"],
)
def test_other_files_are_neither_recognised_nor_built(tmp_path, content):
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    assert not recognise(path)
    with pytest.raises(FormatError, match=r"other\.safetensors"):
        build(path)


def test_a_missing_file_is_an_error(tmp_path):
    assert not recognise(tmp_path / "none.safetensors")
    with pytest.raises(FormatError, match=r"none\.safetensors"):
        build(tmp_path / "none.safetensors")


def test_weights_must_fit_the_architecture_the_header_names(checkpoint, tmp_path):
    content = checkpoint.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    described = json.loads(header["__metadata__"]["cl_viz"])
    for change, message in (({"projector_width": 40}, "size mismatch"), ({"widths": [10**9, 8, 8]}, "cannot be built")):
        changed = {**described, "architecture": {**described["architecture"], **change}}
        header["__metadata__"]["cl_viz"] = json.dumps(changed)
        new = json.dumps(header).encode()
        path = tmp_path / "changed.safetensors"
        path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])
        with pytest.raises(FormatError, match=message):
            build(path)


def test_impossible_architectures_are_refused():
    with pytest.raises(InputError, match="cannot be built"):
        TinyArchitecture(channels=2)
    with pytest.raises(InputError, match="unknown"):
        TinyArchitecture.from_dict({"colour": 3})
