"""Groups of samples, and what each is worth: how tight, how spread, how often named rightly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp0f1

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Interval, influence_interval
from cl_viz.diagnostics._groups.labelled_view import ViewParams, view_name
from cl_viz.diagnostics._groups.probes import Codes, probe_rows

Floats = NDArray[np.float64]

UNIFORMITY_SCALE = 2.0
"""t of the uniformity: mean of exp(-t d^2) over pairs."""
MOST_GROUPS = 1000
_SEPARATOR = " · "


@dataclass(frozen=True)
class GroupParams(ViewParams):
    """What a group is, and how its samples are judged."""

    groups: str = param(
        "auto",
        "What a group is: a value of the group column, a label, or both. auto: the group column if there is one.",
        choices=("auto", "group", "label", "label and group"),
    )
    least: int = param(20, "Samples that a group needs to be compared with the others.", low=2, high=1000, log=True)
    k: int = param(20, "Neighbours that vote on the label.", low=1, high=200, log=True)


@dataclass(frozen=True)
class Cells:
    """The groups of the usable samples of a view.

    Attributes
    ----------
    view : str
    rows : NDArray[np.int64], shape (n,)
        Usable rows that belong to a group, ascending.
    codes : NDArray[np.int64], shape (n,)
    names : tuple of str
        Of the G groups; each has samples.
    kind : str
        What a group is, in words.
    left_out : int
        Usable rows that belong to none.
    """

    view: str
    rows: Codes
    codes: Codes
    names: tuple[str, ...]
    kind: str
    left_out: int

    @property
    def counts(self) -> Codes:
        """Samples of each group, shape (G,)."""
        return np.bincount(self.codes, minlength=len(self.names))


def group_cells(embedding_set: EmbeddingSet, number: int, kind: str) -> Cells:
    """Return the groups: values of the group column, labels, or label and group together.

    Raises
    ------
    MissingInputError
        If the columns that `kind` names are missing, or there is a single group.
    """
    view = view_name(embedding_set, number)
    columns = {role: embedding_set.codes(role) for role in ("label", "group")}
    if kind == "auto":
        kind = "group" if columns["group"] is not None else "label"
    wanted = ("label", "group") if kind == "label and group" else (kind,)
    for role in wanted:
        if columns[role] is None:
            raise MissingInputError(
                f"there is no {role} column",
                where=embedding_set.name,
                remedy=f"choose a {role} column on the Data page",
            )
    usable = np.flatnonzero(embedding_set.usable_rows[view])
    parts = []
    for role in wanted:
        found = columns[role]
        assert found is not None
        parts.append((found[0][number - 1][usable], found[1]))
    known = np.all([codes >= 0 for codes, _ in parts], axis=0)
    joint = np.zeros(int(known.sum()), dtype=np.int64)
    for codes, names in parts:
        joint = joint * len(names) + codes[known]
    present, codes = np.unique(joint, return_inverse=True)
    if len(present) < 2:
        raise MissingInputError(
            "there is 1 group" if len(present) else "no usable row has a group",
            where=embedding_set.name,
            remedy="choose a column with several values",
        )
    if len(present) > MOST_GROUPS:
        raise MissingInputError(
            f"there are {len(present):,} groups: identifiers make poor groups", where=embedding_set.name,
            remedy=f"choose a column with at most {MOST_GROUPS:,} values",
        )  # fmt: skip
    words = {"group": "values of the group column", "label": "labels", "label and group": "label and group together"}
    names = tuple(_name(int(code), [names for _, names in parts]) for code in present)
    return Cells(view, usable[known], codes, names, words[kind], int((~known).sum()))


def _name(code: int, columns: list[tuple[str, ...]]) -> str:
    found = []
    for names in reversed(columns):
        code, place = divmod(code, len(names))
        found.append(names[place])
    return _SEPARATOR.join(reversed(found))


# -- geometry --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Measured:
    """One number a group, with its interval; NaN and None where it cannot be had.

    Attributes
    ----------
    values : NDArray, shape (G,)
    intervals : tuple of Interval or None
    """

    values: Floats
    intervals: tuple[Interval | None, ...]


def group_alignment(embedding_set: EmbeddingSet, cells: Cells) -> Measured | None:
    """Return the mean squared distance of a sample's first two views, by group; None without aligned views."""
    if len(embedding_set.view_names) < 2 or not embedding_set.aligned:
        return None
    first, second = embedding_set.view_names[:2]
    values, intervals = [], []
    for group in range(len(cells.names)):
        rows = cells.rows[cells.codes == group]
        gap = np.empty(len(rows))
        for part in _blocks(len(rows), embedding_set.dim):
            left, right = (probe_rows(embedding_set, view, rows[part], "unit") for view in (first, second))
            gap[part] = np.square(left - right).sum(axis=1)
        mean = min(4.0, float(gap.mean()))
        values.append(mean)
        intervals.append(
            influence_interval(mean, gap - mean, limits=(0.0, 4.0)) if len(rows) > 1 and mean > 0 else None
        )
    return Measured(np.array(values), tuple(intervals))


