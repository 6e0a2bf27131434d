"""What allocation harm says: sentences and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cl_viz.core.result import Finding, Interval, Level, format_number
from cl_viz.core.view import Axis, Bars, Heatmap, Series, Table, View
from cl_viz.diagnostics._groups.mediation_effects import Effect, Mediation
from cl_viz.diagnostics._thresholds.harm import INDIRECT_EFFECT

NAME = "allocation_harm"
_BARS: Mapping[Effect, tuple[str, int]] = {
    "total_effect": ("TE: encoder and labels", 1),
    "reverse_direct_effect": ("-rNDE: labels", -1),
    "indirect_effect": ("NIE: encoder", 1),
}
"""Effects in the figures, with the sign they are drawn with: TE = NIE + (-rNDE)."""
_WORDS: Mapping[Effect, tuple[str, int]] = {
    "total_effect": ("TE", 1),
    "reverse_direct_effect": ("-rNDE", -1),
    "indirect_effect": ("NIE", 1),
    "direct_effect": ("NDE", 1),
    "interaction": ("interaction", 1),
}
_REACHES = (0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class ClassMediation:
    """The mediation of one rare class."""

    name: str
    mediation: Mediation

    @property
    def receiver(self) -> int:
        """The other class that gains most of what the encoder costs."""
        values = self.mediation.values("indirect_effect").copy()
        values[self.mediation.row] = -np.inf
        return int(np.argmax(values))


@dataclass(frozen=True)
class ProbeLine:
    """One fitted probe, for the table."""

    run: str
    labels: str
    split: int
    regularisation: float
    kept: int
    converged: bool


def _signed(low: float, high: float, sign: int) -> tuple[float, float]:
    return (low, high) if sign > 0 else (-high, -low)


def points(value: float, interval: Interval) -> str:
    """Return an effect in points of accuracy with its interval."""
    ends = f"{format_number(100 * interval.low)}, {format_number(100 * interval.high)}"
    return f"{format_number(100 * value)} [{ends}] points"


def findings(
    harms: Sequence[ClassMediation], names: tuple[str, ...], layer: str | None, incomplete: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return one finding a rare class: what the encoder costs it, and which class gains."""
    where = f" on the {layer}" if layer else ""
    return tuple(_finding(harm, names, where, incomplete) for harm in harms)


def judge(mediation: Mediation) -> tuple[Level, str]:
    """Return the level of the indirect effect on the class's accuracy, and whether it is shown, open or excluded."""
    value = float(mediation.values("indirect_effect")[mediation.row])
    interval = mediation.interval("indirect_effect", mediation.row)
    wide = mediation.wide_interval("indirect_effect", mediation.row)
    if wide is not None and wide.high < 0:
        level = INDIRECT_EFFECT.level(value)
        return ("watch" if level == "good" else level), "shown"
    if interval.high < 0:
        return "watch", "these seeds"
    lowest = interval.low if wide is None else wide.low
    return ("unknown", "open") if INDIRECT_EFFECT.level(lowest) == "bad" else ("good", "excluded")


def _finding(harm: ClassMediation, names: tuple[str, ...], where: str, incomplete: tuple[str, ...]) -> Finding:
    found, row = harm.mediation, harm.mediation.row
    own = points(float(found.values("indirect_effect")[row]), found.interval("indirect_effect", row))
    whole = format_number(100 * float(found.values("total_effect")[row]))
    seeds = f"{found.seeds} paired seed{'s' if found.seeds > 1 else ''}"
    size = f"over {seeds} (N = {found.samples:,} test samples of the class)"
    level, verdict = judge(found)
    gain = float(found.values("indirect_effect")[harm.receiver])
    towards = (
        f" Most of it goes to class {names[harm.receiver]} "
        f"({points(gain, found.interval('indirect_effect', harm.receiver))})."
        if gain > 0
        else ""
    )
    besides = f" With imbalanced labels for the probe too it is {whole} points (TE)."
    if verdict == "shown":
        message = f"The encoder alone costs class {harm.name} accuracy{where}: NIE {own} {size}.{towards}{besides}"
        advice = "Balanced labels for the probe do not bring it back: add samples of the class in pretraining."
    elif verdict == "these seeds":
        message = (
            f"In these runs the encoder costs class {harm.name} accuracy{where}: NIE {own} {size}.{towards}{besides}"
        )
        advice = f"Add paired seeds to see whether others show it: {_wide(found)}."
    elif verdict == "open":
        message = (
            f"Whether the encoder alone costs class {harm.name} accuracy is open{where}: NIE {own} includes "
            f"none, {size}.{besides}"
        )
        advice = f"To see it, add paired seeds and test samples of the class: {_wide(found)}."
    else:
        message = f"The encoder alone costs class {harm.name} little accuracy{where}: NIE {own} {size}.{besides}"
        advice = ""
    if incomplete:
        advice = f"{advice} To use {' and '.join(incomplete)} too, open the balanced twin of each.".strip()
    return Finding(NAME, level, message, advice, INDIRECT_EFFECT.source, "indirect_effect")


def _wide(found: Mediation) -> str:
    wide = found.wide_interval("indirect_effect", found.row)
    if wide is None:
        return "one seed says nothing of others"
    ends = f"[{format_number(100 * wide.low)}, {format_number(100 * wide.high)}] points"
    return f"an interval that also holds for other seeds is {ends}"


