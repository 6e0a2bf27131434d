"""How well predictions meet the labels: numbers with intervals, figures and findings that every probe shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Interval, Level, Quantity, format_number
from cl_viz.core.specs import QuantitySpec
from cl_viz.core.view import Axis, Bars, Heatmap, Series, View
from cl_viz.diagnostics._groups.probes import Codes, GroupCounts, confusion, group_counts
from cl_viz.diagnostics._proportions import mean_of_proportions, share_of_hits, wilson, worst_and_gap
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level

LEAST = 10
"""Samples of the smallest class or group that is judged on its own."""
BARS = 50
HEATED = 40
NO_GROUPS = "add a group column (Data page)"

QUANTITIES = (
    QuantitySpec(
        "accuracy", "Accuracy", "Share of the samples whose label is predicted.", "share", (0.0, 1.0), "higher"
    ),
    QuantitySpec(
        "balanced_accuracy",
        "Balanced accuracy",
        "Mean over classes of the share of their samples whose label is predicted.",
        "share",
        (0.0, 1.0),
        "higher",
    ),
    QuantitySpec(
        "worst_class_recall",
        "Lowest recall of a class",
        f"Of the classes with at least {LEAST} samples, the lowest share whose label is predicted.",
        "share",
        (0.0, 1.0),
        "higher",
    ),
    QuantitySpec(
        "class_gap",
        "Gap between classes",
        f"Highest minus lowest recall of the classes with at least {LEAST} samples.",
        "share",
        (0.0, 1.0),
        "lower",
    ),
    QuantitySpec(
        "worst_group_accuracy",
        "Lowest accuracy of a group",
        f"Of the groups with at least {LEAST} samples, the lowest share whose label is predicted. A group is a value "
        "of the group column, over all labels.",
        "share",
        (0.0, 1.0),
        "higher",
    ),
    QuantitySpec(
        "group_gap",
        "Gap between groups",
        f"Highest minus lowest accuracy of the groups with at least {LEAST} samples.",
        "share",
        (0.0, 1.0),
        "lower",
    ),
)


@dataclass(frozen=True)
class Parts:
    """Hits by the values of one column, those with too few samples left out.

    Attributes
    ----------
    names : tuple of str
    counts : GroupCounts
    """

    names: tuple[str, ...]
    counts: GroupCounts

    @classmethod
    def of(cls, correct: NDArray[np.bool_], codes: Codes, names: tuple[str, ...], least: int = LEAST) -> Parts:
        """Count hits by code, of the values that have `least` samples or more."""
        every = group_counts(correct, codes, len(names))
        kept = np.flatnonzero(every.counts >= least)
        return cls(tuple(names[i] for i in kept), GroupCounts(every.counts[kept], every.hits[kept]))

    @property
    def worst(self) -> int:
        """Place of the lowest share; of equal ones the first."""
        return int(self.counts.shares.argmin())

    @property
    def gap(self) -> float:
        """Highest minus lowest share."""
        return float(np.ptp(self.counts.shares))

    def intervals(self) -> tuple[Interval, Interval]:
        """Return those of the lowest share and of the gap."""
        return worst_and_gap(self.counts.hits, self.counts.counts)

    @property
    def surely_below(self) -> float:
        """Upper end of the lowest share over the lower end of the highest, at most 1: unequal beyond chance below."""
        ends = [
            wilson(int(hit), int(n), 1 - 0.05 / len(self.names))
            for hit, n in zip(self.counts.hits, self.counts.counts, strict=True)
        ]
        highest = max(end.low for end in ends)
        return min(1.0, min(end.high for end in ends) / highest) if highest > 0 else 1.0


@dataclass(frozen=True)
class Judgement:
    """Predictions beside the truth.

    Attributes
    ----------
    codes, predicted : NDArray[np.int64], shape (n,)
    names : tuple of str
    groups : NDArray[np.int64], shape (n,), or None
        -1 where a sample has none.
    group_names : tuple of str
    """

    codes: Codes
    predicted: Codes
    names: tuple[str, ...]
    groups: Codes | None = None
    group_names: tuple[str, ...] = ()

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each sample's label is predicted."""
        hits: NDArray[np.bool_] = self.codes == self.predicted
        return hits

    @cached_property
    def classes(self) -> Parts:
        """Recall of the classes that are large enough."""
        return Parts.of(self.correct, self.codes, self.names)

    @cached_property
    def cells(self) -> Parts | None:
        """Accuracy of the groups that are large enough; None without groups."""
        if self.groups is None:
            return None
        found = Parts.of(self.correct, self.groups, self.group_names)
        return found if found.names else None

    @property
    def chance(self) -> float:
        """Accuracy of always naming the largest class."""
        return float(np.bincount(self.codes).max() / len(self.codes))

    @property
    def accuracy(self) -> float:
        """Share of hits."""
        return float(self.correct.mean())

    @cached_property
    def accuracy_interval(self) -> Interval:
        """Wilson's, over samples."""
        return share_of_hits(self.correct)

    def quantities(self) -> dict[str, Quantity]:
        """Return `QUANTITIES` with their values."""
        every = group_counts(self.correct, self.codes, len(self.names))
        of_all = (len(self.codes), "samples")
        found: dict[str, tuple[float | None, Interval | None]] = {
            "accuracy": (self.accuracy, self.accuracy_interval),
            "balanced_accuracy": (float(np.nanmean(every.shares)), mean_of_proportions(every.hits, every.counts)),
        }
        few = f"add samples: no class has {LEAST}"
        no_groups = NO_GROUPS if self.groups is None else f"add samples: no group has {LEAST}"
        missing = {
            "worst_class_recall": few,
            "class_gap": few,
            "worst_group_accuracy": no_groups,
            "group_gap": no_groups,
        }
        for parts, worst, gap in (
            (self.classes if self.classes.names else None, "worst_class_recall", "class_gap"),
            (self.cells, "worst_group_accuracy", "group_gap"),
        ):
            ends = parts.intervals() if parts is not None else (None, None)
            found[worst] = (None if parts is None else float(parts.counts.shares.min()), ends[0])
            found[gap] = (None if parts is None else parts.gap, ends[1])
        made = {}
        for spec in QUANTITIES:
            value, interval = found[spec.name]
            made[spec.name] = Quantity(
                spec.name, spec.label, value, spec.unit, interval, *of_all, range=spec.range,
                reference=self.chance if spec.name == "accuracy" else None,
                reference_label="always the largest class" if spec.name == "accuracy" else "",
                missing=missing.get(spec.name, "") if value is None else "",
            )  # fmt: skip
        return made

    # -- figures ---------------------------------------------------------------------------------------------------
    def views(self, run: str) -> dict[str, View]:
        """Return bars of classes and groups, and what is taken for what."""
        found: dict[str, View] = {}
        if self.classes.names:
            found["recalls"] = share_bars(self.classes, "Class", "recall", run)
        if self.cells is not None:
            found["groups"] = share_bars(self.cells, "Group", "accuracy", run)
        present = np.unique(self.codes)
        if len(present) <= HEATED:
            found["confusion"] = self._confusion(present, run)
        return found

    def _confusion(self, present: Codes, run: str) -> Heatmap:
        table = confusion(self.codes, self.predicted, len(self.names))[np.ix_(present, present)].astype(np.float64)
        table /= np.maximum(1, table.sum(axis=1, keepdims=True))
        names = tuple(self.names[code] for code in present)
        off = np.where(np.eye(len(present), dtype=bool), -1.0, table)
        row, column = np.unravel_index(int(off.argmax()), off.shape)
        share = float(off[row, column])
        title = "No class is taken for another"
        if share > 0:
            title = f"{names[row]} is taken for {names[column]} in {percent(share)} of its samples"
        scale = Axis("Samples of the class", "share", (0.0, 1.0))
        return Heatmap(title, Axis("Predicted"), Axis("Label"), table, names, names, scale, run=run)

    # -- findings --------------------------------------------------------------------------------------------------
    def findings(self, diagnostic: str, who: str, advice: str) -> list[Finding]:
        """Return how much is known, and whether a class or a group is left behind.

        Parameters
        ----------
        diagnostic : str
        who : str
            Subject and verb, such as "Neighbours name".
        advice : str
            What to try where little is known.
        """
        ends = self.accuracy_interval
        chance = f"always the largest class: {percent(self.chance)}"

        def judged(accuracy: float) -> Level:
            return _thresholds.SKILL.level((accuracy - self.chance) / (1 - self.chance))

        level = judged(self.accuracy)
        measured = Quantity("accuracy", "Accuracy", self.accuracy, "share", ends)
        message = (
            f"{who} the label of {percent(self.accuracy)} [{percent(ends.low, '')}, {percent(ends.high, '')}] of the "
            f"samples ({chance}, N = {len(self.codes):,}).{open_level(measured, judged)}"
        )
        if ends.low <= self.chance <= 1 - 1e-12:
            message = (
                f"{who} the label of {percent(self.accuracy)} of the samples, no better than chance ({chance}, "
                f"N = {len(self.codes):,})."
            )
        found = [
            Finding(diagnostic, level, message, "" if level == "good" else advice, _thresholds.SKILL.source, "accuracy")
        ]
        if ends.low > self.chance:
            # Where nothing is known, classes differ only in how often they are named blindly.
            found += self._left_behind(diagnostic)
        return found

    def _left_behind(self, diagnostic: str) -> list[Finding]:
        found = []
        for parts, what, quantity in (
            (self.classes if len(self.classes.names) > 1 else None, "class", "worst_class_recall"),
            (self.cells if self.cells is not None and len(self.cells.names) > 1 else None, "group",
             "worst_group_accuracy"),
        ):  # fmt: skip
            if parts is None:
                continue
            shares, place, best = parts.counts.shares, parts.worst, int(parts.counts.shares.argmax())
            level = _thresholds.RELATIVE_RECALL.level(parts.surely_below)
            message = (
                f"The {what} {parts.names[place]} has the lowest share of hits, {percent(float(shares[place]))} "
                f"(N = {int(parts.counts.counts[place]):,}); the highest is {percent(float(shares[best]))} "
                f"({what} {parts.names[best]}, N = {int(parts.counts.counts[best]):,})."
            )
            if parts.gap == 0:
                many = "classes" if what == "class" else "groups"
                message = (
                    f"All {len(parts.names):,} {many} have the same share of hits, "
                    f"{percent(float(shares[0]))} (N = {int(parts.counts.counts.sum()):,})."
                )
            advice = f"Look at how many samples of this {what} the encoder was trained on, and what they are taken for."
            found.append(
                Finding(diagnostic, level, message, "" if level == "good" else advice,
                        _thresholds.RELATIVE_RECALL.source, quantity)
            )  # fmt: skip
        return found


