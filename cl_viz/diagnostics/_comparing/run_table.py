"""Quantities of several runs side by side, and which differ beyond noise."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.named import Named
from cl_viz.core.notebook_html import SMALL, cells
from cl_viz.core.result import Finding, Quantity, Result
from cl_viz.core.view import Table
from cl_viz.diagnostics._comparing.differences import FALSE_DISCOVERIES, Difference, ResampledPair, adjusted, difference
from cl_viz.diagnostics._comparing.resampling import Resamples
from cl_viz.diagnostics._comparing.run_frame import run_frame
from cl_viz.diagnostics._comparing.same_samples import Pairing
from cl_viz.diagnostics._running import DIAGNOSTICS

if TYPE_CHECKING:
    import pandas as pd

Shown = Literal["values", "differences"]
Direction = Literal["better", "worse", "different"]
Better = Literal["higher", "lower", "neither"]
NEITHER: Better = "neither"
BEST, HOLDS, BEYOND = "best", "differs", "may differ"
_SHOWN_IN_NOTEBOOK = 20


@dataclass(frozen=True)
class QuantityRow:
    """One quantity of every run.

    Attributes
    ----------
    diagnostic, name, label, title, unit : str
        `title` is that of the diagnostic.
    better : {"higher", "lower", "neither"}
    quantities : Mapping[str, Quantity]
        By run; runs that lack it are left out.
    differences : Mapping[str, Difference]
        Of each other run from the reference, where both have a value.
    """

    diagnostic: str
    name: str
    label: str
    title: str
    unit: str
    better: Better
    quantities: Mapping[str, Quantity]
    differences: Mapping[str, Difference]

    @property
    def key(self) -> str:
        """``diagnostic.name``, its key in JSON."""
        return f"{self.diagnostic}.{self.name}"

    def value(self, run: str) -> float | None:
        """Return the value of a run, or None."""
        return self.quantities[run].value if run in self.quantities else None

    def direction(self, run: str) -> Direction:
        """Return which way a run differs from the reference."""
        moved = self.differences[run].value
        if self.better == NEITHER or moved == 0:
            return "different"
        return "better" if (moved > 0) == (self.better == "higher") else "worse"

    @property
    def best(self) -> str:
        """The one run with the best value; empty where neither end is better, or several runs share it."""
        values = {run: entry.value for run, entry in self.quantities.items() if entry.value is not None}
        if self.better == "neither" or len(values) < 2:
            return ""
        best = max(values.values()) if self.better == "higher" else min(values.values())
        having = [run for run, value in values.items() if value == best]
        return having[0] if len(having) == 1 else ""

    @property
    def noise(self) -> str:
        """How noise was judged in this row: paired, unpaired, both, or not at all."""
        kinds = dict.fromkeys(
            f"{entry.noise}, {entry.method}" if entry.method else entry.noise for entry in self.differences.values()
        )
        return "; ".join(kinds) or "nothing to compare"

    @property
    def reason(self) -> str:
        """Why differences of this row are not judged, or not paired; empty where all are."""
        return "; ".join(dict.fromkeys(entry.reason for entry in self.differences.values() if entry.reason))

    def strength(self, run: str = "") -> float:
        """Return the largest difference as a multiple of what noise explains, or that of `run`; NaN if not judged."""
        found = [entry.strength for name, entry in self.differences.items() if run in ("", name)]
        judged = [strength for strength in found if not math.isnan(strength)]
        return max(judged, default=math.nan)

    def cell(self, run: str, shown: Shown = "values") -> str:
        """Return value and interval of a run, or its difference from the reference, with what there is to say of it."""
        moved = self.differences.get(run)
        if shown == "differences":
            return "" if moved is None else _marked(moved.text(), _said(moved))
        if run not in self.quantities:
            return ""
        quantity = self.quantities[run]
        if quantity.value is None:
            return "unknown"
        marks = [BEST] if self.best == run else []
        return _marked(quantity.text(), marks if moved is None else [*marks, *_said(moved)])


def _said(moved: Difference) -> list[str]:
    return [HOLDS] if moved.holds else [BEYOND] if moved.beyond_noise else []


def _marked(text: str, marks: Sequence[str]) -> str:
    return " · ".join([*marks, text])


@dataclass(frozen=True)
class RunTable:
    """Quantities of several runs.

    Attributes
    ----------
    reference : str
        Name of the run that the others are compared with.
    runs : tuple of str
        The reference among them, in the order given.
    rows : tuple of QuantityRow
        In the order of the diagnostics.
    pairings : Mapping[str, Pairing]
        For each other run, whether it embeds the samples of the reference, and what says so.
    resamples : Resamples or None
        What the differences are judged by; None where they are judged by influences and intervals.
    """

    reference: str
    runs: tuple[str, ...]
    rows: tuple[QuantityRow, ...]
    pairings: Mapping[str, Pairing]
    resamples: Resamples | None = None

    def __getitem__(self, key: str) -> QuantityRow:
        """Return the row called ``diagnostic.quantity``."""
        return Named("quantity", "RunTable", {row.key: row for row in self.rows})[key]

    def _ipython_key_completions_(self) -> list[str]:
        return [row.key for row in self.rows]

    def sorted_by(self, run: str = "") -> tuple[QuantityRow, ...]:
        """Return the rows, those first that differ most beyond noise, in `run` or in any; those not judged last."""

        def place(row: QuantityRow) -> tuple[bool, float]:
            strength = row.strength(run)
            return math.isnan(strength), 0.0 if math.isnan(strength) else -strength

        return tuple(sorted(self.rows, key=place))

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Every difference from the reference."""
        return tuple(entry for row in self.rows for entry in row.differences.values())

    @property
    def beyond_noise(self) -> int:
        """How many differences are beyond noise."""
        return sum(entry.beyond_noise for entry in self.differences)

    @property
    def holding(self) -> int:
        """How many differences are beyond noise at a false discovery rate of 5 % among all that are judged."""
        return sum(entry.holds for entry in self.differences)

    def changed_for(self, asked: Literal["worse", "different"] | None) -> int:
        """Return how many differences hold that are for the worse, or of any direction; 0 where none are asked for."""
        kinds = {"worse": ("worse",), "different": ("better", "worse", "different")}[asked] if asked else ()
        return sum(
            entry.holds and row.direction(run) in kinds for row in self.rows for run, entry in row.differences.items()
        )

    @property
    def judged(self) -> int:
        """How many differences have an interval."""
        return sum(entry.interval is not None for entry in self.differences)

    @property
    def title(self) -> str:
        """What the table found, in one line."""
        others = [name for name in self.runs if name != self.reference]
        if not others:
            return f"{len(self.rows):,} quantities of {self.reference}"
        return (
            f"{self.beyond_noise:,} of {self.judged:,} differences from {self.reference} are beyond noise, "
            f"{self.holding:,} of them at a false discovery rate of {100 * FALSE_DISCOVERIES:.0f} %"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """How noise was judged, in sentences: which runs are compared sample by sample, and from what."""
        if not self.pairings:
            return ()
        drawn = self.resamples
        said = f"{self.judged:,} of {len(self.differences):,} differences are judged"
        pairings = (
            f"{run}: {'paired' if found.same else 'unpaired'}, {found.reason}." for run, found in self.pairings.items()
        )
        if drawn is None:
            return *pairings, f"Noise is judged by influences and intervals: {said}; resamples judge more."
        units = " and ".join(f"{count:,}" for count in dict.fromkeys(drawn.units.values()))
        return (
            *pairings,
            f"Noise is judged on {drawn.draws:,} resamples, seed {drawn.seed}, of {units} different samples: {said}.",
        )

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """For each other run, how many numbers are better or worse than the reference's, beyond noise."""
        return tuple((run, self._finding(run)) for run in self.pairings)

    def _finding(self, run: str) -> Finding:
        found = [(row, row.differences[run]) for row in self.rows if run in row.differences]
        judged = sum(entry.interval is not None for _, entry in found)
        if not judged:
            message = f"Unknown: whether numbers of {run} differ from those of {self.reference} beyond noise."
            return Finding("compare_runs", "unknown", message, "To see it, compute the numbers, or add samples.")
        marked = [row.direction(run) for row, entry in found if entry.holds]
        better, worse = marked.count("better"), marked.count("worse")
        message = (
            f"{len(marked):,} of {judged:,} judged numbers differ from those of {self.reference} beyond noise, at a "
            f"false discovery rate of {100 * FALSE_DISCOVERIES:.0f} %: "
            f"{better:,} better, {worse:,} worse, {len(marked) - better - worse:,} neither."
        )
        advice = "Sort by this run, and look at the worse ones on their pages." if worse else ""
        return Finding("compare_runs", "watch" if worse else "good", message, advice)

    def view(self, rows: Sequence[QuantityRow] | None = None, shown: Shown = "values") -> Table:
        """Return the table as a figure's data: value and interval in one cell, what is beyond noise in words.

        The columns of noise are there where there is a run to compare with.
        """
        chosen = list(self.rows if rows is None else rows)
        columns: dict[str, Sequence[str] | NDArray[np.float64]] = {
            "quantity": [row.label for row in chosen],
            "diagnostic": [row.title for row in chosen],
            **{self.heading(run): [row.cell(run, shown) for row in chosen] for run in self.runs},
        }
        if self.pairings:
            columns["times noise"] = np.array([row.strength() for row in chosen], dtype=np.float64)
            columns["noise by"] = [row.noise for row in chosen]
            columns["why"] = [row.reason for row in chosen]
        return Table(self.title, {name: np.asarray(values) for name, values in columns.items()})

    def table(self) -> pd.DataFrame:
        """Return a pandas frame, a row a quantity and run: value and interval, and how it differs from the reference.

        Returns
        -------
        pandas.DataFrame
            ``key``, ``run``, ``value``, ``low``, ``high``, ``unit``; ``difference`` with ``difference_low`` and
            ``difference_high``, NaN where nothing is judged; ``beyond_noise``, ``holds`` and ``direction`` (better,
            worse, different, empty), and ``reason`` where it was not judged.
        """
        return run_frame(self.rows)

    def heading(self, run: str) -> str:
        """Return the heading of a run's column."""
        return f"{run} (reference)" if run == self.reference and self.pairings else run

    def __repr__(self) -> str:
        return f"RunTable(runs={list(self.runs)}, quantities={len(self.rows)}, beyond_noise={self.beyond_noise})"

    def _repr_html_(self) -> str:
        chosen = self.sorted_by()[:_SHOWN_IN_NOTEBOOK]
        rows = [(row.key, row.label, *(row.cell(run) for run in self.runs)) for row in chosen]
        shown = cells(("name", "quantity", *map(self.heading, self.runs)), rows, code=(0,))
        left = len(self.rows) - len(chosen)
        more = f"<p {SMALL}>and {left:,} more: <code>.table()</code> has them all</p>" if left else ""
        told = "".join(finding._repr_html_() for _, finding in self.findings)
        return f"<h4>{html.escape(self.title)}</h4>{told}{shown}{more}"


def tabulate(
    results: Mapping[str, Sequence[Result]],
    pairings: Mapping[str, Pairing],
    reference: str,
    resamples: Resamples | None = None,
) -> RunTable:
    """Put results of several runs side by side.

    Parameters
    ----------
    results : Mapping[str, sequence of Result]
        By run; of the same diagnostics, with the same parameters or each with its card's.
    pairings : Mapping[str, Pairing]
        For each other run; see `pairing`.
    reference : str
    resamples : Resamples, optional
        Judges every difference; by default influences and intervals do.
    """
    found: dict[tuple[str, str], dict[str, Quantity]] = {}
    for run, entries in results.items():
        for result in entries:
            for name, quantity in result.quantities.items():
                found.setdefault((result.diagnostic, name), {})[run] = quantity
    order = {name: place for place, name in enumerate(DIAGNOSTICS)}
    keys = sorted(found, key=lambda key: order.get(key[0], len(order)))
    places, judged = [], []
    for key in keys:
        for run, pairing in pairings.items():
            moved = _moved(".".join(key), found[key], run, pairing, reference, resamples)
            if moved is not None:
                places.append((key, run))
                judged.append(moved)
    differences: dict[tuple[str, str], dict[str, Difference]] = {key: {} for key in keys}
    for (key, run), entry in zip(places, adjusted(judged), strict=True):
        differences[key][run] = entry
    rows = tuple(_row(key, found[key], differences[key]) for key in keys)
    return RunTable(reference, tuple(results), rows, dict(pairings), resamples)


def _moved(
    key: str, quantities: Mapping[str, Quantity], run: str, pairing: Pairing, reference: str,
    resamples: Resamples | None,
) -> Difference | None:  # fmt: skip
    if reference not in quantities or run not in quantities:
        return None
    pair = None if resamples is None else ResampledPair(resamples, reference, run)
    return difference(quantities[reference], quantities[run], pairing, key, pair)


def _row(
    key: tuple[str, str], quantities: Mapping[str, Quantity], differences: Mapping[str, Difference]
) -> QuantityRow:
    spec = DIAGNOSTICS[key[0]]
    first = next(iter(quantities.values()))
    better = next((entry.better for entry in spec.quantities if entry.name == key[1]), NEITHER)
    return QuantityRow(*key, first.label, spec.title, first.unit, better, quantities, differences)
