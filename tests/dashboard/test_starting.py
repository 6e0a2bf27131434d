"""The dashboard from Python: what it opens, that it shows itself, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.run import Run
from cl_viz.dashboard import starting
from tests.packaging.served_app import exceptions, free_port, text, visit

_SCRIPT = """
import sys
import numpy as np
import cl_viz

rows = np.random.default_rng(0).normal(size=(60, 4))
mine = cl_viz.EmbeddingSet.from_arrays({"a": rows, "b": rows + 0.1}, label=np.arange(60) % 3, name="held in memory")
app = cl_viz.open_app(mine, sys.argv[1], port=int(sys.argv[2]))
print(app.address, app._folder, flush=True)
app.wait()
"""


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _gone(port: int) -> bool:
    end = time.monotonic() + 60
    while _listens(port) and time.monotonic() < end:
        time.sleep(0.1)
    return not _listens(port)


def test_sets_in_memory_and_files_are_opened_and_the_server_dies_with_its_process(labelled_dump: Path) -> None:
    port = free_port()
    owner = subprocess.Popen([sys.executable, "-c", _SCRIPT, labelled_dump, str(port)], stdout=subprocess.PIPE)
    try:
        assert owner.stdout is not None
        address, _, folder = owner.stdout.readline().decode().strip().partition(" ")
        assert address == f"http://127.0.0.1:{port}"
        page = visit(port)
        assert exceptions(page) == []
        assert "held in memory" in text(page)
        assert "labelled" in text(page)
        assert Path(folder).is_dir()
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    assert _gone(port)


def test_closing_ends_the_server_and_deletes_what_was_written() -> None:
    with cl_viz.open_app(np.random.default_rng(0).normal(size=(40, 4))) as app:
        port = int(app.address.rpartition(":")[2])
        assert _listens(port)
        assert app.running
        assert f'<iframe src="{app.address}"' in app._repr_html_()
        folder = app._folder
        assert (folder / "0" / "card.json").is_file()
        with pytest.raises(InputError, match=f"port {port} cannot be used"):
            cl_viz.open_app(port=port)
    assert not app.running
    assert not folder.exists()
    assert _gone(port)
    assert "closed" in repr(app)
    assert "closed" in app._repr_html_()
    app.close()


def test_what_is_in_a_folder_already_is_not_written_again(labelled_set: EmbeddingSet, tmp_path: Path) -> None:
    folder = cl_viz.save_run(Run.from_set(labelled_set), tmp_path / "saved")
    opened = cl_viz.open_run(folder)
    assert starting._as_path(opened, tmp_path / "copy") == str(folder)
    assert starting._as_path("sample:mnist-healthy", tmp_path / "copy") == "sample:mnist-healthy"
    assert not (tmp_path / "copy").exists()
    # Under another name it is another run, and a set of it may have other roles.
    for target in (opened.renamed("renamed"), opened.get().with_roles(label=None)):
        copied = starting._as_path(target, tmp_path / f"copy of {type(target).__name__}")
        assert Path(copied).parent == tmp_path


def test_what_cannot_be_opened_is_said_before_a_server_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a server was started"))
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: os.makedirs(tmp_path / "made") or str(tmp_path / "made"))
    with pytest.raises(ClVizError, match=r"nowhere\.npz"):
        cl_viz.open_app("nowhere.npz")
    assert not (tmp_path / "made").exists()
    with pytest.raises(InputError, match="port 70000 cannot be used"):
        cl_viz.open_app(port=70_000)


def test_a_server_that_ends_at_once_is_told_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    monkeypatch.setattr(starting, "server_command", lambda *_: command)
    with pytest.raises(InputError, match=r"did not start.*no such luck"):
        cl_viz.open_app()
