"""`Result`: what a diagnostic found, as numbers with intervals, figures as data, findings and caveats."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.influences import Influences
from cl_viz.core.view import Bars, Histogram, Lines, Scatter, View

Level = Literal["bad", "watch", "unknown", "good"]
LEVELS: tuple[Level, ...] = ("bad", "watch", "unknown", "good")
"""Worst first; `unknown` means that an input is missing, never that something is wrong."""


@dataclass(frozen=True)
class Source:
    """Where a definition or a threshold comes from.

    Attributes
    ----------
    citation : str
        Authors, year, short title.
    url : str
        Stable address (DOI or arXiv); shown as a link, never fetched.
    """

    citation: str
    url: str = ""


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high : float
        Ends, in the unit of the quantity.
    level : float
        Confidence, in (0, 1).
    method : str
        How it was made, in words.
    influences : Influences or None
        What each sample contributed, where that is known: runs on the same samples are compared by it.
    """

    low: float
    high: float
    level: float = 0.95
    method: str = ""
    influences: Influences | None = field(default=None, compare=False, repr=False)

    @property
    def with_width(self) -> Interval | None:
        """Itself; None where its ends are one: that no sample moved a number says nothing of other samples."""
        return self if self.low < self.high else None

    def around(self, value: float) -> Interval | None:
        """Return itself; None where it does not reach to both sides of a value."""
        return self if self.low < value < self.high else None


