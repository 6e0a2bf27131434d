"""What the card of a recorded run says of its snapshots, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cl_viz.core.errors import FormatError
from cl_viz.encoders._stored_rows import StoredRows, stored_rows

SNAPSHOTS = "snapshots"
"""Entry of the card, and folder of the snapshot files."""
VERSION = 1


@dataclass(frozen=True)
class RecordedCard(StoredRows):
    """A checked card of a run that a training loop recorded; rows are the samples of its probe set.

    Attributes
    ----------
    probe : str
        Hash of the probe set, so that no other one continues the run.
    finished : bool
        Whether the recorder was closed.
    """

    probe: str
    finished: bool


def recorded_card(folder: Path, facts: Mapping[str, Any], where: str) -> RecordedCard:
    """Check the entry ``snapshots`` of a card.

    Raises
    ------
    FormatError
        If the version is another one, or an entry is missing or cannot be used.
    """
    stored = stored_rows(folder, facts, SNAPSHOTS, VERSION, where)
    finished, probe = facts[SNAPSHOTS].get("finished"), facts[SNAPSHOTS].get("probe")
    if not isinstance(finished, bool) or not isinstance(probe, str):
        raise FormatError("the card does not say whether the recording is finished, and of which probe", where=where)
    return RecordedCard(**vars(stored), probe=probe, finished=finished)
