"""Samples found by their metadata: words in any column, or a condition in SQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    import pandas as pd
    from duckdb import DuckDBPyConnection

Rows = NDArray[np.bool_]

TABLE = "samples"
"""Name of the table that a condition is about."""
ROW = "row"
"""Column with the number of the row, counted from 0."""
MOST_LETTERS = 10_000
"""Longest condition or text searched for."""
SECONDS = 10.0
"""A query that takes longer is stopped."""
_MEMORY = "1GB"


def search_rows(
    embedding_set: EmbeddingSet, words: str, *, view: str | None = None, columns: Sequence[str] | None = None
) -> Rows:
    """Return the samples in whose metadata every word stands, in any column, in any case.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    words : str
        Separated by spaces; nothing finds every sample.
    view : str, optional
        Whose metadata; by default the first view's.
    columns : sequence of str, optional
        Where to look; by default in every column that holds text or whole numbers, pictures left out.

    Returns
    -------
    NDArray[np.bool_], shape (N,)

    Raises
    ------
    InputError
        If there is no such column, or the text is too long.
    """
    _check_length(words)
    table = embedding_set.table(view)
    kept = list(columns) if columns is not None else _searched(embedding_set, table)
    for name in kept:
        _check_column(embedding_set, table, name)
    found: Rows = np.ones(len(table), dtype=bool)
    texts = [table[name].astype(str).str.casefold() for name in kept]
    for word in words.casefold().split():
        here = [text.str.contains(word, regex=False).to_numpy(dtype=bool, na_value=False) for text in texts]
        found &= np.logical_or.reduce(here) if here else False
    return found


def _searched(embedding_set: EmbeddingSet, table: pd.DataFrame) -> list[str]:
    """Return the columns in which a person would look; the code of a picture holds any short word by chance."""
    image = embedding_set.roles.get("image")
    return [str(name) for name in table if table[name].dtype.kind not in "fc" and name != image]


def filter_rows(embedding_set: EmbeddingSet, condition: str, *, view: str | None = None) -> Rows:
    """Return the samples that meet a condition in SQL.

    The condition is what stands after WHERE in a query of the metadata, in DuckDB's SQL, for example
    ``label = 'cat' AND length(text) > 80`` or ``row IN (SELECT row FROM samples ORDER BY score LIMIT 100)``. The
    database lives in memory and sees that one table: no file, network or setting can be reached from it.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    condition : str
        Over the metadata columns and ``row``, the number of the row.
    view : str, optional
        Whose metadata; by default the first view's.

    Returns
    -------
    NDArray[np.bool_], shape (N,)

    Raises
    ------
    MissingDependencyError
        If DuckDB (the extra ``maps``) is not installed.
    InputError
        If the condition is not one, cannot be evaluated, or takes too long.
    """
    _check_length(condition)
    duckdb = _library()
    table = embedding_set.table(view)
    query = f"SELECT {ROW} FROM {TABLE} WHERE (\n{condition}\n)"
    with _database(table) as connection:
        stop = threading.Timer(SECONDS, connection.interrupt)
        stop.start()
        try:
            statements = connection.extract_statements(query)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise _refused(embedding_set, "it is more than a condition", table)
            found = connection.execute(statements[0]).fetchnumpy()
        except duckdb.InterruptException as error:
            raise InputError(
                f"the condition took more than {SECONDS:g} seconds", where=embedding_set.name,
                remedy="ask for less at a time",
            ) from error  # fmt: skip
        except duckdb.Error as error:
            raise _refused(embedding_set, str(error).splitlines()[0], table) from error
        finally:
            stop.cancel()
    rows = np.asarray(found.get(ROW, []), dtype=np.int64)
    mask: Rows = np.zeros(len(table), dtype=bool)
    mask[rows[(rows >= 0) & (rows < len(mask))]] = True
    return mask


def _library() -> ModuleType:
    try:
        import duckdb
    except ImportError as error:
        raise MissingDependencyError(
            "conditions in SQL are answered by DuckDB, which is not installed", remedy="pip install 'cl-viz[maps]'"
        ) from error
    return duckdb


@contextmanager
def _database(table: pd.DataFrame) -> Iterator[DuckDBPyConnection]:
    """Open a database in memory that holds the metadata and can reach nothing else."""
    import pyarrow

    columns: dict[str, Any] = {ROW: np.arange(len(table), dtype=np.int64)}
    columns |= {name: _plain(table[name]) for name in map(str, table) if name.lower() != ROW}
    settings: dict[str, str | bool | int | float | list[str]] = {
        "python_enable_replacements": "false", "memory_limit": _MEMORY, "threads": "2", "temp_directory": "",
        "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
    }  # fmt: skip
    with _library().connect(":memory:", config=settings) as connection:
        connection.register("given", pyarrow.table(columns))
        connection.execute(f"CREATE TABLE {TABLE} AS SELECT * FROM given")
        connection.unregister("given")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        yield connection


def _plain(column: pd.Series) -> Any:
    """Return a column that Arrow can hold: what is neither number nor text becomes text."""
    return column.to_numpy() if column.dtype.kind in "biuf" else column.astype(str).to_numpy(dtype=object)


def _check_length(text: str) -> None:
    if len(text) > MOST_LETTERS:
        raise InputError(f"{len(text):,} letters", where="filter", allowed=f"up to {MOST_LETTERS:,}")


def _check_column(embedding_set: EmbeddingSet, table: pd.DataFrame, name: str) -> None:
    if name not in table:
        raise InputError(f"no column {name!r}", where=embedding_set.name, allowed=", ".join(map(str, table)) or "none")


def _refused(embedding_set: EmbeddingSet, why: str, table: pd.DataFrame) -> InputError:
    return InputError(
        f"the condition cannot be used: {why}",
        where=embedding_set.name,
        allowed=f"a condition over {', '.join([ROW, *map(str, table)][:30])}, such as row < 100",
        remedy="text stands in single quotes, names of columns with spaces in double quotes",
    )
