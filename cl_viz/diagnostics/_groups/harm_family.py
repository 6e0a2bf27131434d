"""Which open runs belong together in a study of harm: runs with a rare class, and their balanced twins."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.diagnostics._groups.probes import probe_rows
from cl_viz.diagnostics._left_out import NO_LABEL, left_out
from cl_viz.engine.inputs import FamilyInputs, SetInputs

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SMALLEST_CLASS = 2
"""Samples that a class needs: a cosine has two ends."""


@dataclass(frozen=True)
class Member:
    """A run of the family: its name, its card, and how its set is loaded."""

    name: str
    card: Mapping[str, Any]
    load: Callable[[], SetInputs]

    @property
    def rare(self) -> str | None:
        """The class that was under-represented in its training, as text."""
        value = self.card.get("under_represented_class")
        return None if value is None else str(value)

    @property
    def seed(self) -> Any:
        """The seed on its card."""
        return self.card.get("seed")

    def is_called(self, name: object) -> bool:
        """Whether the run has this name, here or on its card."""
        return name is not None and name in (self.name, self.card.get("name"))


@dataclass(frozen=True)
class Twins:
    """A run with a rare class and the run of the same seed without."""

    rare: Member
    balanced: Member


@dataclass(frozen=True)
class Study:
    """The runs of one family that have their twin at hand.

    Attributes
    ----------
    own_class : str
        The rare class of the run that is asked about.
    experiments : Mapping[str, tuple of Twins]
        By rare class, the own one first; one entry a seed.
    incomplete : tuple of str
        Names of runs of the family whose twin is not open.
    """

    own_class: str
    experiments: Mapping[str, tuple[Twins, ...]]
    incomplete: tuple[str, ...]


def gather_study(inputs: FamilyInputs) -> Study:
    """Match runs by their cards.

    A run's twin is the one its card names (``balanced_twin``), or else the run of the same family and seed without an
    under-represented class. Experiments are the runs of one ``family`` (or else ``recipe``) and ``imbalance_ratio``.

    Raises
    ------
    MissingInputError
        If the run has no rare class, or its twin is not open; says which run to open.
    """
    own = Member(inputs.run, inputs.own.card, lambda: inputs.own)
    others = [Member(*entry) for entry in zip(inputs.names, inputs.cards, inputs.others, strict=True)]
    if own.rare is None:
        raise _no_rare_class(own, others)
    members = [own, *others]
    if _twin(own, members) is None:
        raise _no_twin(own)
    experiments: dict[str, list[Twins]] = {own.rare: []}
    incomplete = []
    for member in sorted(members, key=lambda member: (_number(member.rare), _number(member.seed), member.name)):
        if member.rare is None or not _same_family(own, member):
            continue
        twin = _twin(member, members)
        if twin is None:
            incomplete.append(member.name)
        else:
            experiments.setdefault(member.rare, []).append(Twins(member, twin))
    return Study(own.rare, {name: tuple(pairs) for name, pairs in experiments.items()}, tuple(incomplete))


def _family(member: Member) -> Any:
    return member.card.get("family") or member.card.get("recipe")


def _same_family(own: Member, other: Member) -> bool:
    if own is other:
        return True
    alike = own.card.get("imbalance_ratio") == other.card.get("imbalance_ratio")
    if _family(own) is not None:
        return alike and _family(own) == _family(other)
    # Runs that name no family belong together where they share a twin.
    twin = own.card.get("balanced_twin")
    return alike and _family(other) is None and twin is not None and twin == other.card.get("balanced_twin")


def _twin(member: Member, members: list[Member]) -> Member | None:
    named = member.card.get("balanced_twin")
    if named is not None:
        return next((other for other in members if other is not member and other.is_called(named)), None)
    if _family(member) is None or member.seed is None:
        return None
    return next(
        (
            other
            for other in members
            if other.rare is None and _family(other) == _family(member) and other.seed == member.seed
        ),
        None,
    )


def _number(value: object) -> tuple[int, float, str]:
    """Order numbers by size and before other text."""
    try:
        return 0, float(str(value)), ""
    except ValueError:
        return 1, 0.0, str(value)


def _no_twin(own: Member) -> MissingInputError:
    named = own.card.get("balanced_twin")
    if named is not None:
        return MissingInputError(
            f"the balanced twin of {own.name} is not open", where=own.name, remedy=f"open the balanced twin {named}"
        )
    return MissingInputError(
        f"no balanced twin of {own.name} is open",
        where=own.name,
        remedy="open a run of the same recipe and seed without a rare class, and name it on the card as balanced_twin",
    )


def _no_rare_class(own: Member, others: list[Member]) -> MissingInputError:
    rare = [other.name for other in others if other.rare is not None and own.is_called(other.card.get("balanced_twin"))]
    if rare:
        return MissingInputError(
            f"{own.name} was trained without a rare class: it is the balanced twin of {', '.join(rare)}",
            where=own.name,
            remedy=f"look at {rare[0]}",
        )
    return MissingInputError(
        "the card names no class that was rare in training",
        where=own.name,
        remedy="open a run whose card has under_represented_class, and its balanced twin",
    )


# -- the samples -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class SharedSamples:
    """The evaluation samples that all runs of a study have, with their classes.

    Attributes
    ----------
    rows : NDArray[np.int64], shape (n,)
        Usable in every run and labelled.
    codes : NDArray[np.int64], shape (n,)
        Class of each, 0..K-1.
    names : tuple of str
        Of the K classes, each with at least two samples.
    excluded : int
        Samples that are NaN, infinite or zero in a run.
    unlabelled, in_small : int
        Other samples that are left out: without a label; of classes that are too small.
    """

    rows: Codes
    codes: Codes
    names: tuple[str, ...]
    excluded: int
    unlabelled: int = 0
    in_small: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out, for the caveats."""
        small = left_out(f"samples of classes of fewer than {SMALLEST_CLASS}", self.in_small)
        return small + left_out(NO_LABEL, self.unlabelled)

    @property
    def counts(self) -> Codes:
        """Samples of each class, shape (K,)."""
        return np.bincount(self.codes, minlength=len(self.names))

    @property
    def digest(self) -> str:
        """Stands for the rows and their classes in keys."""
        return hashlib.blake2b(self.rows.tobytes() + self.codes.tobytes(), digest_size=8).hexdigest()

    def place(self, name: str) -> int:
        """Return the number of a class."""
        return self.names.index(name)


