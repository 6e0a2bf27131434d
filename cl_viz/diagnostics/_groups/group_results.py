"""What the groups of a set say: the worst and the gap, in sentences, figures and a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Interval, Level, format_number
from cl_viz.core.view import Axis, Bars, Reference, Series, Table, View
from cl_viz.diagnostics._groups.group_cells import ByChance, Cells, Measured, by_chance, perfect_uniformity
from cl_viz.diagnostics._groups.probes import Codes, GroupCounts, group_counts
from cl_viz.diagnostics._proportions import wilson, worst_and_gap
from cl_viz.diagnostics._thresholds.harm import GROUP_GAP, UNEQUAL_GROUPS, WORST_GROUP

NAME = "group_table"
BARS = 40
"""Groups in a figure."""
WORDS = {"neighbors": "neighbours", "probe": "linear probe"}
_BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Accuracy:
    """How often the label of each group's samples is named.

    Attributes
    ----------
    counts : GroupCounts
        By group, over all groups.
    large : NDArray of int
        Groups that are large enough to be compared.
    chance : ByChance
        Of those.
    """

    counts: GroupCounts
    large: Codes
    chance: ByChance

    @classmethod
    def of(cls, correct: NDArray[np.bool_], groups: Codes, n_groups: int, least: int, seed: int) -> Accuracy | None:
        """Count hits; None where fewer than two groups have `least` samples."""
        counts = group_counts(correct, groups, n_groups)
        large = np.flatnonzero(counts.counts >= least)
        if len(large) < 2:
            return None
        return cls(counts, large, by_chance(counts.hits[large], counts.counts[large], _BOOTSTRAPS, seed))

    @property
    def shares(self) -> NDArray[np.float64]:
        """Of the groups that are large enough."""
        return self.counts.shares[self.large]

    @property
    def worst(self) -> int:
        """The group with the lowest share."""
        return int(self.large[self.shares.argmin()])

    @property
    def best(self) -> int:
        """The group with the highest share."""
        return int(self.large[self.shares.argmax()])

    @property
    def gap(self) -> float:
        """Highest minus lowest share."""
        return float(np.ptp(self.shares))

    def intervals(self) -> tuple[Interval, Interval]:
        """Return those of the lowest share and of the gap, which hold whichever group is the worst."""
        return worst_and_gap(self.counts.hits[self.large], self.counts.counts[self.large])


@dataclass(frozen=True)
class GroupsFound:
    """Everything that was measured; `missing` says what the accuracies lack."""

    cells: Cells
    alignment: Measured | None
    uniformity: Measured
    neighbors: Accuracy | None
    probe: Accuracy | None
    missing: str


# -- words -----------------------------------------------------------------------------------------------------------
def findings(found: GroupsFound) -> tuple[Finding, ...]:
    """Return which group is served worst, by the probe and by neighbours, against what chance makes of equal groups."""
    said = [
        _finding(found.cells, accuracy, key)
        for key, accuracy in (("probe", found.probe), ("neighbors", found.neighbors))
        if accuracy is not None
    ]
    if said:
        return tuple(said)
    message = f"Unknown: which of the {len(found.cells.names):,} groups is served worst."
    return (Finding(NAME, "unknown", message, f"To see it, {found.missing}.", WORST_GROUP, "worst_probe"),)


def gap_level(accuracy: Accuracy) -> Level:
    """Return how bad the gap is, beyond what chance makes of equal groups and as far as its interval is sure of it."""
    low = accuracy.intervals()[1].low
    if low <= 0 or not UNEQUAL_GROUPS.met(accuracy.chance.share):
        return "good"
    level = GROUP_GAP.level(accuracy.gap - accuracy.chance.gap)
    return "watch" if level == "bad" and GROUP_GAP.level(low) != "bad" else level


def _finding(cells: Cells, accuracy: Accuracy, key: str) -> Finding:
    worst, best = cells.names[accuracy.worst], cells.names[accuracy.best]
    low, high = float(accuracy.shares.min()), float(accuracy.shares.max())
    size, chance = int(accuracy.counts.counts[accuracy.worst]), accuracy.chance
    gap = accuracy.intervals()[1]
    ends = f"[{_percent(gap.low)}, {_percent(gap.high)}]"
    judged = (
        f"(gap {_percent(accuracy.gap)} {ends} points, equal groups would have about {_percent(chance.gap)}, "
        f"N = {int(accuracy.counts.counts[accuracy.large].sum()):,})"
    )
    words = WORDS[key]
    # Shares that differ beyond chance under equal groups may do so by a gap that its own interval does not tell from 0.
    beyond_chance = UNEQUAL_GROUPS.met(chance.share)
    if not beyond_chance or gap.low <= 0:
        sure = "surely served worse" if beyond_chance else "served worse than chance allows"
        message = f"By {words} no group is {sure}: lowest is {worst}, {_percent(low)} % {judged}."
        return Finding(NAME, "good", message, source=WORST_GROUP, quantity=f"gap_{key}")
    level = gap_level(accuracy)
    message = (
        f"By {words} group {worst} is served worst: {_percent(low)} % of its {size:,} samples against "
        f"{_percent(high)} % of group {best} {judged}."
    )
    advice = "" if level == "good" else "Look at how often the group was in training, and at what it is taken for."
    return Finding(NAME, level, message, advice, WORST_GROUP, f"gap_{key}")


def _percent(share: float) -> str:
    return format_number(round(100 * share, 9))


# -- figures ---------------------------------------------------------------------------------------------------------
def views(found: GroupsFound, dim: int, run: str) -> Mapping[str, View]:
    """Return accuracy, alignment and uniformity by group, and all of it as a table."""
    made: dict[str, View] = {}
    shown = [(key, accuracy) for key, accuracy in (("probe", found.probe), ("neighbors", found.neighbors)) if accuracy]
    if shown:
        made["accuracy"] = _accuracy_bars(found.cells, dict(shown), run)
    if found.alignment is not None:
        made["alignment"] = _bars(found.cells, found.alignment, "alignment", (0.0, 4.0), run, ())
    perfect = perfect_uniformity(dim)
    line = (Reference(f"uniform sphere, D = {dim}", perfect, "y"),)
    if not np.isnan(found.uniformity.values).all():
        made["uniformity"] = _bars(found.cells, found.uniformity, "uniformity", (-4.0, 0.0), run, line)
    made["table"] = _table(found, run)
    return made


def _accuracy_bars(cells: Cells, shown: Mapping[str, Accuracy], run: str) -> Bars:
    by, first = next(iter(shown.items()))
    order = first.large[np.argsort(first.shares, kind="stable")][:BARS]
    series = []
    for key, accuracy in shown.items():
        counts, hits = accuracy.counts.counts[order], accuracy.counts.hits[order]
        ends = [wilson(int(hit), int(n)) if n else None for hit, n in zip(hits, counts, strict=True)]
        series.append(
            Series(
                WORDS[key],
                np.array([cells.names[group] for group in order], dtype=object),
                accuracy.counts.shares[order],
                run=run,
                low=np.array([math.nan if end is None else end.low for end in ends]),
                high=np.array([math.nan if end is None else end.high for end in ends]),
                n=int(counts.sum()),
            )
        )
    part = f", the {BARS} lowest of {len(first.large)}" if len(first.large) > BARS else ""
    size = f"{int(first.counts.counts[first.worst]):,} samples"
    share = f"{_percent(float(first.shares.min()))} % of its {size}"
    title = f"Lowest by {WORDS[by]}: group {cells.names[first.worst]}, {share}{part}"
    return Bars(title, Axis("Group"), Axis("Labels named rightly", "share", (0.0, 1.0)), tuple(series))


def _bars(
    cells: Cells, measured: Measured, name: str, ends: tuple[float, float], run: str, references: tuple[Reference, ...]
) -> Bars:
    known = np.flatnonzero(~np.isnan(measured.values))
    order = known[np.argsort(-measured.values[known], kind="stable")][:BARS]
    intervals = [measured.intervals[group] for group in order]
    value = format_number(float(measured.values[order[0]]))
    return Bars(
        f"{name.capitalize()} highest in group {cells.names[order[0]]}: {value}",
        Axis("Group"),
        Axis(name.capitalize(), "squared distance" if name == "alignment" else "log mean potential", ends),
        (
            Series(
                name,
                np.array([cells.names[group] for group in order], dtype=object),
                measured.values[order],
                run=run,
                low=np.array([math.nan if interval is None else interval.low for interval in intervals]),
                high=np.array([math.nan if interval is None else interval.high for interval in intervals]),
                n=int(cells.counts[order].sum()),
            ),
        ),
        references,
    )


def _table(found: GroupsFound, run: str) -> Table:
    cells = found.cells
    count = len(cells.names)
    columns: dict[str, NDArray[np.generic]] = {
        "Group": np.array(cells.names, dtype=object),
        "Samples": cells.counts,
    }
    for key, accuracy in (("probe", found.probe), ("neighbors", found.neighbors)):
        if accuracy is None:
            continue
        ends = [
            wilson(int(hit), int(n)) if n else None
            for hit, n in zip(accuracy.counts.hits, accuracy.counts.counts, strict=True)
        ]
        columns[f"Right, {WORDS[key]}"] = accuracy.counts.shares
        columns[f"Low, {WORDS[key]}"] = np.array([math.nan if end is None else end.low for end in ends])
        columns[f"High, {WORDS[key]}"] = np.array([math.nan if end is None else end.high for end in ends])
    if found.alignment is not None:
        columns["Alignment"] = found.alignment.values
    columns["Uniformity"] = found.uniformity.values
    keyed = found.probe or found.neighbors
    shares = np.full(count, np.inf) if keyed is None else np.nan_to_num(keyed.counts.shares, nan=np.inf)
    order = np.argsort(shares, kind="stable")
    return Table(
        "Groups, lowest share of hits first; 95 % Wilson intervals", {n: v[order] for n, v in columns.items()}, run
    )
