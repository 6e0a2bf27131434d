"""`cl-viz app`: what it starts. That it serves is tested with the wheel."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

import cl_viz
from cl_viz.cli import main


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have replaced this process."""
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, command: commands.append([program, *command[1:]]))
    return commands


def test_it_starts_the_app_of_the_checkout(started: list[list[str]], checkout: Path) -> None:
    assert main(["app"]) == 0
    assert started == [[sys.executable, "-P", "-m", "streamlit", "run", str(checkout / "app.py"), "--"]]


def test_paths_reach_the_app_in_full(
    started: list[list[str]], labelled_dump: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(labelled_dump.parent)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    assert main(["app", labelled_dump.name, "sample:mnist-healthy", "--port", port]) == 0
    (command,) = started
    assert command[command.index("--") + 1 :] == [str(labelled_dump.resolve()), "sample:mnist-healthy"]
    assert command[command.index("--server.port") + 1] == port


def test_a_missing_path_is_said_before_anything_starts(
    started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", "nowhere.npz"]) == 2
    assert "nowhere.npz" in capsys.readouterr().err
    assert started == []


def test_a_taken_port_is_said_before_anything_starts(
    started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err
    assert started == []


def test_an_installation_without_the_app_says_so(
    started: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cl_viz, "__file__", str(tmp_path / "lib" / "cl_viz" / "__init__.py"))
    assert main(["app"]) == 2
    assert "not part of this installation" in capsys.readouterr().err
    assert started == []
