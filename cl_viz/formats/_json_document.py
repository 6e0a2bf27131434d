"""Records of one JSON document, as vector databases, pandas and embedding services write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cl_viz.core.errors import FormatError
from cl_viz.formats._limits import format_bytes

LONGEST_TEXT = 256 << 20
"""Letters that are parsed at once: what they become takes several times the memory."""
_SUFFIX = ".json"
_FIRST = 1 << 20


def is_one_document(path: Path) -> bool:
    """Return whether a file named as JSON is one document, and not an object on each line."""
    if path.suffix.lower() != _SUFFIX:
        return False
    with path.open(encoding="utf-8-sig") as lines:
        first = lines.readline(_FIRST)
        while first and not first.strip():
            first = lines.readline(_FIRST)
        if not first.endswith("\n"):
            return True
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            return True
        rest = lines.readline(_FIRST)
        while rest and not rest.strip():
            rest = lines.readline(_FIRST)
        return not rest


def whole_records(path: Path) -> list[Any]:
    """Return the records of a document.

    Parameters
    ----------
    path : Path
        A list of objects or of vectors; an object of lists of one length; a table of pandas (``orient`` "columns",
        "index" or "split"); or an object with one list of objects, as an embedding service answers.

    Raises
    ------
    FormatError
        If it is something else, no JSON, or too long.
    """
    if path.stat().st_size > LONGEST_TEXT:
        raise too_long(path, "the document")
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise
        raise FormatError(
            f"the file is not JSON: {str(error)[:200]}",
            where=str(path),
            allowed="one JSON document, or one JSON object a line",
            remedy="check that the file was written and copied to its end",
        ) from error
    records = document if isinstance(document, list) else _of_object(document)
    if not records or not all(isinstance(record, dict | list) for record in records):
        raise FormatError(
            "the document holds no records",
            where=str(path),
            allowed="a list of objects or of vectors, or an object of lists of one length",
            remedy="save one JSON object a line, as .jsonl",
        )
    return records


def too_long(path: Path, what: str) -> FormatError:
    """Return the error for JSON that is too long to be parsed at once."""
    return FormatError(
        f"{what} is longer than {format_bytes(LONGEST_TEXT)}; parsing it at once could fill the memory",
        where=str(path),
        allowed="one JSON object a line, each shorter than that",
        remedy="save one object a line (pandas: to_json(path, orient='records', lines=True)), or as .npz or .parquet",
    )


def _of_object(document: Any) -> list[Any]:
    """Return the records of an object; an empty list where it cannot be told what they are."""
    if not isinstance(document, dict):
        return []
    if document.keys() == {"columns", "index", "data"} and all(isinstance(part, list) for part in document.values()):
        names = [str(name) for name in document["columns"]]
        rows = document["data"]
        fitting = all(isinstance(row, list) and len(row) == len(names) for row in rows)
        return [dict(zip(names, row, strict=True)) for row in rows] if fitting else []
    lists = {key: part for key, part in document.items() if isinstance(part, list) and part}
    if len(lists) == 1:
        of_objects = [part for part in lists.values() if all(isinstance(entry, dict) for entry in part)]
        if of_objects:
            return of_objects[0]
    if lists and len({len(part) for part in lists.values()}) == 1:
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    tables = [part for part in document.values() if isinstance(part, dict)]
    if tables and len(tables) == len(document) and all(part.keys() == tables[0].keys() for part in tables):
        return _of_table(document, tables)
    return []


def _of_table(document: dict[str, dict[str, Any]], tables: list[dict[str, Any]]) -> list[Any]:
    """Return the rows of a pandas table: its outer keys are the columns, unless they count the rows."""
    if all(key.isdecimal() for key in document) and not all(key.isdecimal() for key in tables[0]):
        return tables
    return [{name: table[row] for name, table in document.items()} for row in tables[0]]
