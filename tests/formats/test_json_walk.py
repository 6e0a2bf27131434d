"""A long JSON document is parsed a window at a time, and gives what it gives as a whole."""

from __future__ import annotations

import json
import random
import string
import tracemalloc
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import FormatError
from cl_viz.formats import _json_document, _json_walk, jsonl
from cl_viz.formats._json_walk import LISTS, LONGEST_PART, MOST_BESIDE, parse

ROWS = np.random.default_rng(0).normal(size=(50, 8))


@pytest.fixture(params=[1, 20, 300])
def window(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(_json_walk, "WINDOW", request.param)
    monkeypatch.setattr(_json_document, "_AT_ONCE", 0)
    return int(request.param)


def written(folder: Path, text: str) -> Path:
    path = folder / "dump.json"
    path.write_text(text, encoding="utf-8")
    return path


def plain(value: Any) -> Any:
    """Return a parsed value with lists in the place of arrays."""
    if isinstance(value, LISTS):
        return [plain(entry) for entry in value]
    return {key: plain(entry) for key, entry in value.items()} if isinstance(value, dict) else value


def drawn(draw: random.Random, depth: int) -> Any:
    """Draw a value of JSON; lists of numbers of one kind, whose type an array keeps, are frequent."""
    kind = draw.choice(["scalar", "text", "floats", "integers"] if depth > 10 else ["text", "floats", "list", "object"])
    size = draw.randrange(6)
    if kind == "list":
        return [drawn(draw, depth + 1) for _ in range(size)]
    if kind == "object":
        return {drawn_text(draw): drawn(draw, depth + 1) for _ in range(size)}
    if kind == "floats":
        return [draw.choice([draw.random(), -0.0, 1e-300, 1e300, float("-inf")]) for _ in range(size)]
    if kind == "integers":
        return [draw.choice([0, -7, 2**63 - 1, 10**400]) for _ in range(size)]
    return (
        drawn_text(draw) if kind == "text" else draw.choice([None, True, False, 3, 0.25, -1e9, [True, False], [None]])
    )


def drawn_text(draw: random.Random) -> str:
    return "".join(draw.choices(string.printable + 'é\u2028\U0001f40d"\\[{', k=draw.randrange(12)))


@pytest.mark.parametrize("indent", [None, 2])
def test_a_document_is_what_it_is_as_a_whole(window: int, indent: int | None, tmp_path: Path) -> None:
    draw = random.Random(window)
    for _ in range(60):
        document = [drawn(draw, 0), {"more": drawn(draw, 0)}]
        path = written(tmp_path, json.dumps(document, indent=indent, ensure_ascii=draw.random() < 0.5))
        found = parse(path)
        assert plain(found) == document
        assert repr(plain(found)) == repr(document), "types and signs are kept too"


def test_lists_of_numbers_become_arrays(tmp_path: Path) -> None:
    found = parse(written(tmp_path, '{"e": [0.5, 1, 2], "n": [1, 2], "flags": [true, 1], "huge": [1, 1e5, 12e400]}'))
    assert found["e"] == array("d", [0.5, 1, 2])
    assert found["n"] == array("q", [1, 2])
    assert found["flags"] == [True, 1]


DOCUMENTS = {
    "records": [{"id": f"d{row}", "embedding": values.tolist()} for row, values in enumerate(ROWS)],
    "vectors": ROWS.tolist(),
    "chroma": {"ids": [f"d{row}" for row in range(50)], "embeddings": ROWS.tolist(), "uris": None},
    "qdrant": {"result": {"points": [{"id": row, "vector": values.tolist()} for row, values in enumerate(ROWS)]}},
    "pandas, columns": {"embedding": {str(row): values.tolist() for row, values in enumerate(ROWS)}},
    "pandas, split": {"columns": ["embedding"], "index": [*range(50)], "data": [[row] for row in ROWS.tolist()]},
    "a column a dimension": {
        "columns": [f"d_{k}" for k in range(8)], "index": [*range(50)], "data": ROWS.tolist(),
    },
}  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_records_of_a_long_document(window: int, document: Any, tmp_path: Path) -> None:
    found = cl_viz.load(written(tmp_path, json.dumps(document, indent=1)))
    (rows,) = found.views.values()
    np.testing.assert_array_equal(rows, ROWS)


def test_labels_of_a_long_document_stay_whole_numbers(window: int, tmp_path: Path) -> None:
    document = {"embeddings": ROWS.tolist(), "label": [row % 3 for row in range(50)], "new": [True, False] * 25}
    found = cl_viz.load(written(tmp_path, json.dumps(document)))
    columns = found.columns()
    assert (columns["label"].dtype.kind, columns["new"].dtype.kind) == ("i", "b")
    np.testing.assert_array_equal(columns["label"], np.arange(50) % 3)


GOOD = json.dumps({"a": [{"b": [1.5, 2.5], "c": "text"}] * 20})
DAMAGED = {
    "cut off": GOOD[: len(GOOD) // 2],
    "cut off in a number": GOOD[: GOOD.rindex(".")],
    "more behind": GOOD + " {}",
    "a comma too many": GOOD[:-2] + ",]}",
    "no comma": GOOD.replace("}, {", "} {"),
    "no colon": GOOD.replace('"c":', '"c"'),
    "a bare name": GOOD.replace('"b"', "b"),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_document_is_told(window: int, text: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="not JSON") as caught:
        cl_viz.load(written(tmp_path, text))
    assert caught.value.remedy


def test_what_lies_beside_the_numbers_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json_document, "_AT_ONCE", 0)
    monkeypatch.setattr(_json_walk, "MOST_BESIDE", 20_000)
    assert cl_viz.load(written(tmp_path, json.dumps(ROWS.tolist()))).n == 50
    with pytest.raises(FormatError, match="beside numbers is too long; parsing it at once could fill the memory"):
        cl_viz.load(written(tmp_path, json.dumps([{"e": values.tolist(), "t": "x" * 500} for values in ROWS])))
    assert MOST_BESIDE <= 2 << 30


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_a_part_that_is_too_long_to_be_parsed_at_once(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LONGEST_PART * 24 <= 2 << 30
    monkeypatch.setattr(_json_document, "_AT_ONCE", 0)
    for module in (_json_walk, jsonl):
        monkeypatch.setattr(module, "LONGEST_PART", 1000)
    monkeypatch.setattr(_json_walk, "WINDOW", 100)
    path = tmp_path / f"dump.{suffix}"
    path.write_text(json.dumps([{"e": [1.0, 2.0], "t": "x" * 5000}]))
    with pytest.raises(FormatError, match="could fill the memory") as caught:
        cl_viz.load(path)
    assert all(word in caught.value.remedy for word in ("one object a line", "JSON Lines", ".parquet"))


def test_memory_goes_with_the_numbers(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(0, 9, size=(4000, 200)) / 2
    path = written(tmp_path, json.dumps(rows.tolist()))
    tracemalloc.start()
    try:
        parse(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A window of letters takes up to 24 bytes each; objects of all these numbers would take 32 bytes a number.
    assert peak < rows.nbytes * 1.5 + 24 * _json_walk.WINDOW
    assert peak < 32 * rows.size
