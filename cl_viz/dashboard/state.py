"""What a session remembers. Every session key lives in this file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from cl_viz.core.run import Run
from cl_viz.figures.theme import ThemeName

Origin = Literal["sample", "path", "upload", "trained"]

_RUNS = "_runs"
_STARTED = "_started"
_ASKED = "_asked_runs"
_STOPPED = "_stopped_jobs"
_CONFIRMED = "_confirmed_jobs"
_SLOT = "_progress_slot"
_PENDING = "_recognised"
_PROBLEMS = "_opening_problems"
_REFERENCE = "reference_run"
_LOSS_COLOURS = "_loss_colours"
_TRAINING = "_training"
_ENCODING = "_encoding"
_LESSONS = "_lessons"
_MOTION = "_motion_allowed"
_MEDIA_FOLDERS = "_media_folders"
_MARKED_PAIRS = "_marked_pairs"
_MAP = "_map"
_MAP_JOBS = "_map_jobs"
_MAP_FOUND = "_map_found"
_SELECTIONS = "_selections"
_UNGROUPED = "_ungrouped"
RUN_PARAMETER = "run"
"""Name of the address parameter that says which runs are shown."""


@dataclass(frozen=True)
class OpenRun:
    """A run that is open in this session.

    Attributes
    ----------
    run : Run
        Its name is unique among the open runs.
    colour : int
        Number of its colour, kept until it is closed.
    expression : str
        Python that opens the same run in a notebook.
    origin : {"sample", "path", "upload", "trained"}
    key : str
        What was opened: sample name, path, or the training that made it.
    """

    run: Run
    colour: int
    expression: str
    origin: Origin
    key: str

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.run.name

    @property
    def private(self) -> bool:
        """Whether nobody but this session may see it."""
        return self.origin in ("upload", "trained")


@dataclass(frozen=True)
class Pending:
    """A file that was looked into, and how it was opened.

    Attributes
    ----------
    path : str
    origin : {"sample", "path", "upload", "trained"}
    run_name : str
        Name of its run; empty where it could not be opened.
    from_card : bool
        Whether its views and roles were asked for on the card of its run, not by opening it.
    """

    path: str
    origin: Origin
    run_name: str
    from_card: bool = False


def open_runs() -> dict[str, OpenRun]:
    """Return the open runs by name, in the order they were opened."""
    runs: dict[str, OpenRun] = st.session_state.setdefault(_RUNS, {})
    return runs


def add_run(run: Run, *, expression: str, origin: Origin, key: str, replaces: str = "") -> OpenRun:
    """Open a run, under a name nobody else has; `replaces` names a run whose place and colour it takes."""
    runs = open_runs()
    former = runs.get(replaces)
    others = {name: opened for name, opened in runs.items() if name != replaces}
    name = former.name if former and _is_numbered(former.name, run.name) else _free_name(run.name, set(others))
    used = {opened.colour for opened in others.values()}
    colour = former.colour if former else next(index for index in range(len(used) + 1) if index not in used)
    opened = OpenRun(run if run.name == name else run.renamed(name), colour, expression, origin, key)
    if former is None:
        runs[name] = opened
    else:
        kept = [(name, opened) if old == replaces else (old, entry) for old, entry in runs.items()]
        st.session_state[_RUNS] = dict(kept)
    st.session_state[tick_key(name)] = True
    return opened


def close_run(name: str) -> None:
    """Close a run; its colour becomes free."""
    open_runs().pop(name, None)
    st.session_state.pop(tick_key(name), None)


def find_run(origin: Origin, key: str) -> OpenRun | None:
    """Return the open run that came from `key`, or None."""
    return next((run for run in open_runs().values() if (run.origin, run.key) == (origin, key)), None)


def tick_key(name: str) -> str:
    """Return the key of the tick that shows or hides a run."""
    return f"_shown {name}"


def show_only(names: list[str]) -> None:
    """Tick these runs and no others."""
    for name in open_runs():
        st.session_state[tick_key(name)] = name in names


def shown_runs() -> list[OpenRun]:
    """Return the runs that are ticked."""
    return [opened for name, opened in open_runs().items() if st.session_state.get(tick_key(name), True)]


def reference_key() -> str:
    """Return the key of the control that chooses the reference run."""
    if st.session_state.get(_REFERENCE) not in open_runs():
        st.session_state.pop(_REFERENCE, None)
    return _REFERENCE


def reference_run() -> OpenRun | None:
    """Return the run that others are compared with: the one chosen, or the first."""
    runs = open_runs()
    chosen = runs.get(st.session_state.get(_REFERENCE, ""))
    return chosen or next(iter(runs.values()), None)


def run_colours() -> dict[str, int]:
    """Return the number of each open run's colour."""
    return {name: opened.colour for name, opened in open_runs().items()}


