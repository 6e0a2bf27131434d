"""Opening runs: samples, paths, uploads."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import streamlit as st

from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.run import Run
from cl_viz.dashboard import state
from cl_viz.dashboard.starting import SAMPLE
from cl_viz.dashboard.text import without_folders
from cl_viz.encoders import open_run, sample_run_names, sample_runs
from cl_viz.formats import load

OPEN_VARIABLE = "CL_VIZ_OPEN"
"""Environment variable with paths to open at start, separated as in PATH."""

_LOCAL = {"localhost", "127.0.0.1", "::1"}
_COPY_BYTES = 1 << 20
_UPLOADS = "cl_viz-upload-"
"""What the name of a session's folder of uploads begins with."""
_UPLOAD_PLACE = re.compile(re.escape(os.path.join(tempfile.gettempdir(), _UPLOADS)) + r"[^/\\]*[/\\][^/\\]*[/\\]")

Stamp = tuple[tuple[str, int, int], ...]
"""Path, bytes and time of writing (ns) of each file that a run is read from."""


@st.cache_resource(max_entries=32, show_spinner=False)
def _sample(name: str) -> Run:
    return sample_runs([name])[0]


@st.cache_resource(max_entries=16, show_spinner=False)
def _from_path(path: str, stamp: Stamp, choices: str, _choices: Mapping[str, Any]) -> Run:
    return open_run(path) if not _choices else Run.from_set(load(path, **_choices))


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda folder: shutil.rmtree(folder, True))
def _upload_folder() -> Path:
    """Return this session's own folder; it is deleted when the session ends."""
    return Path(tempfile.mkdtemp(prefix=_UPLOADS))


def open_at_start() -> None:
    """Open what the command line or the environment names, or the default samples; problems are remembered."""
    paths = start_paths()
    for path in paths:
        with _remembered():
            if path.startswith(SAMPLE):
                open_sample(path.removeprefix(SAMPLE))
            else:
                open_path(path)
    if not paths:
        with _remembered():
            for run in sample_runs(on_error=state.add_problem):
                open_sample(run.name)


def start_paths() -> list[str]:
    """Return the paths given after ``--`` on the command line, or in the environment."""
    given = sys.argv[1:] or os.environ.get(OPEN_VARIABLE, "").split(os.pathsep)
    return [path for path in given if path]


def open_asked() -> None:
    """Open and show the runs that the address asks for."""
    asked = state.newly_asked_runs()
    for name in asked:
        if name not in state.open_runs():
            with _remembered():
                open_sample(name)
    wanted = [name for name in asked if name in state.open_runs()]
    if wanted:
        state.show_only(wanted)


def open_sample(name: str) -> state.OpenRun:
    """Open a bundled run; one that is open already is shown."""
    found = state.find_run("sample", name)
    if found is not None:
        st.session_state[state.tick_key(found.name)] = True
        return found
    return state.add_run(_sample(name), expression=f"cl_viz.sample_runs([{name!r}])[0]", origin="sample", key=name)


def closed_samples() -> list[str]:
    """Return the bundled runs that are not open."""
    return [name for name in sample_run_names() if state.find_run("sample", name) is None]


def paths_allowed() -> bool:
    """Whether paths may be opened in the page: only where the server listens to this machine alone."""
    return st.get_option("server.address") in _LOCAL


def shown_path(path: str) -> str:
    """Return a path as visitors may see it: where the server is open to others, the last name of it alone."""
    return path if paths_allowed() or not os.path.isabs(path) else os.path.basename(path)


def shown_text(text: str) -> str:
    """Return a text as it is shown: an upload has its own name, and visitors see the last name alone of each path."""
    return _UPLOAD_PLACE.sub("", text) if paths_allowed() else without_folders(text)


def typed_path(text: str) -> str:
    """Return the whole path of what somebody typed.

    Raises
    ------
    InputError
        Where the server is open to others: what they type must not be read.
    """
    if not paths_allowed():
        raise InputError(
            "paths can be opened only while the server listens to this machine alone",
            where="server.address", remedy="upload the file",
        )  # fmt: skip
    return whole_path(text)


