"""What `make test` and `.ci/run` set up on a bare machine; nothing is installed here."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def _programs(folder: Path, **stubs: str) -> Path:
    """Make a PATH of a few system programs and of the given scripts."""
    folder.mkdir()
    for name in ("sh", "id", "env"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    for name, script in stubs.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    return folder


def _install_browser(checkout: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    command = [str(programs / "sh"), str(checkout / ".ci" / "install_browser")]
    return subprocess.run(command, env={"PATH": str(programs)}, capture_output=True, text=True)


def test_a_browser_that_is_there_is_kept(checkout: Path, tmp_path: Path) -> None:
    programs = _programs(tmp_path / "bin", chromium="exit 0", apt_get="echo must not run; exit 1")
    done = _install_browser(checkout, programs)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_missing_browser_is_installed_through_apt(checkout: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    programs = _programs(tmp_path / "bin", apt_get=f'echo "$@" >> {log}', sudo='exec "$@"')
    assert _install_browser(checkout, programs).returncode == 0
    update, install = log.read_text().splitlines()
    assert update.startswith("update")
    assert install.startswith("install")
    assert "chromium" in install.split()


def test_without_a_browser_and_without_apt_the_tests_do_not_pass_silently(checkout: Path, tmp_path: Path) -> None:
    done = _install_browser(checkout, _programs(tmp_path / "bin"))
    assert done.returncode != 0
    assert "Chromium" in done.stderr


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned(checkout: Path, name: str) -> None:
    lines = [line for line in (checkout / name).read_text().splitlines() if line and not line.startswith(("#", "-r "))]
    assert len(lines) > 20
    # What only one system has is asked for there alone.
    pin = r'[A-Za-z0-9._-]+==[0-9][0-9a-z.]*(; platform_system == "[A-Za-z]+")?'
    assert [line for line in lines if not re.fullmatch(pin, line)] == []


def test_pins_meet_what_the_package_asks_for(checkout: Path) -> None:
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    pins = {}
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (checkout / name).read_text().splitlines():
            if "==" in line:
                pinned, _, version = line.partition(";")[0].partition("==")
                pins[_plain(pinned)] = version
    extras = {name: [Requirement(text) for text in asked] for name, asked in project["optional-dependencies"].items()}
    asked = [*map(Requirement, project["dependencies"]), *extras["dev"]]
    # The extra for developers names others of ours.
    asked += [
        requirement
        for own in extras["dev"]
        if own.name == "cl-viz"
        for name in own.extras
        for requirement in extras[name]
    ]
    for requirement in asked:
        if requirement.name == "cl-viz":
            continue
        assert requirement.specifier.contains(pins[_plain(requirement.name)]), requirement


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_browsers_that_are_installed_are_those_that_the_tests_look_for(checkout: Path) -> None:
    from tests.browser.driving import BROWSERS

    script = (checkout / ".ci" / "install_browser").read_text()
    (line,) = [line for line in script.splitlines() if line.startswith("for name in ")]
    assert tuple(line.removeprefix("for name in ").removesuffix("; do").split()) == BROWSERS
