"""`FoundPairs`: the pairs that answer a question, with their exact scores and ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.fact_table import fact_table
from cl_viz.engine.pair_query import PairQuery
from cl_viz.engine.pair_sketch import Relation

if TYPE_CHECKING:
    import pandas as pd

RELATION_WORDS = {relation: relation.name.lower().replace("_", " ") for relation in Relation}
_SHOWN_PAIRS = 5


@dataclass(frozen=True)
class FoundPairs:
    """Pairs kept of those that a query asks for: bin after bin, each in the order asked for.

    A draw stands in descending order of the scores. Ties go to the smaller views and rows.

    Attributes
    ----------
    query : PairQuery
    views : tuple of str
        Names of the set's views.
    first_view, second_view : NDArray[np.int64], shape (n,)
        Number of the view of each side.
    first, second : NDArray[np.int64], shape (n,)
        Rows; within a view first < second.
    score : NDArray[np.float64], shape (n,)
        Cosine, worked out in float64, rounded to 1e-12.
    relation : NDArray[np.int64], shape (n,)
        `Relation` of each pair.
    bin : NDArray[np.int64], shape (n,)
    first_rank, second_rank : NDArray[np.int64], shape (n,)
        1 + the number of negatives of this side, in the other side's view, that score higher; 0 where not asked for.
    counts : NDArray[np.int64], shape (bins,)
        Exact number of all pairs asked for, by bin.
    n_used : tuple of int
        Usable rows of each view.
    fingerprint : str
        Of the set.
    precision, device : str
        Of the tiles.
    """

    query: PairQuery
    views: tuple[str, ...]
    first_view: NDArray[np.int64]
    second_view: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    score: NDArray[np.float64]
    relation: NDArray[np.int64]
    bin: NDArray[np.int64]
    first_rank: NDArray[np.int64]
    second_rank: NDArray[np.int64]
    counts: NDArray[np.int64]
    n_used: tuple[int, ...]
    fingerprint: str
    precision: str
    device: str

    def __len__(self) -> int:
        return len(self.score)

    def __repr__(self) -> str:
        return f"FoundPairs({len(self):,} of {self.count:,} {self.query.in_words()})"

    def _repr_html_(self) -> str:
        first = {}
        for place in range(min(_SHOWN_PAIRS, len(self))):
            (view, row), (other_view, other_row) = self.sides(place)
            relation = RELATION_WORDS[Relation(self.relation[place])]
            first[f"{view} {row} and {other_view} {other_row}"] = f"{self.score[place]:.3f} ({relation})"
        facts = {"used rows": ", ".join(f"{n:,}" for n in self.n_used), "scores": f"{self.precision} on {self.device}"}
        return fact_table(f"{len(self):,} of {self.count:,} {self.query.in_words()}", {**first, **facts})

    @property
    def count(self) -> int:
        """Exact number of all pairs asked for."""
        return int(self.counts.sum())

    def sides(self, place: int) -> tuple[tuple[str, int], tuple[str, int]]:
        """Return (view, row) of both samples of a pair."""
        first, second = self.views[self.first_view[place]], self.views[self.second_view[place]]
        return (first, int(self.first[place])), (second, int(self.second[place]))

    def columns(self, embedding_set: EmbeddingSet, places: NDArray[Any] | None = None) -> dict[str, NDArray[Any]]:
        """Return the pairs as columns: views, rows, ids, labels and texts of both sides, score, relation, ranks.

        Parameters
        ----------
        embedding_set : EmbeddingSet
            The set they were found in.
        places : NDArray of bool or int, optional
            Which pairs; all by default.
        """
        chosen = np.arange(len(self))[places] if places is not None else np.arange(len(self))
        names = np.array(self.views, dtype=object)
        sides = (
            ("", self.first_view[chosen], self.first[chosen]),
            ("other_", self.second_view[chosen], self.second[chosen]),
        )
        found: dict[str, NDArray[Any]] = {}
        for prefix, views, rows in sides:
            found[f"{prefix}view"], found[f"{prefix}row"] = names[views], rows
        for role in ("id", "label", "text"):
            if any(embedding_set.role(role, view) is not None for view in self.views):
                for prefix, views, rows in sides:
                    found[f"{prefix}{role}"] = self._values(embedding_set, role, views, rows)
        found["score"] = self.score[chosen]
        found["relation"] = np.array([RELATION_WORDS[Relation(kind)] for kind in self.relation[chosen]], dtype=object)
        found["rank"], found["other_rank"] = self.first_rank[chosen], self.second_rank[chosen]
        found["question"] = np.full(len(chosen), self.query.question, dtype=object)
        return found

    def table(self, embedding_set: EmbeddingSet, places: NDArray[Any] | None = None) -> pd.DataFrame:
        """Return `columns` as a pandas frame: a mining list, which can be saved and read again."""
        import pandas as pd

        return pd.DataFrame(self.columns(embedding_set, places))

    def _values(
        self, embedding_set: EmbeddingSet, role: Any, views: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> NDArray[Any]:
        columns = [embedding_set.role(role, view) for view in self.views]
        values = []
        for view, row in zip(views, rows, strict=True):
            column = columns[view]
            values.append(None if column is None else column[row])
        kept = np.empty(len(values), dtype=object)
        kept[:] = values
        return kept
