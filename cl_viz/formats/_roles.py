"""Which column plays which role, guessed from well-known names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from cl_viz.core.embedding_set import Column, Columns, Role

# Best name first. Compared in lower case, without spaces, dashes and underscores.
ROLE_NAMES: Mapping[Role, tuple[str, ...]] = {
    "label": (
        "label", "labels", "target", "targets", "class", "classes", "y", "category", "categories", "digit",
        "classlabel", "classlabels", "labelid", "classid", "labelname", "labeltext", "classname", "groundtruth",
        "ytrue", "celltype", "coarselabel", "coarselabels", "superclass", "superclasses",
    ),
    "subclass": ("subclass", "subclasses", "finelabel", "finelabels", "subclasslabel"),
    "group": ("group", "groups", "attribute", "attributes"),
    "text": (
        "text", "texts", "sentence", "sentences", "caption", "captions", "pagecontent", "content", "contents",
        "document", "documents", "passage", "passages", "chunktext", "chunk", "chunks", "abstract", "abstracts",
        "title", "titles",
    ),
    "image": (
        "image", "images", "imagepath", "imagepaths", "imgpath", "imgpaths", "path", "paths", "filepath", "filepaths",
        "file", "files", "filename", "filenames", "imagefile", "imagefiles", "imagefilename", "imagename", "img",
    ),
    "id": (
        "id", "ids", "sampleid", "sampleids", "imageid", "imageids", "uid", "uids", "uuid", "uuids", "pk", "index",
    ),
}  # fmt: skip

# Any of these may be what was embedded, or what names it: one plays the role only where it stands alone.
ALONE: Mapping[Role, frozenset[str]] = {
    "text": frozenset(
        (
            "question", "questions", "answer", "answers", "query", "queries", "prompt", "prompts", "response",
            "responses", "description", "descriptions", "utterance", "review", "comment", "tweet", "summary",
        )
    ),
    "id": frozenset(("docid", "documentid", "passageid", "chunkid", "queryid", "corpusid")),
}  # fmt: skip


def known_role(column: str) -> Role | None:
    """Return the role a column name usually stands for, or None."""
    plain = _plain(column)
    return next((role for role, names in ROLE_NAMES.items() if plain in names or plain in ALONE.get(role, ())), None)


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
    for role in ROLE_NAMES:

        def fits(name: str, role: Role = role) -> bool:
            everywhere = role != "id" or len(every[name]) == len(columns_by_view)
            return everywhere and all(_can_play(role, column, need_unique_ids) for column in every[name])

        chosen = next(filter(fits, _candidates(role, every)), None)
        if chosen is None:
            alone = [name for name in every if _plain(name) in ALONE.get(role, ()) and fits(name)]
            chosen = alone[0] if len(alone) == 1 else None
        if chosen is not None:
            roles[role] = chosen
    return roles


def _candidates(role: Role, columns: Iterable[str]) -> list[str]:
    """Return the columns called like a role, the best name first; those in a group of a file after all others.

    A group (``metadata/text``) counts only where no other group has a column of that name.
    """
    names = ROLE_NAMES[role]
    plain = [name for name in columns if _plain(name) in names]
    nested: dict[str, list[str]] = {}
    for name in columns:
        if "/" in name and _plain(name.rsplit("/", 1)[-1]) in names:
            nested.setdefault(_plain(name.rsplit("/", 1)[-1]), []).append(name)
    inside = [(last, found[0]) for last, found in nested.items() if len(found) == 1]
    ranked = sorted(plain, key=lambda name: names.index(_plain(name)))
    return ranked + [name for _, name in sorted(inside, key=lambda entry: names.index(entry[0]))]


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
