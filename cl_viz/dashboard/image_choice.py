"""The choice of images to train on: bundled digits, or a folder of one's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import streamlit as st

from cl_viz.dashboard import errors, opening
from cl_viz.dashboard.progress import Progress
from cl_viz.simulate.training_images import DIGITS, TrainingImages, bundled_digits, read_image_folder

FOLDER = "folder"
_SOURCES = {DIGITS: "Bundled digits", FOLDER: "Your own images"}


def choose() -> TrainingImages | None:
    """Draw the choice of images; return them, or None where there are none yet."""
    left, right = st.columns([1, 2], gap="small")
    with left:
        source = st.segmented_control(
            "Images",
            list(_SOURCES),
            default=DIGITS,
            required=True,
            format_func=_SOURCES.__getitem__,
            key="images",
            bind="query-params",
            help="4,000 bundled digits to train on and 1,000 to measure, or a small folder of your own.",
        )
    if source == DIGITS:
        return bundled_digits()
    with right:
        folder = _folder_control()
    if folder is None:
        st.info(
            "No folder yet. Its folders are the labels: `folder/cat/1.png`. Images without class folders have none.",
            icon=":material/folder_open:",
        )
        return None
    images = None
    with errors.boundary("image folder"):
        images = _read(str(folder), opening.stamp_of(folder))
        _describe(images)
    return images


def _folder_control() -> Path | None:
    """Draw the path, where the server is this machine, or the upload of a folder."""
    if opening.paths_allowed():
        typed = st.text_input(
            "Folder on this machine",
            key="image_folder",
            bind="query-params",
            placeholder="/home/me/pets",
            help="Class folders are labels. PNG, JPEG, WEBP, BMP, GIF, TIFF; at most 20,000 images.",
        )
        return Path(opening.whole_path(typed)) if typed.strip() else None
    uploaded = st.file_uploader(
        "Folder", accept_multiple_files="directory", key="_image_upload", help="Class folders are labels."
    )
    return _stored(tuple(uploaded)) if uploaded else None


def _stored(uploaded: Sequence[Any]) -> Path:
    """Copy an uploaded folder to this session's own folder; only the last folder and the name of each file are kept."""
    folder: Path = _upload_folder()
    names = []
    for file in uploaded:
        parts = [part for part in PurePosixPath(file.name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
        plain = ["".join(letter for letter in part if letter.isprintable()).lstrip(".") for part in parts[-2:]]
        target = folder.joinpath(*(part or "unnamed" for part in plain))
        names.append(target)
        if not target.is_file() or target.stat().st_size != file.size:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.getvalue())
    for other in folder.glob("**/*"):
        if other.is_file() and other not in names:
            other.unlink()
    return folder


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda folder: shutil.rmtree(folder, True))
def _upload_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="cl_viz-images-")) / "images"


@st.cache_resource(scope="session", show_spinner=False, max_entries=2)
def _read(folder: str, stamp: opening.Stamp) -> TrainingImages:
    with Progress("Reading images", f"images/{folder}") as progress:
        return read_image_folder(folder, progress=progress)


def _describe(images: TrainingImages) -> None:
    classes = f"{len(images.label_names):,} classes" if images.has_labels else "no labels: no class folders"
    colour = "grey" if images.channels == 1 else "colour"
    st.caption(
        f"{images.n_training:,} images to train on, {images.n_evaluation:,} to measure; {classes}; {colour}, 28 × 28."
    )
    if images.skipped:
        count = len(images.skipped)
        said = "1 file was left out" if count == 1 else f"{count:,} files were left out"
        with st.expander(said, icon=":material/warning:"):
            frame = pd.DataFrame(images.skipped, columns=["File", "Reason"])
            st.dataframe(frame, hide_index=True, width="stretch", height="content")
