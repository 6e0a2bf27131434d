"""The wheel holds the dashboard and the samples, and works away from the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.packaging.served_app import exceptions, free_port, served, status, text, visit

pytestmark = pytest.mark.slow
RUN = "sample:mnist-healthy"
"""The run whose checkup is looked at: of each sample that opens by itself it would take as long again.

What is installed afresh gets a small file to check: after many pairs it would begin to compile its loops again.
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(checkout)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def _environment(folder: Path) -> Path:
    """Make a virtual environment that sees the outer one's libraries, but not its editable cl_viz."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (inner,) = folder.glob("lib/python*/site-packages")
    # A path file adds a folder without reading that folder's own path files.
    (inner / "outer.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel installed."""
    programs = _environment(tmp_path_factory.mktemp("installed") / "environment")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(programs / "python")]
    # --ignore-installed: else pip removes the checkout's editable install, which it sees through the path file.
    command = [*pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return programs


def test_the_wheel_holds_the_app_its_pages_and_the_samples(wheel: Path, checkout: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    wanted = {"cl_viz/_app/app.py", "cl_viz/_app/.streamlit/config.toml", "cl_viz/py.typed"}
    for folder in ("pages", "sample_models"):
        files = [path for path in (checkout / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert files
        wanted |= {f"cl_viz/_app/{path.relative_to(checkout).as_posix()}" for path in files}
    assert wanted - names == set()
    assert [name for name in names if "__pycache__" in name or name.endswith((".gitkeep", ".pyc"))] == []
    assert [name for name in names if name.startswith(("tests/", "docs/"))] == []


def test_the_installed_command_checks_a_file_and_reads_a_sample(
    installed: Path, labelled_dump: Path, tmp_path: Path
) -> None:
    where = [str(installed / "python"), "-c", "import cl_viz; print(cl_viz.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert str(installed.parent) in found
    asked = [["check", labelled_dump.name], ["diagnose", "spectrum", RUN]]
    for arguments, expected in zip(asked, [("labelled", 120), ("mnist-healthy", 1000)], strict=True):
        command = [str(installed / "cl-viz"), *arguments, "--json", "-"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (run,) = json.loads(done.stdout)["runs"]
        assert (run["name"], run["n"]) == expected


def test_the_installed_command_serves_the_dashboard(installed: Path, labelled_dump: Path, tmp_path: Path) -> None:
    port = free_port()
    command = [str(installed / "cl-viz"), "app", labelled_dump.name, "--port", str(port)]
    with served(command, port, tmp_path) as log:
        assert status(port, "/") == 200
        shown = visit(port)
        assert exceptions(shown) == []
        assert "labelled" in text(shown)
        # The configuration inside the wheel is in force: bound to this machine alone.
        assert f"http://127.0.0.1:{port}" in log.read_text()


def test_streamlit_run_works_in_a_checkout_without_installing_it(checkout: Path, tmp_path: Path) -> None:
    programs = _environment(tmp_path / "environment")
    absent = subprocess.run([str(programs / "python"), "-c", "import cl_viz.core"], cwd=tmp_path, capture_output=True)
    assert absent.returncode != 0
    port = free_port()
    command = [str(programs / "python"), "-m", "streamlit", "run", str(checkout / "app.py")]
    with served([*command, "--server.port", str(port), "--", RUN], port, tmp_path) as log:
        shown = visit(port)
        assert exceptions(shown) == []
        assert "mnist-healthy" in text(shown)
        assert f"http://127.0.0.1:{port}" in log.read_text()
