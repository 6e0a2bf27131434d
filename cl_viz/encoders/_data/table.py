"""A table with columns of texts or of image paths."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from cl_viz.core.embedding_set import Column
from cl_viz.core.errors import FormatError
from cl_viz.core.pictures import SUFFIXES
from cl_viz.encoders._data.contract import EncodingData, FileImages, Images, Texts
from cl_viz.formats._dump import column_to_store
from cl_viz.formats._opening import read_dump
from cl_viz.formats._roles import guess_roles

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
MOST_COLUMNS = 5_000
_LOOKED_AT = 200
_PAIRED = (
    ("anchor", "positive"), ("query", "positive"), ("query", "passage"), ("question", "answer"),
    ("sentence1", "sentence2"), ("sentence_1", "sentence_2"), ("sentence_a", "sentence_b"),
    ("text1", "text2"), ("text_1", "text_2"), ("text_a", "text_b"), ("premise", "hypothesis"), ("image", "text"),
    ("image", "caption"), ("title", "abstract"),
)  # fmt: skip


def open_table(path: Path) -> EncodingData:
    """Read the columns of a table; the images it names are not read yet.

    A text column whose entries mostly end as images do is a column of image paths: relative ones start at the table's
    folder, and nothing outside it is read.

    Raises
    ------
    FormatError
        If the table is damaged, has fewer than two rows, more than 5,000 columns, or no column of texts or paths.
    """
    _check_width(path)
    found = read_dump(path)[1]
    if len(found.columns) > MOST_COLUMNS:
        raise _too_wide(path, f"{len(found.columns):,} columns")
    columns = {name: values for name, values in found.columns.items() if values.ndim == 1}
    inputs: dict[str, Images | Texts] = {}
    for name, values in columns.items():
        if values.dtype.kind in "UO":
            inputs[name] = FileImages(values, path.parent) if _names_images(values) else Texts(values)
    n = len(next(iter(columns.values()))) if columns else 0
    if not inputs or n < 2:
        raise FormatError(
            f"the table has {n} rows and {len(inputs)} columns of text; its columns are "
            f"{', '.join([*found.columns, *found.arrays][:20]) or 'none'}",
            where=str(path), allowed="two rows or more, with a column of texts or of image paths",
            remedy="embeddings are opened with cl_viz.load, not encoded" if found.arrays else None,
        )  # fmt: skip
    roles = guess_roles({"table": columns}, need_unique_ids=True)
    for role, wanted in (("text", Texts), ("image", FileImages)):
        of_kind = [name for name, entry in inputs.items() if isinstance(entry, wanted)]
        if roles.get(role) not in of_kind:  # type: ignore[call-overload]
            roles.pop(role, None)  # type: ignore[call-overload]
            free = [name for name in of_kind if name not in roles.values()]
            if free:
                roles[role] = free[0]  # type: ignore[index]
    with path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return EncodingData(
        name=path.stem, source=str(path), kind="table", n=n, inputs=inputs,
        columns={name: column_to_store(values) if values.dtype.kind != "O" else values
                 for name, values in columns.items()},
        roles=roles, fingerprint=fingerprint, pairs=_pairs(inputs), notes=tuple(found.card.get("notes", ())),
    )  # fmt: skip


def _check_width(path: Path) -> None:
    """Refuse a text table with very many columns before each of them becomes an array."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    separators = max(first.count(mark) for mark in (b",", b"\t", b";", b"|"))
    if separators >= MOST_COLUMNS:
        raise _too_wide(path, f"{separators + 1:,} columns or more")


def _too_wide(path: Path, found: str) -> FormatError:
    return FormatError(
        f"the table has {found}", where=str(path),
        allowed=f"at most {MOST_COLUMNS:,}, with a column of texts or of image paths",
        remedy="keep the columns that matter; embeddings are opened with cl_viz.load, not encoded",
    )  # fmt: skip


def _names_images(values: Column) -> bool:
    """Whether most entries, of those looked at, end as names of images do."""
    step = max(1, len(values) // _LOOKED_AT)
    present = [value for value in values[::step] if isinstance(value, str) and value.strip()]
    named = [_suffix(value) in SUFFIXES for value in present]
    return bool(present) and sum(named) > len(present) / 2


def _suffix(value: Any) -> str:
    return PurePosixPath(str(value)[-300:].strip()).suffix.lower()


def _pairs(inputs: Mapping[str, Images | Texts]) -> tuple[tuple[str, str], ...]:
    by_name = {name.strip().lower(): name for name in inputs}
    return tuple((by_name[one], by_name[two]) for one, two in _PAIRED if one in by_name and two in by_name)