def whole_path(path: str) -> str:
    """Return a path from the root on, so that one file has one name."""
    return os.path.abspath(os.path.expanduser(path))


def stamp_of(place: Path) -> Stamp:
    """Return what changes when a file, or a file of a folder or of one below it, is written: names, sizes, times.

    The time of a folder alone stays the same when a file in it is overwritten.
    """
    files = [place, *place.glob("*"), *place.glob("*/*")] if os.path.isdir(place) else [place]
    stamps = []
    for file in sorted(files):
        try:
            facts = file.stat()
        except OSError:
            continue
        stamps.append((str(file), facts.st_size, facts.st_mtime_ns))
    return tuple(stamps)


def open_path(path: str, choices: Mapping[str, Any] | None = None, replaces: str = "") -> state.OpenRun:
    """Open a file or folder of the machine the server runs on; one that is open already is read again in its place.

    Parameters
    ----------
    path : str
    choices : mapping, optional
        Arguments of `cl_viz.load`; without any, what is guessed is used.
    replaces : str
        Name of the open run whose place it takes; by default that of the same path.
    """
    place = Path(whole_path(path))
    choices = dict(choices or {})
    former = state.find_run("path", str(place))
    replaces = replaces or (former.name if former is not None else "")
    stamp = stamp_of(place) + (stamp_of(Path(choices["pairs"])) if "pairs" in choices else ())
    run = _from_path(str(place), stamp, repr(sorted(choices.items(), key=str)), choices)
    told = shown_path(str(place))
    expression = f"cl_viz.load({told!r}{_arguments(choices)})" if choices else f"cl_viz.open_run({told!r})"
    return state.add_run(run, expression=expression, origin="path", key=str(place), replaces=replaces)


def open_upload(path: Path, choices: Mapping[str, Any] | None = None, replaces: str = "") -> state.OpenRun:
    """Open an uploaded file; it is kept in this session's folder and never executed."""
    choices = dict(choices or {})
    run = Run.from_set(load(path, **choices))
    if "pairs" in choices:
        choices["pairs"] = Path(choices["pairs"]).name  # an upload too: in a notebook it has its own place
    expression = f"cl_viz.load({path.name!r}{_arguments(choices)})"
    return state.add_run(run, expression=expression, origin="upload", key=str(path), replaces=replaces)


def _arguments(choices: Mapping[str, Any]) -> str:
    told = {name: shown_path(str(value)) if name == "pairs" else value for name, value in choices.items()}
    return "".join(f", {name}={value!r}" for name, value in told.items())


def store_upload(name: str, content: IO[bytes]) -> Path:
    """Copy an upload to this session's folder, in a folder of its own so that its name can stay."""
    folder = Path(tempfile.mkdtemp(dir=_upload_folder()))
    plain = "".join(letter for letter in Path(name).name if letter.isprintable() and letter not in '/\\:*?"<>|')
    target = folder / (plain.lstrip(".") or "upload")
    with target.open("wb") as file:
        shutil.copyfileobj(content, file, _COPY_BYTES)
    return target


def reopen(pending: state.Pending, choices: Mapping[str, Any]) -> state.OpenRun:
    """Open the pending file again with other views or roles, in the place it had."""
    if pending.origin == "upload":
        return open_upload(Path(pending.path), choices, replaces=pending.run_name)
    if pending.origin == "path":
        return open_path(pending.path, choices, replaces=pending.run_name)
    raise InputError("a sample's views and roles come from its card", where=pending.run_name)


def without_roles(opened: state.OpenRun, roles: Sequence[str]) -> state.OpenRun:
    """Empty roles that were guessed and are not wanted."""
    emptied: dict[str, str | None] = dict.fromkeys(roles)
    arguments = ", ".join(f"{role}=None" for role in roles)
    return state.add_run(
        Run.from_set(opened.run.get().with_roles(**emptied)),
        expression=f"{opened.expression}.with_roles({arguments})",
        origin=opened.origin,
        key=opened.key,
        replaces=opened.name,
    )


@contextmanager
def _remembered() -> Iterator[None]:
    """Remember errors of the block, to be shown on the page."""
    try:
        yield
    except ClVizError as error:
        state.add_problem(error)