def group_uniformity(
    embedding_set: EmbeddingSet, cells: Cells, most: int, seed: int, report: Callable[[float], None]
) -> Measured:
    """Return the logarithm of the mean of exp(-2 d^2) over the pairs of a group, from at most `most` of its samples.

    Notes
    -----
    Pairs of different samples only. The interval is over samples.
    """
    values, intervals = [], []
    generator = np.random.default_rng(seed)
    for group in range(len(cells.names)):
        rows = cells.rows[cells.codes == group]
        if len(rows) > most:
            rows = np.sort(generator.choice(rows, most, replace=False))
        report(group / len(cells.names))
        value, interval = _uniformity(probe_rows(embedding_set, cells.view, rows, "unit"))
        values.append(value)
        intervals.append(interval)
    return Measured(np.array(values), tuple(intervals))


def _uniformity(unit: Floats) -> tuple[float, Interval | None]:
    n = len(unit)
    if n < 2:
        return np.nan, None
    sums = np.empty(n)
    for part in _blocks(n, n):
        raised = np.exp(2 * UNIFORMITY_SCALE * (np.minimum(unit[part] @ unit.T, 1.0) - 1))
        raised[np.arange(len(raised)), np.arange(part.start, part.start + len(raised))] = 0.0
        sums[part] = raised.sum(axis=1)
    means = sums / (n - 1)
    mean = float(means.mean())
    value = min(0.0, float(np.log(mean)))
    limits = (-4 * UNIFORMITY_SCALE, 0.0)
    if n < 3 or not limits[0] < value < limits[1]:
        return value, None
    return value, influence_interval(value, 2 * (means - mean) / mean, limits=limits)


def _blocks(n: int, width: int) -> list[slice]:
    step = max(1, (32 << 20) // (8 * max(1, width)))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def perfect_uniformity(dim: int) -> float:
    """Return the uniformity of the uniform distribution on the sphere in `dim` dimensions."""
    return float(-2 * UNIFORMITY_SCALE + np.log(hyp0f1(dim / 2, UNIFORMITY_SCALE**2)))


# -- what chance makes of equal groups -------------------------------------------------------------------------------
@dataclass(frozen=True)
class ByChance:
    """What resampling says of the worst group and of the gap.

    Attributes
    ----------
    bias : float
        How far below the truth the lowest of so many small groups lies, at most 0, by the bootstrap.
    gap : float
        Mean gap of groups that are all alike, of these sizes.
    share : float
        How often such groups have a gap as large as the one found.
    """

    bias: float
    gap: float
    share: float


def by_chance(hits: Codes, counts: Codes, draws: int, seed: int) -> ByChance:
    """Resample samples within groups for the bias, and over groups for the gap."""
    generator = np.random.default_rng(seed)
    shares = hits / counts
    lowest = (generator.binomial(counts, shares, size=(draws, len(counts))) / counts).min(axis=1)
    # Of all hits, so many fall into each group where groups do not matter: a permutation of hits over samples.
    dealt = generator.multivariate_hypergeometric(counts, int(hits.sum()), size=draws, method="marginals") / counts
    gaps, gap = np.ptp(dealt, axis=1), float(np.ptp(shares))
    return ByChance(
        min(0.0, float(lowest.mean() - shares.min())),
        float(gaps.mean()),
        float((1 + (gaps >= gap - 1e-12).sum()) / (1 + draws)),
    )
