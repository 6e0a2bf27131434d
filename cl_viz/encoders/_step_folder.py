"""Folders of dumps per training step: ``step-100.npz``, ``epoch_3.parquet``, ..., opened as a run with steps.

A file's name ends in a word for steps and a number; what stands before them is the layer. Every file is a dump of its
own, read when it is first looked at. A file ``labels.npy`` beside them holds the label of each row, for all of them.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.core.run import Run, Snapshot
from cl_viz.formats import FORMATS, load

LABELS = "labels.npy"
_MOST_FILES = 100_000
_STEP = re.compile(
    r"(?:(?P<layer>.*?)[ _.\-]+)?(?:global[ _\-]?step|step|epoch|iteration|iter)[ _.=\-]*(?P<step>\d{1,15})",
    re.IGNORECASE | re.DOTALL,
)


def step_files(folder: Path) -> dict[Snapshot, Path]:
    """Return the dumps of a folder by step and layer, ascending; empty where it holds anything but dumps of steps.

    Empty files, which somebody has only begun to write, and hidden ones are not looked at.

    Raises
    ------
    FormatError
        If two files are of one step and layer.
    """
    suffixes = {suffix for spec in FORMATS.values() for suffix in spec.suffixes}
    found: dict[Snapshot, Path] = {}
    for count, path in enumerate(sorted(folder.iterdir())):
        if count >= _MOST_FILES:
            return {}
        if path.name.startswith(".") or path.suffix.lower() not in suffixes or path.name == LABELS:
            continue
        match = _STEP.fullmatch(path.stem)
        if match is None:
            return {}
        if not path.is_file() or path.stat().st_size == 0:
            continue
        snapshot = Snapshot(int(match["step"]), match["layer"] or None)
        if snapshot in found:
            raise FormatError(
                f"{found[snapshot].name} and {path.name} are of one step", where=str(folder), remedy="keep one of them"
            )
        found[snapshot] = path
    return dict(sorted(found.items(), key=lambda entry: (entry[0].step, entry[0].layer or "")))


def is_step_folder(folder: Path) -> bool:
    """Whether a folder holds dumps of training steps and no others."""
    return folder.is_dir() and bool(step_files(folder))


def step_folder_run(folder: Path) -> Run:
    """Open a folder of dumps per step.

    Raises
    ------
    FormatError
        If it holds none, or two of one step.
    """
    files = step_files(folder)
    if not files:
        raise FormatError("the folder holds no dumps of training steps", where=str(folder),
                          allowed="files such as step-100.npz")  # fmt: skip
    name = folder.resolve().name
    layers = {snapshot.layer for snapshot in files}
    loaders = {
        # Not every step has to have every layer, but a layer needs a name beside others.
        Snapshot(step, layer if layer is not None or len(layers) == 1 else "embedding"): partial(_loaded, path, name)
        for (step, layer), path in files.items()
    }
    return Run(name, loaders, card={"name": name, "recorded_by": "dumps of training steps"}, source=str(folder))


def _loaded(path: Path, name: str) -> EmbeddingSet:
    labels = path.parent / LABELS
    return load(path, label=labels if labels.is_file() else None, name=name)