def theme() -> ThemeName:
    """Return the theme the browser shows."""
    return "dark" if st.context.theme.type == "dark" else "light"


def first_time() -> bool:
    """Return True once a session: the first time it is asked."""
    first = not st.session_state.get(_STARTED, False)
    st.session_state[_STARTED] = True
    return first


def newly_asked_runs() -> list[str]:
    """Return the runs that the address asks for, if it has changed since the session last looked."""
    asked = st.query_params.get_all(RUN_PARAMETER)
    if not asked or asked == st.session_state.get(_ASKED):
        return []
    st.session_state[_ASKED] = asked
    return asked


def write_address() -> None:
    """Say in the address which runs are shown, unless all are."""
    shown = [opened.name for opened in shown_runs()]
    if len(shown) == len(open_runs()):
        st.query_params.pop(RUN_PARAMETER, None)
        st.session_state.pop(_ASKED, None)
    else:
        st.query_params[RUN_PARAMETER] = shown
        st.session_state[_ASKED] = shown


def map_found() -> tuple[str, ...] | None:
    """Return what the Map page last searched for: words, condition, run, view."""
    found: tuple[str, ...] | None = st.session_state.get(_MAP_FOUND)
    return found


def set_map_found(asked: tuple[str, ...]) -> None:
    """Remember what the Map page searched for."""
    st.session_state[_MAP_FOUND] = asked


def selections() -> dict[str, Any]:
    """Return the selections that are kept, by name; see `cl_viz.dashboard.selections`."""
    found: dict[str, Any] = st.session_state.setdefault(_SELECTIONS, {})
    return found


def ungrouped() -> dict[str, OpenRun]:
    """Return, by name, the runs as they came, of those in which selections are the groups."""
    found: dict[str, OpenRun] = st.session_state.setdefault(_UNGROUPED, {})
    return found


def stop_job(job: str) -> None:
    """Remember that the user stopped a job."""
    st.session_state[_STOPPED] = {*st.session_state.get(_STOPPED, set()), job}


def allow_jobs(*jobs: str) -> None:
    """Let stopped or long jobs run."""
    st.session_state[_STOPPED] = st.session_state.get(_STOPPED, set()) - {*jobs}
    st.session_state[_CONFIRMED] = {*st.session_state.get(_CONFIRMED, set()), *jobs}


def is_stopped(job: str) -> bool:
    """Whether the user stopped this job."""
    return job in st.session_state.get(_STOPPED, set())


def is_confirmed(job: str) -> bool:
    """Whether the user agreed to the time this job takes."""
    return job in st.session_state.get(_CONFIRMED, set())


def set_progress_slot(slot: Any) -> None:
    """Remember where progress is shown."""
    st.session_state[_SLOT] = slot


def progress_slot() -> Any | None:
    """Return where progress is shown."""
    return st.session_state.get(_SLOT)


def pending() -> Pending | None:
    """Return the file that was opened last, whose recognition the Data page shows."""
    found: Pending | None = st.session_state.get(_PENDING)
    return found


def set_pending(value: Pending | None) -> None:
    """Remember the file that was opened last."""
    st.session_state[_PENDING] = value


