"""Where a checkpoint and its data come from on the Checkpoint page: bundled, on this machine, or uploaded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import streamlit as st

from cl_viz.core.encoder import Recognised
from cl_viz.dashboard import opening
from cl_viz.dashboard.encoding_job import EncodingJob
from cl_viz.encoders import recognise, sample_folder, sample_run_names
from cl_viz.encoders._data import SAMPLE_DIGITS, EncodingData, open_data

SAMPLE, PLACE, FILE, FOLDER = "sample", "place", "file", "folder"
_LABELS = {SAMPLE: "Bundled", PLACE: "Path", FILE: "Upload file", FOLDER: "Upload folder"}
_FIRST_SAMPLE = "mnist-healthy"


def checkpoint_source() -> str:
    """Draw the choice of a checkpoint and return its path; empty where there is none yet."""
    return _source(
        "checkpoint", "Checkpoint", "Weights as .safetensors, .pt, .pth, .ckpt or .bin, or the folder of a model.",
        "/models/my-encoder",
    )  # fmt: skip


def data_source() -> str:
    """Draw the choice of data and return its path, or the name of the bundled digits; empty where there is none."""
    return _source(
        "encode_data", "Data",
        "A folder of images (class folders are labels), a table with texts or image paths, or a .npy array of images.",
        "/data/pictures",
    )  # fmt: skip


def _source(key: str, label: str, explanation: str, example: str) -> str:
    kinds = [SAMPLE, *([PLACE] if opening.paths_allowed() else []), FILE, FOLDER]
    kind = st.segmented_control(
        label, kinds, default=SAMPLE, required=True, format_func=_LABELS.__getitem__, key=f"{key}_from",
        bind="query-params", help=explanation,
    )  # fmt: skip
    if kind == PLACE:
        typed = st.text_input(
            "Path on this machine", key=f"{key}_path", bind="query-params", placeholder=example
        ).strip()
        return opening.whole_path(typed) if typed else ""
    if kind in (FILE, FOLDER):
        many: Any = "directory" if kind == FOLDER else False
        given = st.file_uploader(
            _LABELS[kind], accept_multiple_files=many, key=f"_{key}_{kind}",
            help="It stays in this session and is deleted with it.",
        )  # fmt: skip
        files = list(given) if isinstance(given, list) else [given] if given is not None else []
        identity = (kind, *(str(file.file_id) for file in files))
        return str(_stored(identity, files)) if files else ""
    return _sample_checkpoint() if key == "checkpoint" else SAMPLE_DIGITS


def _sample_checkpoint() -> str:
    found = _sample_checkpoints()
    first = list(found).index(_FIRST_SAMPLE) if _FIRST_SAMPLE in found else 0
    name = st.selectbox(
        "Bundled encoder", list(found), index=first, key="checkpoint_sample", bind="query-params",
        help="The last checkpoint of a bundled run.",
    )  # fmt: skip
    return found[name]


@st.cache_resource(show_spinner=False)
def _sample_checkpoints() -> dict[str, str]:
    """Return the last checkpoint of each bundled run."""
    found = {}
    for name in sample_run_names():
        files = sorted((sample_folder() / "runs" / name).glob("step_*.safetensors"))
        if files:
            found[name] = str(files[-1])
    return found


def _stop_all(jobs: list[EncodingJob]) -> None:
    for job in jobs:
        job.stop()


@st.cache_resource(scope="session", show_spinner=False, on_release=_stop_all)
def encodings() -> list[EncodingJob]:
    """Return the encodings that this session began; they are stopped when the session ends."""
    return []


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda folder: shutil.rmtree(folder, True))
def session_folder() -> Path:
    """Return this session's own folder for uploads and what is encoded; it is deleted when the session ends."""
    return Path(tempfile.mkdtemp(prefix="cl_viz-checkpoint-"))


@st.cache_resource(scope="session", show_spinner=False, max_entries=4)
def _stored(identity: tuple[str, ...], _files: Sequence[Any]) -> Path:
    """Copy an uploaded file or folder to the session's folder under its own names, and return its place."""
    root = Path(tempfile.mkdtemp(dir=session_folder()))
    target = root
    for file in _files:
        parts = [part for part in PurePosixPath(file.name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
        parts = parts[-1:] if identity[0] == FILE else parts
        plain = ["".join(letter for letter in part if letter.isprintable()).lstrip(".") for part in parts]
        # A checkpoint whose own name says little is called after its folder too.
        under = root / "upload" if identity[0] == FILE else root
        target = under.joinpath(*(part or "unnamed" for part in plain or ["upload"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as stream:
            file.seek(0)
            shutil.copyfileobj(file, stream, 1 << 20)
    if identity[0] == FILE:
        return target
    inside = list(root.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else root


@st.cache_resource(scope="session", show_spinner="Looking into the checkpoint", max_entries=4)
def known(path: str, stamp: opening.Stamp) -> Recognised:
    """Return what a checkpoint is; looked into again when its files change. Nothing in it is executed."""
    return recognise(path)


@st.cache_resource(scope="session", show_spinner="Looking into the data", max_entries=4)
def opened_data(source: str, stamp: opening.Stamp) -> EncodingData:
    """Return the data, listed but not read."""
    return open_data(source)


def stamp(source: str) -> opening.Stamp:
    """Return what changes when a file of the source is written."""
    return () if source == SAMPLE_DIGITS else opening.stamp_of(Path(source))
