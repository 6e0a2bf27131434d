"""`EmbeddingSet`: views of the same samples, with metadata columns that play roles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_viz.core._columns import ROLES, Column, Columns, Role, columns_by_view, freeze_metadata, hash_column, read_only
from cl_viz.core._partners import equal_codes, number_values, shared_partners
from cl_viz.core._set_checks import check_set
from cl_viz.core.as_array import as_array, views_of
from cl_viz.core.errors import InputError, similar_name
from cl_viz.core.fact_table import fact_table
from cl_viz.core.lazily import lazily
from cl_viz.core.validation import RowQuality, row_blocks, row_quality

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ROLES", "Column", "Columns", "EmbeddingSet", "Role"]


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddingSet:
    """Embeddings of N samples in V >= 1 views, with metadata.

    Build one with `EmbeddingSet.from_arrays` or `cl_viz.load`; arrays are read-only and may stay memory-mapped.

    Attributes
    ----------
    views : Mapping[str, NDArray], each of shape (N, D)
        One array per view, in order. A layer is not a view (its D differs): layers live in a `Run`.
    metadata : Mapping[str, Mapping[str, NDArray]]
        Columns of each view, by view name. All views of an aligned set share one mapping.
    roles : Mapping[Role, str]
        Which metadata column plays which role.
    pairs : NDArray[np.int64] or None, shape (P, 2)
        Rows (of the first view, of the second) that belong together, where the views are not aligned row by row:
        several captions of an image, documents relevant to a query. None: row i is sample i in every view.
    name, source : str
        Name shown to people; where the set came from.
    """

    views: Mapping[str, NDArray[Any]]
    metadata: Mapping[str, Columns] = field(default_factory=dict)
    roles: Mapping[Role, str] = field(default_factory=dict)
    pairs: NDArray[np.int64] | None = None
    name: str = "embeddings"
    source: str = "memory"

    @classmethod
    def from_arrays(
        cls,
        views: Mapping[str, ArrayLike] | ArrayLike | Sequence[ArrayLike],
        *,
        metadata: Mapping[str, Any] | None = None,
        roles: Mapping[Role, str] | None = None,
        pairs: NDArray[np.integer[Any]] | None = None,
        name: str = "embeddings",
        source: str = "memory",
        **role_values: Column | Sequence[Any],
    ) -> EmbeddingSet:
        """Validate and wrap arrays.

        Parameters
        ----------
        views : array or tensor of shape (N, D), tuple of such arrays, or mapping from view name to them
            All views share D. Without `pairs` and without ids they also share N. Arrays and tensors of the processor
            are not copied: change none while the set is in use.
        metadata : mapping or pandas frame, optional
            Columns of length N; for views of different N, a mapping from view name to such a mapping.
        roles : mapping, optional
            Role -> column name; see `ROLES`.
        pairs : NDArray of int, shape (P, 2), optional
            Which rows of the first and second view belong together.
        name, source : str
            Shown to people.
        **role_values : array of length N
            ``label=y`` is short for ``metadata={"label": y}, roles={"label": "label"}``.

        Returns
        -------
        EmbeddingSet

        Raises
        ------
        InputError
            On wrong rank, N < 2, D < 2, views that do not fit together, columns of wrong length, unknown roles.
        """
        given = views_of(views, name) if not isinstance(views, Mapping) else views
        arrays = {view: as_array(array, name) for view, array in given.items()}
        by_view = columns_by_view({} if metadata is None else dict(metadata), tuple(arrays))
        roles = dict(roles or {})
        for role, values in role_values.items():
            if role not in ROLES:
                raise InputError(
                    f"unknown role {role!r}", where=name, allowed=", ".join(ROLES), remedy=similar_name(role, ROLES)
                )
            column = {role: np.asarray(as_array(values, f"{name}, {role}"))}
            extended = {id(columns): {**columns, **column} for columns in by_view.values()}
            by_view = {view: extended[id(columns)] for view, columns in by_view.items()}
            roles[role] = role
        frozen_views = {view: read_only(array) for view, array in arrays.items()}
        checked = cls(
            views=MappingProxyType(frozen_views),
            metadata=MappingProxyType(freeze_metadata(by_view)),
            roles=MappingProxyType(roles),
            pairs=None if pairs is None else read_only(np.asarray(pairs, dtype=np.int64)),
            name=name,
            source=source,
        )
        check_set(checked)
        return checked

    # -- shape ---------------------------------------------------------------------------------------------------
    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of the views, in order."""
        return tuple(self.views)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows of each view."""
        return tuple(int(array.shape[0]) for array in self.views.values())

    @property
    def n(self) -> int:
        """Rows of the first view; of every view where the set is aligned."""
        return self.sizes[0]

    @property
    def dim(self) -> int:
        """Columns of every view."""
        return int(next(iter(self.views.values())).shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Stored type of the first view."""
        return next(iter(self.views.values())).dtype

    @lazily
    def aligned(self) -> bool:
        """Whether row i is the same sample in every view."""
        if self.pairs is not None or len(set(self.sizes)) > 1:
            return False
        ids = self.codes("id")
        return ids is None or all(np.array_equal(ids[0][0], code) for code in ids[0][1:])

    # -- metadata ------------------------------------------------------------------------------------------------
    def columns(self, view: str | None = None) -> Columns:
        """Metadata columns of `view` (default: the first)."""
        return self.metadata.get(view or self.view_names[0], {})

    def role(self, role: Role, view: str | None = None) -> Column | None:
        """Return the column that plays `role` in `view`, or None where there is none."""
        column = self.roles.get(role)
        return None if column is None else self.columns(view).get(column)

    def codes(self, role: Role) -> tuple[tuple[NDArray[np.int64], ...], tuple[str, ...]] | None:
        """Number the values of a role jointly over the views.

        Returns
        -------
        codes : tuple of NDArray[np.int64], one per view, shape (N_v,)
            Index into `values`; -1 where the entry is missing (None, NaN, empty text). Read-only, numbered once.
        values : tuple of str
            Distinct values as text, sorted (numerically where all are numbers).

        None is returned where no view has the column.
        """
        if role not in self._codes:
            found = [self.role(role, view) for view in self.view_names]
            if all(column is None for column in found):
                return None
            codes, values = number_values(found, self.sizes)
            self._codes[role] = tuple(read_only(code) for code in codes), values
        return self._codes[role]

    @lazily
    def _codes(self) -> dict[Role, tuple[tuple[NDArray[np.int64], ...], tuple[str, ...]]]:
        """What `codes` returned: numbering a million labels takes seconds, and every statistic asks for it."""
        return {}

    def links(self, first: str, second: str) -> NDArray[np.int64]:
        """Return the pairs of rows of two views that are the same sample, shape (P, 2), sorted.

        Between a view and itself a row is not paired with itself, and each pair is given once (i < j); with a pairs
        table these are the rows that share a partner, as the captions of one image do.
        """
        if first != second and self.pairs is not None:
            links = self.pairs if first == self.view_names[0] else self.pairs[:, ::-1]
            return links[np.lexsort((links[:, 1], links[:, 0]))]
        if first == second and self.pairs is not None:
            return shared_partners(self.pairs if first == self.view_names[0] else self.pairs[:, ::-1])
        ids = self.codes("id")
        sizes = dict(zip(self.view_names, self.sizes, strict=True))
        if ids is None:
            rows = np.arange(sizes[first] if first != second and self.aligned else 0, dtype=np.int64)
            return np.stack([rows, rows], axis=1)
        code = dict(zip(self.view_names, ids[0], strict=True))
        links = equal_codes(code[first], code[second])
        if first == second:
            links = links[links[:, 0] < links[:, 1]]
        return links

    def table(self, view: str | None = None) -> pd.DataFrame:
        """Metadata of `view` (default: the first) as a pandas frame of N rows."""
        import pandas as pd

        view = view or self.view_names[0]
        return pd.DataFrame(dict(self.columns(view)), index=pd.RangeIndex(len(self.views[view]), name="row"))

    # -- facts computed once -------------------------------------------------------------------------------------
    @lazily
    def quality(self) -> Mapping[str, RowQuality]:
        """What is wrong with the rows of each view; computed once."""
        return {view: row_quality(array) for view, array in self.views.items()}

    @lazily
    def usable_rows(self) -> Mapping[str, NDArray[np.bool_]]:
        """Rows every statistic uses, (N,) by view. In an aligned set a row that one view has bad is left out of all."""
        usable = {view: quality.usable for view, quality in self.quality.items()}
        if not self.aligned:
            return usable
        everywhere: NDArray[np.bool_] = np.logical_and.reduce(list(usable.values()))
        return dict.fromkeys(usable, everywhere)

    @lazily
    def fingerprint(self) -> str:
        """Hash of the full content (arrays, metadata, roles, pairs), hexadecimal; computed once."""
        digest = hashlib.blake2b(digest_size=16)
        header = {
            "views": [[view, str(array.dtype), list(array.shape)] for view, array in self.views.items()],
            "roles": dict(sorted(self.roles.items())),
        }
        digest.update(json.dumps(header).encode())
        for array in self.views.values():
            for rows in row_blocks(array):
                digest.update(np.ascontiguousarray(array[rows]).view(np.uint8).data)
        hashed: set[int] = set()
        for view, columns in self.metadata.items():
            for column, values in sorted(columns.items()):
                digest.update(f"{view}/{column}".encode())
                if id(values) not in hashed:
                    hashed.add(id(values))
                    hash_column(digest, values)
        if self.pairs is not None:
            digest.update(np.ascontiguousarray(self.pairs).data)
        return digest.hexdigest()

    # -- derived sets --------------------------------------------------------------------------------------------
    def with_roles(self, **columns: str | None) -> EmbeddingSet:
        """Return the same set with other columns in the roles; None empties a role.

        Raises
        ------
        InputError
            If there is no such role or column.
        """
        roles: dict[str, str] = {str(role): column for role, column in self.roles.items()}
        for role, column in columns.items():
            roles.pop(role, None)
            if column is not None:
                roles[role] = column
        changed = replace(self, roles=MappingProxyType(roles))  # type: ignore[arg-type]
        check_set(changed)
        return changed

    def select(
        self, *, views: Sequence[str] | None = None, rows: NDArray[Any] | None = None, name: str | None = None
    ) -> EmbeddingSet:
        """Return a set of some views and (for an aligned set) some rows.

        Parameters
        ----------
        views : sequence of str, optional
            Views to keep, in this order. Pairs are kept while both their views are, turned where the order is.
        rows : NDArray of bool or int, shape (N,) or (M,), optional
            Rows to keep; only for sets aligned row by row.
        name : str, optional
            Name of the new set.

        Raises
        ------
        InputError
            If a view does not exist, or rows are asked of views that are not aligned.
        """
        keep = tuple(dict.fromkeys(views)) if views is not None else self.view_names
        for view in keep:
            if view not in self.views:
                raise InputError(f"no view {view!r}", where=self.name, allowed=", ".join(self.view_names))
        if rows is not None and not self.aligned and len(keep) > 1:
            raise InputError(
                "rows cannot be selected from views that are not aligned row by row",
                where=self.name,
                remedy="select one view first",
            )
        chosen = slice(None) if rows is None else rows
        return EmbeddingSet.from_arrays(
            {view: self.views[view][chosen] for view in keep},
            metadata=self._metadata_of(keep, chosen),
            roles={role: c for role, c in self.roles.items() if any(c in self.columns(view) for view in keep)},
            pairs=self._pairs_of(keep),
            name=name or self.name,
            source=self.source,
        )

    def _pairs_of(self, views: tuple[str, ...]) -> NDArray[np.int64] | None:
        """Return the pairs in the order of the chosen views; None where one of their two views is left out."""
        if self.pairs is None or len(views) < len(self.views):
            return None
        return self.pairs if views == self.view_names else self.pairs[:, ::-1]

    def _metadata_of(self, views: tuple[str, ...], rows: Any) -> dict[str, Columns]:
        """Return the chosen rows of the columns of some views; a mapping that views share stays shared."""
        chosen: dict[int, Columns] = {}
        for view in views:
            columns = self.columns(view)
            if id(columns) not in chosen:
                chosen[id(columns)] = {column: values[rows] for column, values in columns.items()}
        return {view: chosen[id(self.columns(view))] for view in views}

    def __repr__(self) -> str:
        shape = " + ".join(str(size) for size in dict.fromkeys(self.sizes))
        return (
            f"EmbeddingSet({self.name!r}, N={shape}, D={self.dim}, views={list(self.view_names)}, "
            f"roles={dict(self.roles)})"
        )

    def _repr_html_(self) -> str:
        played = {column: role for role, column in self.roles.items()}
        views = {
            f"view {view}": f"{array.shape[0]:,} rows of {array.shape[1]:,} ({array.dtype})"
            for view, array in self.views.items()
        }
        columns = ", ".join(
            f"{name} ({played[name]})" if name in played else name
            for name in dict.fromkeys(name for view in self.view_names for name in self.columns(view))
        )
        paired = None if self.pairs is None else f"{len(self.pairs):,} of the first and the second view"
        facts = {**views, "columns (role)": columns or "none", "pairs": paired, "from": self.source}
        return fact_table(f"Embeddings {self.name}", facts)