def rename_pending(name: str) -> None:
    """Follow the pending file's run to a new name."""
    current = pending()
    if current is not None:
        set_pending(replace(current, run_name=name))


def add_problem(problem: Exception) -> None:
    """Remember that something could not be opened, until it is shown."""
    st.session_state.setdefault(_PROBLEMS, []).append(problem)


def problems() -> list[Exception]:
    """Return what could not be opened and was not dismissed."""
    found: list[Exception] = st.session_state.get(_PROBLEMS, [])
    return found


def forget_problems() -> None:
    """Dismiss what could not be opened."""
    st.session_state.pop(_PROBLEMS, None)


def _is_numbered(name: str, plain: str) -> bool:
    """Whether a name is the plain one, or the plain one with a number that told two runs apart."""
    return name == plain or re.fullmatch(re.escape(plain) + r" \(\d+\)", name) is not None


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name} ({number})" for number in range(2, len(taken) + 3) if f"{name} ({number})" not in taken)


def loss_colours(chosen: list[str]) -> dict[str, int]:
    """Return the number of the colour of each chosen loss; a loss keeps its colour while it is chosen."""
    kept: dict[str, int] = {
        loss: number for loss, number in st.session_state.get(_LOSS_COLOURS, {}).items() if loss in chosen
    }
    for loss in chosen:
        if loss not in kept:
            kept[loss] = next(number for number in range(len(chosen)) if number not in kept.values())
    st.session_state[_LOSS_COLOURS] = kept
    return kept


def training() -> Any | None:
    """Return the training of this session that was started last."""
    return st.session_state.get(_TRAINING)


def set_training(job: Any) -> None:
    """Remember the training that was started last."""
    st.session_state[_TRAINING] = job


def encoding() -> Any | None:
    """Return the encoding of this session that was started last."""
    return st.session_state.get(_ENCODING)


def set_encoding(job: Any) -> None:
    """Remember the encoding that was started last."""
    st.session_state[_ENCODING] = job


def media_folders() -> list[Path]:
    """Return the folders that were opened for their pictures and sounds, in that order."""
    return list(st.session_state.get(_MEDIA_FOLDERS, []))


def add_media_folder(folder: Path) -> None:
    """Let the pictures and sounds inside a folder be shown."""
    st.session_state[_MEDIA_FOLDERS] = [*dict.fromkeys([*media_folders(), folder])]


def lesson_memory(lesson: str) -> dict[str, Any]:
    """Return what the session remembers of a lesson, to be changed in place.

    ``step`` is the step it stands at, ``predictions`` and ``first`` hold the last and the first prediction of each
    step, ``solved`` says whether the exercise is.
    """
    every: dict[str, dict[str, Any]] = st.session_state.setdefault(_LESSONS, {})
    return every.setdefault(lesson, {"step": "", "predictions": {}, "first": {}, "solved": False})


def motion_allowed() -> bool:
    """Whether the browser has said that motion is welcome; unknown counts as no."""
    return bool(st.session_state.get(_MOTION, False))


def set_motion_allowed(allowed: bool) -> None:
    """Remember what the browser says of motion."""
    st.session_state[_MOTION] = allowed


def map_memory(make: Callable[[], Any]) -> Any:
    """Return what the session remembers of the Map page; `make` makes it at first use."""
    if _MAP not in st.session_state:
        st.session_state[_MAP] = make()
    return st.session_state[_MAP]


def map_jobs() -> dict[str, Any]:
    """Return the maps that are being made for this session, by job, to be changed in place."""
    found: dict[str, Any] = st.session_state.setdefault(_MAP_JOBS, {})
    return found


def marked_pairs(fingerprint: str) -> dict[tuple[str, int, str, int], dict[str, Any]]:
    """Return the pairs that were marked in a set: both samples, as view and row, to what a mining list says of them."""
    marks: dict[str, dict[tuple[str, int, str, int], dict[str, Any]]] = st.session_state.setdefault(_MARKED_PAIRS, {})
    return marks.setdefault(fingerprint, {})
