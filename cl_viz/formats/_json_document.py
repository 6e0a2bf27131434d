"""Records of one JSON document, as vector databases, pandas and embedding services write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cl_viz.core.errors import FormatError
from cl_viz.formats._json_walk import LISTS, parse

_AT_ONCE = 16 << 20
"""Bytes of a document that is parsed at once; a longer one is walked through."""
_SUFFIX = ".json"
_FIRST = 1 << 20
_DEEPEST = 2
"""Objects in each other, inside the document, that are looked through for its records."""


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
        A list of objects or of vectors; an object of lists of one length, or of vectors and whatever else has their
        length; a table of pandas (``orient`` "columns", "index" or "split"); or an object with one list of objects, as
        an embedding service answers. Vectors and objects may lie one or two objects deeper.

    Raises
    ------
    FormatError
        If it is something else, no JSON, or takes too much memory, or vectors differ in number.
    """
    try:
        walked = path.stat().st_size > _AT_ONCE
        document = parse(path) if walked else json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, FormatError):
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"the file is not JSON: {str(error)[:200]}",
            where=str(path),
            allowed="one JSON document, or one JSON object a line",
            remedy="check that the file was written and copied to its end",
        ) from error
    records = document if isinstance(document, list) else _of_object(document, path)
    if not records or not all(isinstance(record, (dict, *LISTS)) for record in records):
        raise FormatError(
            "the document holds no records",
            where=str(path),
            allowed="a list of objects or of vectors, or an object of lists of one length",
            remedy="save one JSON object a line, as .jsonl",
        )
    return records


def _of_object(document: Any, path: Path) -> list[Any]:
    """Return the records of an object; an empty list where it cannot be told what they are."""
    if not isinstance(document, dict):
        return []
    if document.keys() == {"columns", "index", "data"} and all(isinstance(part, LISTS) for part in document.values()):
        names = [str(name) for name in document["columns"]]
        rows = document["data"]
        fitting = all(isinstance(row, LISTS) and len(row) == len(names) for row in rows)
        return [dict(zip(names, row, strict=True)) for row in rows] if fitting else []
    lists = _lists(document)
    if found := _beside_vectors(lists, path) or _only_objects(lists):
        return found
    if lists and len({len(part) for part in lists.values()}) == 1:
        return _zipped(lists)
    tables = [part for part in document.values() if isinstance(part, dict)]
    # One object in another is an answer in its wrapping, unless there is no list in it: then it is a table.
    if len(document) == 1 and (found := _of_inner_objects(tables, path)):
        return found
    if tables and len(tables) == len(document) and all(part.keys() == tables[0].keys() for part in tables):
        return _of_table(document, tables)
    return _of_inner_objects(tables, path)


def _of_inner_objects(objects: list[dict[str, Any]], path: Path) -> list[Any]:
    """Return the records that lie one or two objects deep, as databases wrap their answers; the most of them."""
    for _ in range(_DEEPEST):
        inner = [_lists(part) for part in objects]
        beside = [_beside_vectors(lists, path) for lists in inner]
        if found := max(beside, key=len, default=[]) or max(map(_only_objects, inner), key=len, default=[]):
            return found
        objects = [part for outer in objects for part in outer.values() if isinstance(part, dict)]
    return []


def _lists(document: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the lists of an object that hold anything, without one that only names keys of the object."""
    found: dict[str, Any] = {key: part for key, part in document.items() if isinstance(part, LISTS) and part}
    return {
        key: part for key, part in found.items() if not all(isinstance(name, str) and name in document for name in part)
    }


def _beside_vectors(lists: dict[str, list[Any]], path: Path) -> list[Any]:
    """Return the records of the largest group of lists of one length that holds a list of vectors."""
    groups: dict[int, dict[str, list[Any]]] = {}
    for key, part in lists.items():
        groups.setdefault(len(part), {})[key] = part
    ranked = sorted((group for group in groups.values() if any(map(_are_vectors, group.values()))), key=len)
    if len(ranked) > 1 and len(ranked[-1]) == len(ranked[-2]):
        first, second = (next(key for key in group if _are_vectors(group[key])) for group in ranked[-2:])
        raise FormatError(
            f"{first!r} holds {len(lists[first]):,} vectors, {second!r} {len(lists[second]):,}",
            where=str(path),
            allowed="lists of one length",
            remedy="save each in a file of its own, or both as .npz, which holds views of several lengths",
        )
    return _zipped(ranked[-1]) if ranked else []


def _are_vectors(part: list[Any]) -> bool:
    first = part[0]
    return isinstance(first, LISTS) and bool(first) and all(n is None or isinstance(n, int | float) for n in first)


def _only_objects(lists: dict[str, list[Any]]) -> list[Any]:
    """Return the one list of objects, where no list beside it has its length."""
    found = [part for part in lists.values() if all(isinstance(entry, dict) for entry in part)]
    alone = len(found) == 1 and sum(len(part) == len(found[0]) for part in lists.values()) == 1
    return found[0] if alone else []


def _zipped(lists: dict[str, list[Any]]) -> list[Any]:
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _of_table(document: dict[str, dict[str, Any]], tables: list[dict[str, Any]]) -> list[Any]:
    """Return the rows of a pandas table: its outer keys are the columns, unless they count the rows."""
    if all(key.isdecimal() for key in document) and not all(key.isdecimal() for key in tables[0]):
        return tables
    return [{name: table[row] for name, table in document.items()} for row in tables[0]]
