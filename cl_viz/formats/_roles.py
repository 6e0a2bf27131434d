"""Which column plays which role, guessed from well-known names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import Column, Columns, Role

# Best name first. Compared in lower case, without spaces, dashes and underscores.
ROLE_NAMES: Mapping[Role, tuple[str, ...]] = {
    "label": ("label", "labels", "target", "targets", "class", "classes", "y", "category", "categories", "digit"),
    "subclass": ("subclass", "subclasses", "finelabel", "finelabels", "subclasslabel"),
    "group": ("group", "groups", "attribute", "attributes"),
    "text": ("text", "texts", "sentence", "sentences", "caption", "captions", "title", "titles"),
    "image": ("image", "images", "imagepath", "path", "paths", "file", "files", "filename", "filenames"),
    "id": ("id", "ids", "sampleid", "sampleids", "imageid", "imageids", "uid", "uids", "index"),
}


def known_role(column: str) -> Role | None:
    """Return the role a column name usually stands for, or None."""
    plain = _plain(column)
    return next((role for role, names in ROLE_NAMES.items() if plain in names), None)


def guess_roles(columns_by_view: Mapping[str, Columns], *, need_unique_ids: bool) -> dict[Role, str]:
    """Guess roles from names; a column whose content cannot play the role is passed over.

    Parameters
    ----------
    columns_by_view : Mapping[str, Mapping[str, Column]]
    need_unique_ids : bool
        Whether repeated ids rule the column out: so in an aligned set, where they would link every sample with
        others. In views of different N several rows may share an id: captions of one image.

    Returns
    -------
    dict of role to column name
    """
    every = {
        name: [c[name] for c in columns_by_view.values() if name in c] for c in columns_by_view.values() for name in c
    }
    roles: dict[Role, str] = {}
    for role, names in ROLE_NAMES.items():
        matches = [name for name in every if _plain(name) in names]
        for name in sorted(matches, key=lambda match: names.index(_plain(match))):
            everywhere = role != "id" or len(every[name]) == len(columns_by_view)
            if everywhere and all(_can_play(role, column, need_unique_ids) for column in every[name]):
                roles[role] = name
                break
    return roles


def _plain(column: str) -> str:
    return column.strip().lower().replace("_", "").replace("-", "").replace(" ", "")


def _can_play(role: Role, column: Column, need_unique_ids: bool) -> bool:
    if role in ("text", "image"):
        return column.dtype.kind in "UO"
    if role == "id":
        return column.dtype.kind in "iuUO" and (not need_unique_ids or _all_distinct(column))
    if column.dtype.kind == "f":
        finite = column[np.isfinite(column)]
        return bool((finite == np.round(finite)).all())
    return True


def _all_distinct(column: Column) -> bool:
    return len({_key(value) for value in column}) == len(column)


def _key(value: Any) -> str:
    return str(value)