def shared_samples(sets: list[SetInputs], classes: list[str]) -> SharedSamples:
    """Return the samples that all sets share, or say why they do not.

    Raises
    ------
    MissingInputError
        If there are no labels, the sets hold different samples, or a class of `classes` has too few.
    """
    first = sets[0]
    labels = first.embedding_set.codes("label")
    if labels is None:
        raise MissingInputError(
            "there are no labels", where=first.run, remedy="choose the class column on the Data page"
        )
    view = first.embedding_set.view_names[0]
    codes, names = labels[0][0], labels[1]
    usable = first.embedding_set.usable_rows[view]
    for other in sets[1:]:
        found = other.embedding_set.codes("label")
        if found is None or found[1] != names or not np.array_equal(found[0][0], codes):
            raise MissingInputError(
                f"{other.run} does not hold the samples of {first.run}",
                where=first.run,
                remedy="embed the same labelled samples, in the same order, with every run",
            )
        usable = usable & other.embedding_set.usable_rows[other.embedding_set.view_names[0]]
    labelled = usable & (codes >= 0)
    counts = np.bincount(codes[labelled], minlength=len(names))
    kept = np.flatnonzero(counts >= SMALLEST_CLASS)
    for name in classes:
        if name not in names or names.index(name) not in kept:
            raise MissingInputError(
                f"fewer than {SMALLEST_CLASS} samples have the label {name!r}, the rare class",
                where=first.run,
                remedy="choose the class column as label on the Data page, and embed samples of that class",
            )
    renumbered = np.full(len(names), -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    rows = np.flatnonzero(labelled & np.isin(codes, kept))
    kept_names = tuple(names[place] for place in kept)
    without, in_small = int((usable & ~labelled).sum()), int(labelled.sum()) - len(rows)
    return SharedSamples(rows, renumbered[codes[rows]], kept_names, int((~usable).sum()), without, in_small)


def unit_rows_of(inputs: SetInputs, samples: SharedSamples) -> Callable[[Codes], Floats]:
    """Return a function from places among the shared samples to unit rows of the first view, in float64."""
    embedding_set = inputs.embedding_set
    view = embedding_set.view_names[0]
    return lambda places: probe_rows(embedding_set, view, samples.rows[places], "unit")
