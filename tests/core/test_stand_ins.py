"""Pointers and web pages in the place of a file are told as what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

import cl_viz
from cl_viz.core.errors import FormatError
from cl_viz.core.stand_ins import refuse_stand_in

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = "\ufeff\n<!DOCTYPE html>\n<html><body>Log in</body></html>"


@pytest.mark.parametrize("name", ["dump.npz", "dump.csv", "dump.jsonl", "weights.safetensors", "weights.pt", "dump"])
@pytest.mark.parametrize(
    ("text", "told", "remedy"),
    [(POINTER, "Git LFS pointer: the file of 12,345 bytes", "git lfs pull"), (PAGE, "web page", "itself")],
)
def test_a_stand_in_is_told(name: str, text: str, told: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    for look in (cl_viz.load, cl_viz.formats.inspect, cl_viz.encoders.recognise):
        with pytest.raises(FormatError, match=told) as caught:
            look(path)
        assert remedy in caught.value.remedy


@pytest.mark.parametrize("text", ["", "version,https\n1,2\n", "<xml>", "[[1, 2]]"])
def test_anything_else_passes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    path.write_text(text)
    refuse_stand_in(path)
    refuse_stand_in(tmp_path)
    refuse_stand_in(tmp_path / "nothing")
