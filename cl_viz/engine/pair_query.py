"""`PairQuery`: which pairs are asked for, how many, and in which order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.engine.pair_sketch import Block, PairRoles, Relation, negative_relations

Question = Literal["hardest-negatives", "false-negatives", "weakest-positives", "duplicates", "interval", "classes"]
QUESTIONS: tuple[Question, ...] = get_args(Question)
Kind = Literal["negatives", "false_negatives", "positives", "other_samples"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Order = Literal["highest", "lowest", "random"]
ORDERS: tuple[Order, ...] = get_args(Order)

MOST_PAIRS = 1_000_000
"""Pairs kept over all bins."""
DUPLICATE_SCORE = 0.999
"""Score from which two samples of one view count as near-duplicates, unless another is given."""

_PRESETS: dict[Question, tuple[Kind, Order]] = {
    "hardest-negatives": ("negatives", "highest"),
    "false-negatives": ("false_negatives", "highest"),
    "weakest-positives": ("positives", "lowest"),
    "duplicates": ("other_samples", "highest"),
    "interval": ("negatives", "random"),
    "classes": ("negatives", "highest"),
}


@dataclass(frozen=True)
class PairQuery:
    """What is asked of the pairs of a set; make one with `PairQuery.of`.

    Attributes
    ----------
    question : Question
    kind : {"negatives", "false_negatives", "positives", "other_samples"}
        Which pairs; "other_samples" are pairs of two samples within a view, whatever their labels.
    order : {"highest", "lowest", "random"}
        Which of them are kept: those at an end of the scores, or a seeded draw without replacement.
    m : int
        Most pairs kept in each bin.
    low, high : float
        Least score, and the score that the pairs stay below; 1 is inside.
    n_bins : int
        Bins of equal width between them; each holds its lower edge.
    roles : PairRoles
    classes : tuple of two str, or None
        Labels of the two samples, in either order.
    by_neighbors : bool
        False negatives without labels: negatives that are among each other's `k` nearest.
    k : int
    seed : int
        Of the draw.
    view : str or None
        The pairs within this view alone; None for the views that the roles say.
    """

    question: Question
    kind: Kind
    order: Order
    m: int
    low: float
    high: float
    n_bins: int
    roles: PairRoles
    classes: tuple[str, str] | None = None
    by_neighbors: bool = False
    k: int = 10
    seed: int = 0
    view: str | None = None

    @classmethod
    def of(
        cls,
        embedding_set: EmbeddingSet,
        question: Question = "hardest-negatives",
        *,
        m: int = 100,
        positives: Literal["auto", "views", "labels"] = "auto",
        negatives: Literal["cross", "all"] = "cross",
        kind: Kind | None = None,
        order: Order | None = None,
        low: float | None = None,
        high: float | None = None,
        bins: int = 1,
        classes: tuple[str, str] | None = None,
        k: int = 10,
        seed: int = 0,
        view: str | None = None,
    ) -> PairQuery:
        """Fill in what a question leaves open, and check that it can be asked of this set; see `find_pairs`.

        Raises
        ------
        InputError
            If an argument is out of range, a view or a class is not there, or a question lacks what it is about.
        MissingInputError
            If it needs labels that the set has not.
        """
        _check_choice("question", question, QUESTIONS)
        usual_kind, usual_order = _PRESETS[question]
        kind, order = kind or usual_kind, order or usual_order
        _check_choice("kind", kind, KINDS)
        _check_choice("order", order, ORDERS)
        _check_choice("positives", positives, ("auto", "views", "labels"))
        _check_choice("negatives", negatives, ("cross", "all"))
        _check_numbers(m, bins, k, seed)
        if view is not None and view not in embedding_set.views:
            raise InputError(f"no view {view!r}", where="find_pairs", allowed=", ".join(embedding_set.view_names))
        if question == "classes" and classes is None:
            raise InputError("no classes are named", where="find_pairs", remedy="pass classes=(LABEL, LABEL)")
        roles = PairRoles(_positives(embedding_set, kind, positives), negatives)
        _check_across(view, kind, roles)
        ends = _ends(question, low, high)
        return cls(
            question,
            kind,
            order,
            int(m),
            *ends,
            int(bins),
            roles,
            None if classes is None else _known_classes(embedding_set, classes),
            _by_neighbors(embedding_set, kind, roles),
            int(k),
            int(seed),
            view,
        )

    @property
    def edges(self) -> tuple[float, ...]:
        """Ascending edges of the bins."""
        width = self.high - self.low
        return (*(self.low + width * (place / self.n_bins) for place in range(self.n_bins)), self.high)

    @property
    def everywhere(self) -> bool:
        """Whether one bin holds every score."""
        return self.n_bins == 1 and self.low <= -1.0 and self.high >= 1.0

    @property
    def relations(self) -> tuple[Relation, ...]:
        """What is known of the pairs that are asked for."""
        if self.kind == "other_samples":
            return (Relation.SAME_LABEL, Relation.DIFFERENT_LABEL, Relation.UNKNOWN_LABEL)
        if self.kind == "negatives" or self.by_neighbors:
            return tuple(negative_relations(self.roles))
        if self.kind == "false_negatives":
            return (Relation.SAME_LABEL,)
        if self.roles.positives == "views":
            return (Relation.SAME_SAMPLE,)
        return (Relation.SAME_SAMPLE, Relation.SAME_LABEL)

    @property
    def of_links(self) -> bool:
        """Whether only pairs of one sample are asked for: those are known without looking at all pairs."""
        return self.relations == (Relation.SAME_SAMPLE,)

    def blocks(self, views: tuple[str, ...]) -> list[Block]:
        """Return the blocks of views that are looked at.

        As the sketch has it: across views only, or within them too; a set with one view has no pairs across views.
        Positives of views are across views only.
        """
        within = [(view, view) for view in views]
        across = [(first, second) for place, first in enumerate(views) for second in views[place + 1 :]]
        if self.view is not None:
            return [(self.view, self.view)]
        if self.kind == "other_samples":
            return within
        if self.of_links:
            return across
        return across if self.roles.negatives == "cross" and across else [*within, *across]

    def in_words(self) -> str:
        """Return what is asked for, as words for a title."""
        kind = {
            "negatives": "negatives",
            "false_negatives": "likely false negatives" if self.by_neighbors else "negatives of the same label",
            "positives": "positives",
            "other_samples": "pairs of samples within a view",
        }[self.kind]
        if self.view is not None:
            kind = "pairs of samples" if self.kind == "other_samples" else kind
            kind += f" within {self.view}"
        if self.classes is not None:
            kind += f" between {self.classes[0]} and {self.classes[1]}"
        return kind


def _check_choice(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name} = {value!r}", where="find_pairs", allowed=", ".join(allowed))


def _check_count(name: str, value: int, most: int) -> None:
    if not _is_whole(value) or not 1 <= value <= most:
        raise InputError(f"{name} = {value!r}", where="find_pairs", allowed=f"a whole number from 1 to {most:,}")


def _check_numbers(m: int, bins: int, k: int, seed: int) -> None:
    _check_count("m", m, MOST_PAIRS)
    _check_count("bins", bins, 10_000)
    _check_count("k", k, 100)
    if not _is_whole(seed):
        raise InputError(f"seed = {seed!r}", where="find_pairs", allowed="a whole number")
    if m * bins > MOST_PAIRS:
        raise InputError(f"m * bins = {m * bins:,}", where="find_pairs", allowed=f"1 to {MOST_PAIRS:,}")


def _check_across(view: str | None, kind: Kind, roles: PairRoles) -> None:
    """Raise where positives of views, which are across views, are asked for within one."""
    if view is not None and kind == "positives" and roles.positives == "views":
        raise InputError(
            f"positives within {view}", where="find_pairs", allowed="positives of views are across views",
            remedy="leave out view=, or choose positives='labels'",
        )  # fmt: skip


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _as_score(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} = {value!r}", where="find_pairs", allowed="a number from -1 to 1")
    return float(value)


def _ends(question: Question, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the scores between which a question asks; raises where they are none, or it does not say."""
    if question == "interval" and (low is None or high is None):
        raise InputError("an interval needs its ends", where="find_pairs", remedy="pass low= and high=")
    lowest = DUPLICATE_SCORE if question == "duplicates" else -1.0
    start = lowest if low is None else _as_score("low", low)
    stop = 1.0 if high is None else _as_score("high", high)
    if not (math.isfinite(start) and math.isfinite(stop) and -1.0 <= start < stop <= 1.0):
        raise InputError(
            f"the scores from {start:g} to {stop:g}", where="find_pairs", allowed="-1 <= low < high <= 1, in cosine"
        )
    return start, stop


