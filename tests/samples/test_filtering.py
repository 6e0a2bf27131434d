"""Samples found by words and by SQL; what SQL must not reach."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingDependencyError
from cl_viz.samples import filter_rows, filtering, search_rows

TEXTS = ["A red fox", "a blue FOX", "<b>bold</b>", "it's 100% 'quoted'", "", "naïve Straße"]


@pytest.fixture(scope="module")
def animals() -> EmbeddingSet:
    generator = np.random.default_rng(0)
    return EmbeddingSet.from_arrays(
        generator.normal(size=(6, 4)),
        metadata={
            "text": np.array(TEXTS),
            "number": np.array([1, 2, 3, 10, 20, 100]),
            "score": np.array([0.5, np.nan, 1.5, 2.5, 3.5, 4.5]),
            "two words": np.array(list("aabbcc")),
            "row": np.arange(6)[::-1],
        },
        name="animals",
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("fox", [0, 1]),
        ("FOX red", [0]),
        ("<b>", [2]),
        ("100", [3, 5]),
        ("strasse", [5]),
        (".*", []),
        ("", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_every_word_stands_somewhere(animals: EmbeddingSet, words: str, expected: list[int]) -> None:
    assert np.flatnonzero(search_rows(animals, words)).tolist() == expected


def test_the_code_of_a_picture_is_not_searched() -> None:
    columns = {"image": np.array(["data:image/png;base64,odd", "x"]), "parity": np.array(["even", "odd"])}
    made = EmbeddingSet.from_arrays(np.eye(2), metadata=columns, roles={"image": "image"})
    assert search_rows(made, "odd").tolist() == [False, True]
    assert search_rows(made, "base64", columns=["image"]).tolist() == [True, False]


def test_a_search_can_be_limited_to_columns(animals: EmbeddingSet) -> None:
    assert np.flatnonzero(search_rows(animals, "100", columns=["text"])).tolist() == [3]
    with pytest.raises(InputError, match="no column 'colour'"):
        search_rows(animals, "red", columns=["colour"])


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("number > 2", [2, 3, 4, 5]),
        ("text LIKE '%fox%' OR text = 'it''s 100% ''quoted'''", [0, 3]),
        ("\"two words\" = 'b' AND number < 5", [2]),
        ("row < 2", [0, 1]),
        ("score IS NULL OR isnan(score)", [1]),
        ("row IN (SELECT row FROM samples ORDER BY number DESC LIMIT 2)", [4, 5]),
        ("number > 2 -- and the rest is a remark", [2, 3, 4, 5]),
    ],
)
def test_a_condition_is_met_by_the_rows_that_meet_it(
    animals: EmbeddingSet, condition: str, expected: list[int]
) -> None:
    assert np.flatnonzero(filter_rows(animals, condition)).tolist() == expected


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=30), st.integers(-50, 50))
def test_a_comparison_is_that_of_numpy(values: list[int], limit: int) -> None:
    numbers = np.array(values)
    made = EmbeddingSet.from_arrays(np.ones((len(values), 2)), metadata={"number": numbers})
    assert np.array_equal(filter_rows(made, f"number >= {limit}"), numbers >= limit)


def test_no_condition_reaches_outside_its_table(animals: EmbeddingSet, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nswordfish\n")
    out = tmp_path / "out.csv"
    for condition in (
        f"number IN (SELECT 1 FROM read_csv('{secret}'))",
        f"text IN (SELECT content FROM read_text('{secret}'))",
        f"1 = 1); COPY samples TO '{out}'; SELECT (1 = 1",
        f"1 = 1); ATTACH '{tmp_path / 'other.db'}'; SELECT (1 = 1",
        "1 = 1); SET lock_configuration = false; SELECT (1 = 1",
        "1 = 1); INSTALL httpfs; LOAD httpfs; SELECT (1 = 1",
        "1 = 1); DROP TABLE samples; SELECT (1 = 1",
        "row IN (SELECT 1 FROM animals)",
        "getenv('HOME') = 'x'",
    ):
        with pytest.raises(InputError, match="cannot be used") as refused:
            filter_rows(animals, condition)
        assert "swordfish" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [secret]
    assert filter_rows(animals, "number > 2").sum() == 4


@pytest.mark.parametrize("condition", ["", "label =", "colour = 'red'", "number", ")("])
def test_what_is_no_condition_is_explained(animals: EmbeddingSet, condition: str) -> None:
    if condition == "number":  # a number is true where it is not 0, as in C
        assert filter_rows(animals, condition).all()
        return
    with pytest.raises(InputError, match="two words"):
        filter_rows(animals, condition)


def test_an_endless_query_is_stopped(animals: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "SECONDS", 0.3)
    with pytest.raises(InputError, match="took more than"):
        filter_rows(animals, "(SELECT count(*) FROM range(10000000000000)) > 1")


def test_long_texts_are_refused(animals: EmbeddingSet) -> None:
    for call in (search_rows, filter_rows):
        with pytest.raises(InputError, match="letters"):
            call(animals, "a" * 10_001)


def test_a_column_of_a_hundred_thousand_kinds_is_searched() -> None:
    n = 100_000
    made = EmbeddingSet.from_arrays(
        np.ones((n, 2), dtype=np.float32), metadata={"name": np.array([f"sample {place}" for place in range(n)])}
    )
    assert np.flatnonzero(search_rows(made, "99999")).tolist() == [99_999]
    assert filter_rows(made, "name LIKE '%999'").sum() == 100


def test_without_duckdb_it_says_what_to_install(animals: EmbeddingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(MissingDependencyError, match="maps"):
        filter_rows(animals, "row < 2")
