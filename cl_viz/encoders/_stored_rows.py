"""What the card of a folder says of embeddings that are stored in it: checked in one place, whoever wrote them.

The files have fixed names, so a card names none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from cl_viz.core.embedding_set import ROLES, Column, EmbeddingSet, Role
from cl_viz.core.errors import FormatError

_MOST_NAMES = 512
_LONGEST_NAME = 200


@dataclass(frozen=True)
class StoredRows:
    """A checked card of a folder with rows in layers and views.

    Attributes
    ----------
    folder : Path
        Absolute.
    layers, views : tuple of str
    rows : int
        In every layer and view.
    roles : Mapping[Role, str]
        Role -> column of what is known of the rows.
    facts : Mapping
        The whole card, as shown to people.
    """

    folder: Path
    layers: tuple[str, ...]
    views: tuple[str, ...]
    rows: int
    roles: Mapping[Role, str]
    facts: Mapping[str, Any]


def stored_rows(folder: Path, facts: Mapping[str, Any], name: str, version: int, where: str) -> StoredRows:
    """Check an entry of a card.

    Parameters
    ----------
    folder : Path
    facts : Mapping
        The whole card.
    name : str
        Of the entry.
    version : int
        The one that can be opened.
    where : str
        For messages.

    Raises
    ------
    FormatError
        If the version is another one, or something is missing or cannot be used.
    """
    entry = facts[name]
    if not isinstance(entry, dict) or entry.get("version") != version:
        found = entry.get("version") if isinstance(entry, dict) else entry
        raise FormatError(
            f"the {name} rows have version {str(found)[:40]}", where=where, allowed=f"version {version}",
            remedy="open the folder with the cl_viz that wrote it, or a newer one",
        )  # fmt: skip
    rows, roles = entry.get("rows"), entry.get("roles")
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 2:
        raise FormatError(f"the card says {rows!r} rows", where=where, allowed="a whole number, 2 or more")
    if not isinstance(roles, dict) or not all(role in ROLES and isinstance(c, str) for role, c in roles.items()):
        raise FormatError(
            f"the roles are {str(roles)[:200]!r}", where=where, allowed=f"role -> column; {', '.join(ROLES)}"
        )
    layers, views = (_names(entry.get(what), what, where) for what in ("layers", "views"))
    return StoredRows(folder.resolve(), layers, views, rows, MappingProxyType(dict(roles)), facts)


def stored_set(
    card: StoredRows, views: Mapping[str, NDArray[Any]], columns: Mapping[str, Column], source: str
) -> EmbeddingSet:
    """Return the set of one layer, with those roles whose columns are there."""
    roles: dict[Role, str] = {role: column for role, column in card.roles.items() if column in columns}
    return EmbeddingSet.from_arrays(views, metadata=columns, roles=roles, name=str(card.facts["name"]), source=source)


def check_lengths(columns: Mapping[str, Column], rows: int, where: Path) -> Mapping[str, Column]:
    """Return the columns, all of which must have an entry a row.

    Raises
    ------
    FormatError
        If one has another length.
    """
    for name, values in columns.items():
        if len(values) != rows:
            raise FormatError(f"column {name!r} has {len(values):,} entries", where=str(where), allowed=f"{rows:,}")
    return columns


def _names(found: Any, what: str, where: str) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else []
    usable = all(isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME for name in listed)
    if not 0 < len(listed) <= _MOST_NAMES or not usable or len(set(listed)) < len(listed):
        raise FormatError(
            f"the {what} are {str(found)[:200]!r}", where=where,
            allowed=f"1 to {_MOST_NAMES} different names of up to {_LONGEST_NAME} characters",
        )  # fmt: skip
    return tuple(listed)