def _known_classes(embedding_set: EmbeddingSet, classes: object) -> tuple[str, str]:
    codes = embedding_set.codes("label")
    if codes is None:
        raise MissingInputError(
            "classes were named, but there are no labels", where=embedding_set.name, remedy="pass label=COLUMN"
        )
    if not isinstance(classes, (tuple, list)) or len(classes) != 2:
        raise InputError(f"classes = {classes!r}", where="find_pairs", allowed="two labels, equal or not")
    names = tuple(str(name) for name in classes)
    for name in names:
        if name not in codes[1]:
            known = ", ".join(codes[1][:20]) + (", ..." if len(codes[1]) > 20 else "")
            raise InputError(f"no sample has the label {name!r}", where=embedding_set.name, allowed=known)
    return names[0], names[1]


def _labelled(embedding_set: EmbeddingSet) -> bool:
    codes = embedding_set.codes("label")
    return codes is not None and any(bool((code >= 0).any()) for code in codes[0])


def _positives(
    embedding_set: EmbeddingSet, kind: Kind, positives: Literal["auto", "views", "labels"]
) -> Literal["views", "labels"]:
    """Return what positives are: labels where there is one view, unless false negatives are asked for."""
    if positives != "auto":
        return positives
    alone = len(embedding_set.views) == 1 and embedding_set.pairs is None
    return "labels" if alone and kind != "false_negatives" and _labelled(embedding_set) else "views"


def _by_neighbors(embedding_set: EmbeddingSet, kind: Kind, roles: PairRoles) -> bool:
    """Whether false negatives are guessed from neighbours, because no sample has a label."""
    labelled = _labelled(embedding_set)
    if roles.positives == "labels":
        if kind == "false_negatives":
            raise MissingInputError(
                "with label positives a false negative cannot be told",
                where=embedding_set.name,
                remedy="choose positives='views'",
            )
        if not labelled and kind in ("positives", "negatives"):
            raise MissingInputError(
                "there are no labels to make positives of",
                where=embedding_set.name,
                remedy="add a label column (Data page), or choose positives='views'",
            )
    return kind == "false_negatives" and not labelled


def query_of(embedding_set: EmbeddingSet, question: Question | PairQuery, asked: dict[str, Any]) -> PairQuery:
    """Return what is asked for; raises as `PairQuery.of`, and `InputError` where a query made already is given more."""
    if not isinstance(question, PairQuery):
        return PairQuery.of(embedding_set, question, **asked)
    if asked:
        raise InputError(
            f"a PairQuery and {', '.join(asked)} were given",
            where="find_pairs",
            allowed="a PairQuery alone, or the name of a question with what it leaves open",
            remedy="pass them to PairQuery.of",
        )
    return question