def share_bars(parts: Parts, what: str, measure: str, run: str) -> Bars:
    """Bars of the shares of hits, the lowest first, with Wilson intervals."""
    order = np.argsort(parts.counts.shares, kind="stable")[:BARS]
    shares = parts.counts.shares[order]
    ends = [wilson(int(parts.counts.hits[i]), int(parts.counts.counts[i])) for i in order]
    names = np.array([parts.names[i] for i in order], dtype=object)
    title = f"{what} {names[0]} has the lowest {measure}: {percent(float(shares[0]))}"
    if len(parts.names) > 1 and parts.gap == 0:
        title = f"The {measure} is the same, {percent(float(shares[0]))}, for all {len(parts.names):,}"
    if len(parts.names) > BARS:
        title += f" (the {BARS} lowest of {len(parts.names):,})"
    series = Series(
        measure, names, shares, run=run,
        low=np.array([end.low for end in ends]), high=np.array([end.high for end in ends]),
        n=int(parts.counts.counts.sum()),
    )  # fmt: skip
    axis = Axis(measure.capitalize(), "share", (0.0, 1.0))
    return Bars(title, Axis(what), axis, (series,))


def percent(share: float, sign: str = " %") -> str:
    """Return a share in percent, with enough digits that almost all does not read as all."""
    left = 100 * (1 - share)
    text = f"{100 * share:.2f}" if 0 < left < 1 else format_number(round(100 * share, 9))
    return text + sign
