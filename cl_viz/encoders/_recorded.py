"""Recorded runs: a folder of snapshots that a training loop writes, opened as a run with steps and layers.

A run folder holds ``card.json``, ``probe.npz`` (the metadata of the probe set, once) and ``snapshots/``, one
safetensors file a step with an array ``layer/view`` for each of both. Files appear by renaming, so whatever has its
name is whole; anything else in the folder is not looked at.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.core.run import Run, Snapshot
from cl_viz.encoders._recorded_card import SNAPSHOTS, RecordedCard
from cl_viz.encoders._stored_rows import check_lengths, stored_set

PROBE = "probe.npz"
METRICS = "cl_viz_metrics"
"""Entry of a snapshot file's header: what was measured at the step, as JSON."""

QUIET_SECONDS = 900.0
"""What was not closed and wrote nothing for so long, and for ten times its usual pause, has ended."""
_USUAL_PAUSES = 10
_NONE_YET = "the folder holds no snapshot yet"
_FILE = re.compile(r"step-(\d{1,15})\.safetensors")
_LONGEST_METRICS = 1 << 20


def snapshot_file(folder: Path, step: int) -> Path:
    """Return the file of a step."""
    return folder / SNAPSHOTS / f"step-{step:09d}.safetensors"


def snapshot_files(folder: Path) -> dict[int, Path]:
    """Return the snapshot files that are there, by step, ascending.

    Raises
    ------
    FormatError
        If a file leads out of the folder, or two files are of one step.
    """
    root = folder.resolve()
    found: dict[int, Path] = {}
    for path in sorted((folder / SNAPSHOTS).glob("step-*.safetensors")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            continue
        step = int(match[1])
        if not path.resolve().is_relative_to(root):
            raise FormatError(f"the snapshot {path.name!r} leads out of the folder", where=str(folder))
        if step in found:
            raise FormatError(f"{found[step].name} and {path.name} are of one step", where=str(folder),
                              remedy="keep one of them")  # fmt: skip
        found[step] = path
    return dict(sorted(found.items()))


def refuse_unwritten(folder: Path) -> None:
    """Raise for the folder of a recorder that has taken no snapshot yet: its card comes with the first one.

    Raises
    ------
    FormatError
    """
    if (folder / SNAPSHOTS).is_dir() and not any((folder / SNAPSHOTS).iterdir()):
        raise FormatError(_NONE_YET, where=str(folder), remedy="open it after the first one")


def recorded_run(card: RecordedCard, source: str) -> Run:
    """Return the run of a recorded folder; a snapshot is read when it is first looked at.

    Raises
    ------
    FormatError
        If there is no snapshot, or the probe's metadata is missing.
    """
    files = snapshot_files(card.folder)
    if not files:
        raise FormatError(_NONE_YET, where=source, remedy="open it after the first one")
    if not (card.folder / PROBE).is_file():
        raise FormatError(f"missing: {PROBE}", where=source, remedy="restore the folder, or record the run again")
    loaders = {
        Snapshot(step, layer): partial(_stored_set, card, path, layer)
        for step, path in files.items()
        for layer in card.layers
    }
    return Run(str(card.facts["name"]), loaders, card=card.facts, source=source)


def is_growing(card: RecordedCard) -> bool:
    """Whether a training is likely still to write into the folder: not closed, and not silent for long."""
    if card.finished:
        return False
    written = [path.stat().st_mtime for path in snapshot_files(card.folder).values()]
    return not written or goes_on(written)


def goes_on(written: Sequence[float]) -> bool:
    """Whether a training likely writes more steps, by when it wrote the others: at least one, seconds since 1970."""
    times = sorted(written)
    pauses = sorted(later - earlier for earlier, later in pairwise(times))
    usual = pauses[len(pauses) // 2] if pauses else 0.0
    return time.time() - times[-1] < max(QUIET_SECONDS, _USUAL_PAUSES * usual)


def read_metrics(path: Path) -> dict[str, float]:
    """Return what was measured when a snapshot was taken; empty where the file does not say.

    Raises
    ------
    FormatError
        If the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as stored:
            text = (stored.metadata() or {}).get(METRICS, "{}")
        found = json.loads(text) if len(text) <= _LONGEST_METRICS else {}
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise FormatError(f"the snapshot cannot be read ({error})", where=str(path)) from error
    if not isinstance(found, dict):
        return {}
    return {
        str(name): float("nan") if value is None else float(value)
        for name, value in found.items()
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    }


def probe_columns(folder: Path, rows: int) -> Mapping[str, Column]:
    """Return the metadata of the probe set.

    Raises
    ------
    FormatError
        If the file is damaged, or a column has another length.
    """
    path = folder / PROBE
    return check_lengths(_probe_columns(str(path), path.stat().st_mtime_ns), rows, path)


@lru_cache(maxsize=32)
def _probe_columns(path: str, modified: int) -> Mapping[str, Column]:
    """Return the columns of a probe; all steps and layers of a run share the same arrays."""
    from cl_viz.formats import npz

    return npz.read(Path(path)).columns


def _stored_set(card: RecordedCard, path: Path, layer: str) -> EmbeddingSet:
    from cl_viz.formats import safetensors_file

    arrays: Mapping[str, Any] = safetensors_file.read(path).arrays
    views = {}
    for view in card.views:
        array = arrays.get(f"{layer}/{view}")
        if array is None or array.ndim != 2 or len(array) != card.rows:
            found = "nothing" if array is None else f"an array of shape {array.shape}"
            raise FormatError(
                f"for layer {layer!r} and view {view!r} the snapshot holds {found}", where=str(path),
                allowed=f"an array of {card.rows:,} rows", remedy="remove the file, or record the step again",
            )  # fmt: skip
        views[view] = array
    return stored_set(card, views, probe_columns(card.folder, card.rows), f"{path}, {layer}")
