"""Encodings that were killed, that meet a full disk, or that two processes want: no row is lost, doubled or mixed."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import Cancelled, InputError
from cl_viz.encoders import _encoding, _shard_folder
from cl_viz.encoders._encoding import Encoding
from cl_viz.encoders._shard_folder import JOURNAL, ShardFolder, read_journal

KILLED = """
import os, signal, sys
from cl_viz.encoders import _encoding, _shard_folder
_encoding.SECONDS_BETWEEN_SHARDS = 0.0
whole = _shard_folder.ShardFolder._append
def half(self, entry):
    if len(self.shards) == int(sys.argv[4]):
        line = b'{"first": 9999, "sto'  # the line that was being written
        (self.folder / _shard_folder.JOURNAL).open("ab").write(line)
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, entry)
_shard_folder.ShardFolder._append = half
_encoding.encode(sys.argv[1], sys.argv[2], out=sys.argv[3], views="caption")
"""


def captions(path: Path, count: int) -> Path:
    words = ["seven: bold, upright", "one: thin", "nought", "three: thick, slanted, wide", "nine"]
    rows = [f'"{words[row % 5]} {words[row * row % 5]} {row}",{row % 3}' for row in range(count)]
    path.write_text("\n".join(["caption,label", *rows]))
    return path


@pytest.mark.slow
def test_twenty_thousand_texts_killed_in_the_middle_are_those_of_an_uninterrupted_run(
    two_tower_checkpoint: Path, tmp_path: Path
) -> None:
    data, out = captions(tmp_path / "texts.csv", 20_000), tmp_path / "run"
    command = [sys.executable, "-c", KILLED, str(two_tower_checkpoint), str(data), str(out), "7"]
    killed = subprocess.run(command, capture_output=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    shards = read_journal(out)[1]
    assert len(shards) == 7
    assert 0 < shards[-1].stop < 20_000
    with pytest.raises(cl_viz.ClVizError, match=f"has not ended: {shards[-1].stop:,} rows are done"):
        cl_viz.open_run(out)
    begun: list[float] = []
    resumed = Encoding(two_tower_checkpoint, data, views="caption").run(out, lambda done, _: begun.append(done))
    assert begun[0] > shards[-1].stop / 20_000  # nothing before it was done again
    whole = cl_viz.encode(two_tower_checkpoint, data, views="caption")
    assert resumed.get().n == 20_000
    np.testing.assert_array_equal(resumed.get().views["view_1"], whole.views["view_1"])
    np.testing.assert_array_equal(resumed.get().columns()["row"], np.arange(20_000))
    assert resumed.get().fingerprint == whole.fingerprint


def test_random_views_of_a_stopped_encoding_are_those_of_an_uninterrupted_one(
    colour_checkpoint: Path, pets: Path, tmp_path: Path
) -> None:
    def stop(fraction: float, message: str) -> None:
        raise Cancelled("stopped")

    for _ in range(3):  # stopped after one batch, three times
        with pytest.raises(Cancelled):
            cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run", batch_size=3, progress=stop)
    assert [shard.stop for shard in read_journal(tmp_path / "run")[1]] == [3, 6, 9]
    resumed = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    whole = cl_viz.encode(colour_checkpoint, pets, batch_size=3)
    for view in whole.view_names:
        np.testing.assert_array_equal(resumed.views[view], whole.views[view])
    assert json.loads((tmp_path / "run" / "card.json").read_text())["batch_size"] == 3


def test_an_encoding_that_ended_is_opened_and_not_made_again(
    colour_checkpoint: Path, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    monkeypatch.setattr(Encoding, "loop", lambda *arguments: pytest.fail("it was encoded again"))
    again = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("arguments", "difference"),
    [({"seed": 3}, r"the seed \(0, not 3\)"), ({"views": "plain"}, "the views"), ({"layer": "all"}, "the layers")],
)
def test_another_encoding_in_the_same_folder_is_refused_with_what_differs(
    colour_checkpoint: Path, pets: Path, tmp_path: Path, arguments: dict[str, Any], difference: str
) -> None:
    cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    with pytest.raises(InputError, match=difference):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run", **arguments)


def test_other_data_and_another_checkpoint_are_refused(colour_checkpoint: Path, pets: Path, tmp_path: Path) -> None:
    cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    other = tmp_path / "other.safetensors"
    other.write_bytes(colour_checkpoint.read_bytes()[:-2] + b"\0\0")
    with pytest.raises(InputError, match="something else: the checkpoint"):
        cl_viz.encode(other, pets, out=tmp_path / "run")
    (pets / "cat" / "1.png").unlink()
    with pytest.raises(InputError, match="something else: the data"):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("dear")
    with pytest.raises(InputError, match=r"holds other files: thesis\.tex"):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "full")
    assert [entry.name for entry in (tmp_path / "full").iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="this is a file"):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "full" / "thesis.tex")


def test_seeds_and_views_of_another_kind_are_refused(colour_checkpoint: Path, pets: Path) -> None:
    for seed in (-1, "a", 1.5, True):
        with pytest.raises(InputError, match="a whole number from 0 on"):
            cl_viz.encode(colour_checkpoint, pets, seed=seed)
    with pytest.raises(InputError, match="views is 3"):
        cl_viz.encode(colour_checkpoint, pets, views=3)


def test_a_second_process_is_refused_while_the_first_one_writes(
    colour_checkpoint: Path, pets: Path, tmp_path: Path
) -> None:
    encoding = Encoding(colour_checkpoint, pets)
    with ShardFolder(tmp_path / "run", encoding.identity, encoding.layers, {}):
        code = f"import cl_viz; cl_viz.encode({str(colour_checkpoint)!r}, {str(pets)!r}, out={str(tmp_path / 'run')!r})"
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "another process is encoding into this folder" in second.stderr
    assert cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run").n == 12


def test_a_full_disk_is_said_and_what_was_written_is_kept(
    colour_checkpoint: Path, pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_encoding, "SECONDS_BETWEEN_SHARDS", 0.0)
    whole = _shard_folder._write_shard

    def full(path: Path, arrays: Any) -> int:
        if path.name == "shard_000002.safetensors":
            path.with_name(f".{path.name}.part").write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(path, arrays)

    monkeypatch.setattr(_shard_folder, "_write_shard", full)
    with pytest.raises(InputError, match="No space left on device; 8 rows are kept"):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run", batch_size=4)
    monkeypatch.setattr(_shard_folder, "_write_shard", whole)
    found = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    np.testing.assert_array_equal(found.columns()["row"], np.arange(12))
    assert not list((tmp_path / "run").rglob(".*.part"))


def test_a_shard_that_is_gone_is_made_again(colour_checkpoint: Path, pets: Path, tmp_path: Path) -> None:
    first = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run", batch_size=4)
    wanted = np.array(first.views["view_1"])
    del first
    (tmp_path / "run" / "card.json").unlink()
    (tmp_path / "run" / "layers" / "00" / "shard_000000.safetensors").unlink()
    again = cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
    np.testing.assert_array_equal(again.views["view_1"], wanted)


def test_a_journal_that_cannot_be_read_is_said(colour_checkpoint: Path, pets: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / JOURNAL).write_bytes(b"\xff\xfe no journal\n")
    with pytest.raises(InputError, match="the journal cannot be read"):
        cl_viz.encode(colour_checkpoint, pets, out=tmp_path / "run")
