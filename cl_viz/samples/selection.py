"""A named set of samples: exported, read again, and used as a group by everything that knows groups."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError, InputError
from cl_viz.core.fact_table import fact_table
from cl_viz.core.run import Loader, Run, Snapshot

if TYPE_CHECKING:
    import pandas as pd

Rows = NDArray[np.bool_]

SELECTION_COLUMN = "selection"
"""Metadata column that says which selection a sample belongs to."""
REST = "not selected"
"""What that column says of the samples in none."""
_MOST_LETTERS = 100
_SHOWN_ROWS = 8


@dataclass(frozen=True, eq=False)
class Selection:
    """Some samples of a set, under a name.

    Attributes
    ----------
    name : str
    rows : NDArray[np.int64], shape (M,)
        Ascending, without repeats.
    n : int
        Rows of the set they were selected from.
    ids : tuple of str or None
        Ids of the samples, where the set has ids: they find the samples again in another set.
    how : str
        How they were found, in words.
    """

    name: str
    rows: NDArray[np.int64]
    n: int
    ids: tuple[str, ...] | None = None
    how: str = ""

    @classmethod
    def of(
        cls,
        embedding_set: EmbeddingSet,
        rows: NDArray[np.generic],
        name: str,
        *,
        view: str | None = None,
        how: str = "",
    ) -> Selection:
        """Name some samples.

        Parameters
        ----------
        embedding_set : EmbeddingSet
        rows : NDArray of bool, shape (N,), or of int, shape (M,)
        name : str
        view : str, optional
            Whose rows they are; by default the first view's.
        how : str, optional

        Raises
        ------
        InputError
            If the name is empty or too long, a row does not exist, or nothing is selected.
        """
        view = view or embedding_set.view_names[0]
        n = len(embedding_set.views[view])
        name = name.strip()
        if not name or len(name) > _MOST_LETTERS or name == REST:
            raise InputError(
                f"a selection cannot be called {name[:_MOST_LETTERS]!r}", where=embedding_set.name,
                allowed=f"1 to {_MOST_LETTERS} letters, and not {REST!r}",
            )  # fmt: skip
        rows = np.asarray(rows)
        if rows.dtype == bool and len(rows) != n:
            raise InputError(f"a mask of {len(rows):,} rows", where=embedding_set.name, allowed=f"{n:,} rows")
        found = np.flatnonzero(rows) if rows.dtype == bool else np.unique(rows.astype(np.int64))
        if not len(found) or found[0] < 0 or found[-1] >= n:
            raise InputError(
                "nothing is selected" if not len(found) else f"row {found[-1] if found[-1] >= n else found[0]}",
                where=embedding_set.name, allowed=f"rows 0 to {n - 1:,}", remedy="select at least one sample",
            )  # fmt: skip
        ids = embedding_set.role("id", view)
        return cls(name, found, n, None if ids is None else tuple(ids[found].astype(str)), how)

    def mask(self, embedding_set: EmbeddingSet, view: str | None = None) -> Rows:
        """Return which samples of a set are meant: by id where both have ids, else by row, shape (N,).

        Raises
        ------
        InputError
            If there are no common ids, and the set has another number of rows.
        """
        view = view or embedding_set.view_names[0]
        n, ids = len(embedding_set.views[view]), embedding_set.role("id", view)
        if ids is not None and self.ids is not None:
            found: Rows = np.isin(ids.astype(str), np.array(self.ids, dtype=str))
            return found
        if n != self.n:
            raise InputError(
                f"the selection {self.name!r} was made among {self.n:,} rows and this set has {n:,}",
                where=embedding_set.name, remedy="give both sets ids, so that samples are found by their ids",
            )  # fmt: skip
        mask: Rows = np.zeros(n, dtype=bool)
        mask[self.rows] = True
        return mask

    def table(self, embedding_set: EmbeddingSet, view: str | None = None) -> pd.DataFrame:
        """Return the metadata of the selected samples, with ``row`` and ``selection``, a row each."""
        chosen = np.flatnonzero(self.mask(embedding_set, view))
        table = embedding_set.table(view).iloc[chosen].reset_index(drop=True)
        table = table.drop(columns=[name for name in ("row", SELECTION_COLUMN) if name in table])
        table.insert(0, "row", chosen)
        table.insert(1, SELECTION_COLUMN, self.name)
        return table

    def write(self, path: str | os.PathLike[str], embedding_set: EmbeddingSet, view: str | None = None) -> None:
        """Write `table` as Parquet or CSV, by the suffix; to a temporary file, which is then renamed.

        Raises
        ------
        FormatError
            On another suffix.
        """
        target = Path(path)
        table = self.table(embedding_set, view)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            if target.suffix.lower() == ".parquet":
                table.to_parquet(part, index=False)
            elif target.suffix.lower() == ".csv":
                table.to_csv(part, index=False)
            else:
                raise _other_suffix(target)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def __repr__(self) -> str:
        return f"Selection({self.name!r}, {len(self.rows):,} of {self.n:,} rows)"

    def _repr_html_(self) -> str:
        shown = self.ids if self.ids is not None else tuple(map(str, self.rows[:_SHOWN_ROWS]))
        first = ", ".join(shown[:_SHOWN_ROWS]) + (", ..." if len(self.rows) > _SHOWN_ROWS else "")
        facts = {
            "samples": f"{len(self.rows):,} of {self.n:,}",
            "found by": self.how,
            "rows" if self.ids is None else "ids": first,
        }
        return fact_table(f"Selection {self.name}", facts)


def read_selection(path: str | os.PathLike[str], embedding_set: EmbeddingSet) -> Selection:
    """Read what `Selection.write` wrote, for the set it was made in or one with the same samples.

    Raises
    ------
    FormatError
        If the file cannot be read or lacks the columns ``row`` and ``selection``.
    InputError
        If a row does not exist in the set.
    """
    import pandas as pd

    source = Path(path)
    if source.suffix.lower() not in (".parquet", ".csv"):
        raise _other_suffix(source)
    try:
        table = pd.read_parquet(source) if source.suffix.lower() == ".parquet" else pd.read_csv(source)
    except (OSError, ValueError) as error:
        raise FormatError(f"the selection cannot be read ({error})", where=str(source)) from error
    whole = "row" in table and pd.api.types.is_integer_dtype(table["row"])
    if not whole or SELECTION_COLUMN not in table or table.empty:
        raise FormatError(
            "no selection", where=str(source), allowed=f"columns row (whole numbers) and {SELECTION_COLUMN}",
        )  # fmt: skip
    name = str(table[SELECTION_COLUMN].iloc[0])
    return Selection.of(embedding_set, table["row"].to_numpy(), name, how=f"read from {source.name}")


def with_groups(embedding_set: EmbeddingSet, selections: Sequence[Selection]) -> EmbeddingSet:
    """Return the set with the selections as its groups: every question about groups is then about them.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    selections : sequence of Selection
        A sample of several belongs to the first.

    Raises
    ------
    InputError
        If a selection does not fit the set, or there is none.
    """
    if not selections:
        raise InputError("no selection", where=embedding_set.name, remedy="select samples on the Map page first")
    made: dict[int, MappingProxyType[str, NDArray[np.generic]]] = {}
    metadata = {}
    for view in embedding_set.view_names:
        columns = embedding_set.columns(view)
        if id(columns) not in made:
            group = np.full(len(embedding_set.views[view]), REST, dtype=object)
            for selection in reversed(selections):
                group[selection.mask(embedding_set, view)] = selection.name
            made[id(columns)] = MappingProxyType({**columns, SELECTION_COLUMN: group.astype(str)})
        metadata[view] = made[id(columns)]
    changed = replace(embedding_set, metadata=MappingProxyType(metadata))
    return changed.with_roles(group=SELECTION_COLUMN)


def group_run(run: Run, selections: Sequence[Selection]) -> Run:
    """Return a run in which the selections are the groups of every set; see `with_groups`."""
    chosen = tuple(selections)
    loaders: dict[Snapshot, EmbeddingSet | Loader] = {
        snapshot: partial(_grouped, run, snapshot, chosen) for snapshot in run.snapshots
    }
    return Run(run.name, loaders, card=run.card, source=run.source)


def _grouped(run: Run, snapshot: Snapshot, selections: Sequence[Selection]) -> EmbeddingSet:
    return with_groups(run.get(*snapshot), selections)


def _other_suffix(path: Path) -> FormatError:
    return FormatError(f"unknown suffix {path.suffix!r}", where=str(path), allowed=".parquet or .csv")