# -- figures ---------------------------------------------------------------------------------------------------------
def views(
    harms: Sequence[ClassMediation], names: tuple[str, ...], probes: Sequence[ProbeLine], run: str
) -> Mapping[str, View]:
    """Return where the samples of the own rare class went, its accuracy, matrices of all, and the tables."""
    own = harms[0]
    row = own.mediation.row
    value = float(own.mediation.values("indirect_effect")[row])
    cost = points(value, own.mediation.interval("indirect_effect", row))
    return {
        "effects": _where_to(own, names, f"Class {own.name}: the encoder alone changes its accuracy by {cost}", run),
        "accuracy": _accuracy(own, run),
        "indirect": _matrix(harms, names, "indirect_effect", "NIE", run),
        "total": _matrix(harms, names, "total_effect", "TE", run),
        "cells": _cells(harms, names, run),
        "probes": _probes(probes, run),
    }


def _where_to(harm: ClassMediation, names: tuple[str, ...], title: str, run: str) -> Bars:
    found = harm.mediation
    order = [found.row, *[k for k in np.argsort(-found.values("indirect_effect")) if k != found.row]]
    series = []
    for effect, (label, sign) in _BARS.items():
        ends = np.array([
            _signed(interval.low, interval.high, sign)
            for interval in (found.interval(effect, int(column)) for column in order)
        ])  # fmt: skip
        series.append(
            Series(
                label,
                np.array([names[column] for column in order], dtype=object),
                sign * found.values(effect)[order],
                run=run,
                low=ends[:, 0],
                high=ends[:, 1],
                n=found.samples,
            )
        )
    return Bars(
        title,
        Axis(f"Predicted class of samples of class {harm.name}"),
        Axis("Change of the share of predictions", "share", (-1.0, 1.0)),
        tuple(series),
    )


def _accuracy(harm: ClassMediation, run: str) -> Bars:
    found, row = harm.mediation, harm.mediation.row
    values, ends = [], []
    for effect, (_, sign) in _WORDS.items():
        interval = found.interval(effect, row)
        values.append(sign * float(found.values(effect)[row]))
        ends.append(_signed(interval.low, interval.high, sign))
    low, high = np.array(ends).T
    total = format_number(float(found.values("total_effect")[row]))
    base = format_number(float(found.values("accuracy")[row]))
    words = np.array([label for label, _ in _WORDS.values()], dtype=object)
    return Bars(
        f"Class {harm.name}: accuracy {base} with both balanced, TE {total}",
        Axis("Effect"),
        Axis("Change of accuracy", "share", (-1.0, 1.0)),
        (Series(f"class {harm.name}", words, np.array(values), run=run, low=low, high=high, n=found.samples),),
    )


def _matrix(
    harms: Sequence[ClassMediation], names: tuple[str, ...], effect: Effect, label: str, run: str
) -> Heatmap:  # fmt: skip
    values = np.array([harm.mediation.values(effect) for harm in harms])
    largest = float(np.abs(values).max())
    reach = next((reach for reach in _REACHES if largest <= reach), 1.0)
    worst = min(harms, key=lambda harm: float(harm.mediation.values(effect)[harm.mediation.row]))
    lost = format_number(float(worst.mediation.values(effect)[worst.mediation.row]))
    return Heatmap(
        f"{label}: class {worst.name} changes by {lost}",
        Axis("Predicted class"),
        Axis("Rare class"),
        values,
        tuple(harm.name for harm in harms),
        names,
        Axis(label, "share", (-reach, reach)),
        centre=0.0,
        run=run,
        n=worst.mediation.samples,
    )


def _cells(harms: Sequence[ClassMediation], names: tuple[str, ...], run: str) -> Table:
    lines = [(harm, column) for harm in harms for column in range(len(names))]
    intervals = [harm.mediation.interval("indirect_effect", column) for harm, column in lines]
    wide = [harm.mediation.wide_interval("indirect_effect", column) for harm, column in lines]
    columns = {
        "Rare class": np.array([harm.name for harm, _ in lines], dtype=object),
        "Predicted": np.array([names[column] for _, column in lines], dtype=object),
        "Both balanced": np.array([harm.mediation.values("accuracy")[column] for harm, column in lines]),
        "NIE": np.array([harm.mediation.values("indirect_effect")[column] for harm, column in lines]),
        "NIE low": np.array([interval.low for interval in intervals]),
        "NIE high": np.array([interval.high for interval in intervals]),
        "Low, other seeds": np.array([np.nan if interval is None else interval.low for interval in wide]),
        "High, other seeds": np.array([np.nan if interval is None else interval.high for interval in wide]),
        "TE": np.array([harm.mediation.values("total_effect")[column] for harm, column in lines]),
        "rNDE": np.array([harm.mediation.values("reverse_direct_effect")[column] for harm, column in lines]),
        "NDE": np.array([harm.mediation.values("direct_effect")[column] for harm, column in lines]),
        "Interaction": np.array([harm.mediation.values("interaction")[column] for harm, column in lines]),
    }
    n_rows = sum(harm.mediation.samples for harm in harms)
    return Table("Every cell of the rare classes' rows; 95 % intervals", columns, run, n_rows)


def _probes(probes: Sequence[ProbeLine], run: str) -> Table:
    columns = {
        "Encoder": np.array([line.run for line in probes], dtype=object),
        "Labels": np.array([line.labels for line in probes], dtype=object),
        "Split": np.array([line.split for line in probes]),
        "Training samples": np.array([line.kept for line in probes]),
        "C": np.array([line.regularisation for line in probes]),
        "Converged": np.array(["yes" if line.converged else "no" for line in probes], dtype=object),
    }
    return Table(f"The {len(probes):,} probes", columns, run)