def influence_interval(
    estimate: float,
    *groups: NDArray[np.floating[Any]],
    sizes: Sequence[int] | None = None,
    level: float = 0.95,
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Interval of a statistic from the influence of each sample on it (the infinitesimal jackknife).

    Parameters
    ----------
    estimate : float
        The statistic on all samples.
    *groups : NDArray, each of shape (n,)
        Derivative of the statistic with respect to the weight of each sample, times the number of samples; the mean
        is 0. Groups are samples drawn independently of each other, such as the images and the captions of a set
        whose views are not aligned.
    sizes : sequence of int, optional
        Number of samples of each group, where the influence was computed on a draw of them only.
    level : float
        Confidence, in (0, 1).
    limits : tuple of float
        Range of the quantity. Between two finite limits the interval is made on the logit scale, above a limit of 0
        on the log scale, so that it cannot leave the range and is not symmetric near its ends.

    Returns
    -------
    Interval
        Normal approximation; the squared standard error is the sum over groups of ``var(influence) / n``. The whole
        range where a group is a single sample. Of a statistic at an end of [0, 1] the rule of three; at an end of
        another finite range an interval without width, see `Interval.with_width`.

    Notes
    -----
    Samples are the units that vary, never pairs: pairs that share a sample are not independent.
    Source: Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.
    """
    counts = [len(group) for group in groups] if sizes is None else list(sizes)
    z_value = NormalDist().inv_cdf(0.5 + level / 2)
    spread = [
        float(np.var(group, ddof=1)) / n if len(group) > 1 else math.inf
        for group, n in zip(groups, counts, strict=True)
    ]
    error = math.sqrt(sum(spread))
    low, high = limits
    method = f"infinitesimal jackknife over {' and '.join(f'{n:,}' for n in counts)} samples"
    if not math.isfinite(error):
        return Interval(low, high, level, method)
    kept = Influences.keep(groups, counts)
    if math.isfinite(low) and math.isfinite(high):
        share = (estimate - low) / (high - low)
        if not 0 < share < 1:
            if (low, high) != (0.0, 1.0):
                return Interval(estimate, estimate, level, method)
            # No sample speaks against the end: so many could still be missed (the rule of three).
            missed = (high - low) * min(1.0, -math.log(1 - level) / min(counts))
            start, stop = (low, low + missed) if share <= 0 else (high - missed, high)
            return Interval(start, stop, level, f"rule of three over {min(counts):,} samples")
        centre = math.log(share / (1 - share))
        width = z_value * error / (high - low) / (share * (1 - share))
        start, stop = (low + (high - low) * _logistic(end) for end in (centre - width, centre + width))
        return Interval(start, stop, level, method, kept)
    if low == 0 and estimate > 0:
        width = z_value * error / estimate
        return Interval(estimate * math.exp(-width), estimate * math.exp(min(700.0, width)), level, method, kept)
    return Interval(max(low, estimate - z_value * error), min(high, estimate + z_value * error), level, method, kept)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


@dataclass(frozen=True)
class Quantity:
    """One number, with all one needs to read it.

    Attributes
    ----------
    name : str
        Stable identifier; ``diagnostic.name`` is its key in JSON and never changes meaning.
    label : str
        Shown to people.
    value : float or None
        None where the input cannot support it; `missing` then says what to add.
    unit : str
    interval : Interval or None
    n : int or None
        How many units it rests on.
    unit_of_n : str
        What is counted, where it is not samples: anchors, pairs.
    range : tuple of float or None
        Ends of what it can be; None where unbounded.
    reference : float or None
        A value to compare with (a null, a theoretical optimum), named by `reference_label`.
    reference_label, missing : str
    """

    name: str
    label: str
    value: float | None
    unit: str = ""
    interval: Interval | None = None
    n: int | None = None
    unit_of_n: str = "samples"
    range: tuple[float, float] | None = None
    reference: float | None = None
    reference_label: str = ""
    missing: str = ""

    def text(self, digits: int = 3) -> str:
        """Return value and interval with `digits` significant digits, or what is missing."""
        if self.value is None:
            return f"unknown: {self.missing}"
        value = format_number(self.value, digits)
        if self.interval is None:
            return value
        ends = f"{format_number(self.interval.low, digits)}, {format_number(self.interval.high, digits)}"
        return f"{value} [{ends}]"


def format_number(value: float, digits: int = 3) -> str:
    """Format with significant digits, thousands separated; whole numbers whole; no exponent between 1e-4 and 1e7."""
    if not math.isfinite(value):
        return "not defined" if math.isnan(value) else ("infinite" if value > 0 else "-infinite")
    if float(value).is_integer() and abs(value) < 1e7:
        return f"{int(value):,}"
    short_of_one = 1 - abs(value)
    if 1e-12 < short_of_one < 0.5 * 10.0**-digits:
        # Rounded to 1.000 it would claim what it just misses: as many digits as show the difference.
        return f"{value:.{math.ceil(-math.log10(short_of_one) - 1e-6)}f}"
    magnitude = math.floor(math.log10(abs(value)))
    if magnitude < -4 or magnitude >= 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


@dataclass(frozen=True)
class Finding:
    """One plain sentence about what was found.

    Attributes
    ----------
    diagnostic : str
        Name of the diagnostic that says so.
    level : {"bad", "watch", "unknown", "good"}
    message : str
        One sentence with the number and its N.
    advice : str
        What to try, or what to add.
    source : Source or None
        Who says that this number matters.
    quantity : str
        Name of the quantity it rests on.
    """

    diagnostic: str
    level: Level
    message: str
    advice: str = ""
    source: Source | None = None
    quantity: str = ""

    def __repr__(self) -> str:
        return " ".join(part for part in (f"{self.level} ({self.diagnostic}):", self.message, self.advice) if part)

    def _repr_html_(self) -> str:
        return f"<p><b>{self.level}</b> {html.escape(self.message)} <i>{html.escape(self.advice)}</i></p>"


def caveat_paragraphs(results: Sequence[Result]) -> list[str]:
    """Return what the numbers of one or more results rest on: what is the same for all once, then each run's own."""
    every = [result.caveats.lines() for result in results]
    common = [line for line in every[0] if all(line in lines for lines in every)]
    own = [
        (result.run, [line for line in lines if line not in common])
        for result, lines in zip(results, every, strict=True)
    ]
    return [" · ".join(common), *(f"{run}: {' · '.join(lines)}" for run, lines in own if lines)]


def worst_first(findings: list[Finding] | tuple[Finding, ...]) -> list[Finding]:
    """Sort findings by level, worst first, keeping their order within a level."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


@dataclass(frozen=True)
class Caveats:
    """What a number rests on; shown beside every figure.

    Attributes
    ----------
    n_used, n_excluded : int
        Samples in the statistics; samples left out as NaN, infinite or zero.
    dim : int
        D of the embeddings.
    views : tuple of str
    layer, step : str / int or None
        None where the input does not say.
    normalised, centred : bool
        What was done to the rows before the statistics.
    seed : int or None
        None where nothing was drawn at random.
    notes : tuple of str
        Anything else a careful reader asks.
    """

    n_used: int
    n_excluded: int
    dim: int
    views: tuple[str, ...]
    layer: str | None = None
    step: int | None = None
    normalised: bool = True
    centred: bool = False
    seed: int | None = None
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the caveats as short sentences."""
        facts = [
            f"N = {self.n_used:,} samples, D = {self.dim}, views: {', '.join(self.views)}",
            f"layer: {self.layer or 'not stated'}, step: {'not stated' if self.step is None else f'{self.step:,}'}",
            f"rows {'normalised to unit length' if self.normalised else 'not normalised'}, "
            f"{'centred' if self.centred else 'not centred'}",
            f"seed: {'nothing is drawn at random' if self.seed is None else self.seed}",
            f"excluded rows (NaN, infinite or zero): {self.n_excluded:,}",
        ]
        return [*facts, *self.notes]


@dataclass(frozen=True)
class Result:
    """What one diagnostic found on one input.

    Attributes
    ----------
    diagnostic, run : str
        Names of the diagnostic and of the run.
    quantities : Mapping[str, Quantity]
    views : Mapping[str, View]
        Figures as data; the first is the main one. Each is given the N it rests on, where it has none.
    findings : tuple of Finding
        Worst first.
    caveats : Caveats
    params : Mapping[str, Any]
        As they were given.
    settled : Mapping[str, str]
        What came out of those that left the choice to the data.
    """

    diagnostic: str
    run: str
    quantities: Mapping[str, Quantity]
    views: Mapping[str, View]
    findings: tuple[Finding, ...]
    caveats: Caveats
    params: Mapping[str, Any] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "findings", tuple(worst_first(self.findings)))
        counted = {
            name: view if view.n is not None else replace(view, n=self._units(view))
            for name, view in self.views.items()
        }
        object.__setattr__(self, "views", counted)

    def _units(self, view: View) -> int:
        """Return how many units a view rests on: what all its curves state, else the samples of the result.

        Pairs are counted by their samples, which are what varies: no more units than rows of all views.
        """
        curves = view.series if isinstance(view, Histogram | Lines | Bars | Scatter) else ()
        stated = {entry.n for entry in curves if entry.meaning != "reference"}
        only = stated.pop() if len(stated) == 1 else None
        n_used = self.caveats.n_used
        return n_used if only is None or only > n_used * len(self.caveats.views) else only

    def __getitem__(self, quantity: str) -> Quantity:
        return self.quantities[quantity]

    @property
    def level(self) -> Level:
        """Worst level among the findings."""
        return self.findings[0].level if self.findings else "unknown"

    def __repr__(self) -> str:
        return f"Result({self.diagnostic!r}, run={self.run!r}, level={self.level!r}, N={self.caveats.n_used})"

    def _repr_html_(self) -> str:
        findings = "".join(finding._repr_html_() for finding in self.findings)
        rows = "".join(
            f"<tr><td>{html.escape(quantity.label)}</td><td>{html.escape(quantity.text())}</td></tr>"
            for quantity in self.quantities.values()
        )
        caveats = html.escape("; ".join(self.caveats.lines()))
        heading = html.escape(f"{self.diagnostic}: {self.run}")
        return f"<h4>{heading}</h4>{findings}<table>{rows}</table><small>{caveats}</small>"
