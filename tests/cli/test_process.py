"""The command as a process: help is quick to load, Ctrl-C is clean, the unforeseen is one sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz import cli
from cl_viz._cli import interrupts, options, progress
from cl_viz.core.errors import ClVizError
from cl_viz.core.progress import ProgressCallback


def _python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_help_loads_nothing_heavy() -> None:
    loaded = _python(
        "import sys; from cl_viz.cli import main; assert main(['--help']) == 0; "
        "print(sorted({'torch', 'numpy', 'pandas', 'plotly', 'streamlit', 'scipy'} & set(sys.modules)))"
    ).splitlines()[-1]
    assert loaded == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"cl-viz {cl_viz.__version__}"


def test_the_unforeseen_is_said_in_a_sentence(
    labelled_dump: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise ZeroDivisionError("a planted mistake")

    monkeypatch.setattr("cl_viz.formats.inspect", fail)
    assert cli.main(["info", str(labelled_dump)]) == options.MISTAKE == 3
    shown = capsys.readouterr().err
    assert "ZeroDivisionError: a planted mistake" in shown
    assert "Traceback" not in shown


def test_interrupt_stops_without_a_traceback_and_without_half_a_file(tmp_path: Path) -> None:
    dump, out = tmp_path / "big.npy", tmp_path / "out.json"
    np.save(dump, np.random.default_rng(0).normal(size=(250_000, 16)).astype(np.float32))
    # An interrupt in the middle of importing a library can be lost in it: the libraries are imported first.
    program = (
        "import sys, cl_viz.diagnostics, cl_viz.engine, cl_viz.encoders, cl_viz.formats; from cl_viz import cli; "
        "import cl_viz._cli.checking; cl_viz.diagnostics.DIAGNOSTICS.keys(); "
        "print('ready', flush=True); sys.exit(cli.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "check", str(dump), "--json", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    # The dump's 31 billion pairs take minutes on any machine of today.
    time.sleep(5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == options.STOPPED == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == [dump]


def test_an_interrupt_that_a_library_swallows_is_raised_at_the_next_progress() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts.remembered_interrupts(), progress.progress_bar("work") as report:
        report(0.1, "begun")
        # As an import under way may do.
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            report(0.2, "still at it")
    assert signal.getsignal(signal.SIGINT) is before
    with interrupts.remembered_interrupts(), progress.progress_bar("work") as report:
        report(0.1, "another command is not stopped")


def test_the_bar_appears_only_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    now = 0.0
    written = Console(stderr=True, force_terminal=True, width=80)
    monkeypatch.setattr(progress, "messages", lambda: written)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with written.capture() as quick, progress.progress_bar("work") as report:
        report(0.5, "half")
    assert quick.get() == ""

    def slow(report: ProgressCallback) -> None:
        nonlocal now
        now = 2.0
        report(0.5, "half [done]")

    with written.capture() as shown, progress.progress_bar("work") as report:
        slow(report)
    assert "work: half [done]" in shown.get()


def test_errors_name_what_where_allowed_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    from cl_viz._cli.console import show_error

    show_error(ClVizError("it broke", where="here [x]", allowed="whole ones", remedy="mend it"))
    shown = capsys.readouterr().err
    for word in ("it broke", "here [x]", "whole ones", "mend it"):
        assert word in shown
