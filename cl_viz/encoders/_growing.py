"""Folders of steps that a training may still be writing into: what they hold now, and whether more will come."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from cl_viz.core.errors import ClVizError
from cl_viz.core.run import Card, Snapshot
from cl_viz.encoders._card import CARD, DigitRunCard, read_card
from cl_viz.encoders._open import open_run
from cl_viz.encoders._projector_log import CONFIG, is_projector_log
from cl_viz.encoders._recorded import goes_on, is_growing, snapshot_files
from cl_viz.encoders._recorded_card import RecordedCard
from cl_viz.encoders._step_folder import step_files

SETTLED_SECONDS = 1.0
"""A dump of a step that was written to within the last second may not be whole."""


@dataclass(frozen=True)
class Growth:
    """What a folder of steps holds.

    Attributes
    ----------
    last : float
        When the latest step was written, as seconds since 1970.
    goes_on : bool
        Whether a training is likely still to write into it.
    settled : bool
        Whether the latest step is whole.
    """

    last: float
    goes_on: bool
    settled: bool


def growth(folder: Path) -> Growth | None:
    """Return what is known of a folder of steps; None for anything else, or while it cannot be read."""
    try:
        if (folder / CARD).is_file():
            return _of_card(folder)
        if is_projector_log(folder):
            # The configuration is written last: it lists what is whole.
            times = [path.stat().st_mtime for path in folder.glob("*/*/tensors.tsv")]
            return _by_times([*times, (folder / CONFIG).stat().st_mtime], settled=True)
        if folder.is_dir():
            times = [path.stat().st_mtime for path in step_files(folder).values()]
            return _by_times(times, settled=bool(times) and time.time() - max(times) > SETTLED_SECONDS)
    except (ClVizError, OSError):
        return None
    return None


def holds_other_steps(folder: Path, snapshots: tuple[Snapshot, ...], card: Card) -> bool:
    """Whether a folder holds other steps than an open run, or its card says something else; False while unreadable."""
    try:
        now = open_run(folder)
    except (ClVizError, OSError):
        return False
    return now.snapshots != snapshots or now.card != card


def _of_card(folder: Path) -> Growth | None:
    card = read_card(folder)
    if isinstance(card, RecordedCard):
        files = snapshot_files(folder)
        last = max((path.stat().st_mtime for path in files.values()), default=0.0)
        return Growth(last, is_growing(card), settled=bool(files))
    if isinstance(card, DigitRunCard) and len(card.checkpoints) > 1:
        # A card that lists them is written after its checkpoints.
        return _by_times([path.stat().st_mtime for path in card.checkpoints.values()], settled=True)
    return None


def _by_times(times: list[float], *, settled: bool) -> Growth | None:
    if not times:
        return None
    return Growth(max(times), goes_on(times), settled)
