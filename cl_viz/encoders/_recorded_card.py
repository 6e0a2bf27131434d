"""What the card of a recorded run says of its snapshots, checked; files have fixed names, so it names none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cl_viz.core.embedding_set import ROLES, Role
from cl_viz.core.errors import FormatError

SNAPSHOTS = "snapshots"
"""Entry of the card, and folder of the snapshot files."""
VERSION = 1
_MOST_NAMES = 64
_LONGEST_NAME = 200


@dataclass(frozen=True)
class RecordedCard:
    """A checked card of a run that a training loop recorded.

    Attributes
    ----------
    folder : Path
        The run folder, absolute.
    layers, views : tuple of str
    rows : int
        Samples of the probe set.
    roles : Mapping[str, str]
        Role -> column of the probe's metadata.
    probe : str
        Hash of the probe set, so that no other one continues the run.
    finished : bool
        Whether the recorder was closed.
    facts : Mapping
        The whole card, as shown to people.
    """

    folder: Path
    layers: tuple[str, ...]
    views: tuple[str, ...]
    rows: int
    roles: Mapping[Role, str]
    probe: str
    finished: bool
    facts: Mapping[str, Any]


def recorded_card(folder: Path, facts: Mapping[str, Any], where: str) -> RecordedCard:
    """Check the entry ``snapshots`` of a card.

    Raises
    ------
    FormatError
        If the version is another one, or an entry is missing or cannot be used.
    """
    entry = facts[SNAPSHOTS]
    if not isinstance(entry, dict) or entry.get("version") != VERSION:
        version = entry.get("version") if isinstance(entry, dict) else entry
        raise FormatError(
            f"the snapshots have version {version!r}", where=where, allowed=f"version {VERSION}",
            remedy="open the folder with the cl_viz that recorded it, or a newer one",
        )  # fmt: skip
    rows, roles, finished = entry.get("rows"), entry.get("roles"), entry.get("finished")
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 2:
        raise FormatError(f"the snapshots have {rows!r} rows", where=where, allowed="a whole number, 2 or more")
    if not isinstance(finished, bool) or not isinstance(entry.get("probe"), str):
        raise FormatError("the card does not say whether the recording is finished, and of which probe", where=where)
    if not isinstance(roles, dict) or not all(role in ROLES and isinstance(c, str) for role, c in roles.items()):
        raise FormatError(f"the roles are {roles!r}", where=where, allowed=f"role -> column; {', '.join(ROLES)}")
    return RecordedCard(
        folder=folder.resolve(),
        layers=_names(entry.get("layers"), "layers", where),
        views=_names(entry.get("views"), "views", where),
        rows=rows,
        roles=MappingProxyType(dict(roles)),
        probe=entry["probe"],
        finished=finished,
        facts=facts,
    )


def _names(found: Any, what: str, where: str) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else []
    usable = all(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME for name in listed)
    if not 0 < len(listed) <= _MOST_NAMES or not usable or len(set(listed)) < len(listed):
        raise FormatError(
            f"the {what} are {str(found)[:200]!r}", where=where,
            allowed=f"1 to {_MOST_NAMES} different names of up to {_LONGEST_NAME} characters",
        )  # fmt: skip
    return tuple(listed)
