"""What changed between two checks beyond noise: a gate for CI, and a comparison of two runs."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cl_viz.core.errors import FormatError
from cl_viz.core.result import format_number
from cl_viz.diagnostics import DIAGNOSTICS

Direction = Literal["better", "worse", "different"]


@dataclass(frozen=True)
class Change:
    """One quantity that differs by more than its intervals allow.

    Attributes
    ----------
    run : str
    quantity : str
        ``diagnostic.quantity``.
    label : str
    before, after : float
    allowed : float
        Difference that noise explains.
    direction : {"better", "worse", "different"}
        "different" where neither direction is better.
    """

    run: str
    quantity: str
    label: str
    before: float
    after: float
    allowed: float
    direction: Direction

    def __str__(self) -> str:
        return (
            f"{self.run}: {self.label} ({self.quantity}) is {self.direction}: {format_number(self.before)} before, "
            f"{format_number(self.after)} now; noise explains {format_number(self.allowed)}"
        )


@dataclass(frozen=True)
class Comparison:
    """What two checks say of each other.

    Attributes
    ----------
    changes : tuple of Change
        The largest first, as multiples of what noise explains.
    n_judged, n_without_interval : int
        Quantities that both have with an interval; quantities that differ but have none, and so are not judged.
    missing : tuple of str
        Runs of the earlier check that the later one lacks.
    """

    changes: tuple[Change, ...]
    n_judged: int
    n_without_interval: int
    missing: tuple[str, ...]

    @property
    def worse(self) -> tuple[Change, ...]:
        """Changes for the worse."""
        return tuple(change for change in self.changes if change.direction == "worse")


def compare_documents(before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """Compare two documents of `as_document`, run by run.

    A difference counts if it is larger than the root of the sum of squares of the two half-widths of the intervals:
    the 95 % interval of a difference of two independent numbers. Runs on the same samples are closer than that, so a
    change is missed rather than made up. Quantities without intervals are counted, not judged.
    """
    earlier = {run["name"]: run for run in before["runs"]}
    later = {run["name"]: run for run in after["runs"]}
    return _collect(
        [(name, earlier[name], later[name]) for name in earlier if name in later],
        tuple(name for name in earlier if name not in later),
    )


def compare_entries(before: Mapping[str, Any], after: Mapping[str, Any]) -> Comparison:
    """Compare two runs: entries of ``document["runs"]``, whatever their names."""
    return _collect([(f"{before['name']} → {after['name']}", before, after)], ())


def read_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a document that `cl-viz check --json` wrote.

    Raises
    ------
    FormatError
        If there is none, or it is something else.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        for run in document["runs"]:
            for entry in run["quantities"].values():
                _ = entry["value"], entry["interval"]
            _ = run["name"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            "this is no result of an earlier check",
            where=str(path),
            allowed="a file that `cl-viz check --json` wrote",
            remedy="write one with: cl-viz check PATH --json baseline.json",
        ) from error
    return dict(document)


def _collect(runs: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]], missing: tuple[str, ...]) -> Comparison:
    changes, judged, without = [], 0, 0
    for name, before, after in runs:
        for quantity, old, new in _shared(before["quantities"], after["quantities"]):
            allowed = _noise(old, new)
            if allowed is None:
                without += old["value"] != new["value"]
                continue
            judged += 1
            if abs(new["value"] - old["value"]) > allowed:
                direction = _direction(quantity, new["value"] - old["value"])
                label = str(new.get("label", quantity))
                changes.append(Change(name, quantity, label, old["value"], new["value"], allowed, direction))
    changes.sort(key=lambda change: abs(change.after - change.before) / max(change.allowed, 1e-300), reverse=True)
    return Comparison(tuple(changes), judged, without, missing)


def _shared(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, old in before.items():
        new = after.get(name)
        if new is not None and old["value"] is not None and new["value"] is not None:
            yield name, old, new


def _noise(old: Mapping[str, Any], new: Mapping[str, Any]) -> float | None:
    """Return the difference that the intervals explain; None where one of the two has none."""
    rising = new["value"] >= old["value"]
    halves = [_half_width(old, upwards=rising), _half_width(new, upwards=not rising)]
    return None if None in halves else math.hypot(*halves)  # type: ignore[arg-type]


def _half_width(entry: Mapping[str, Any], *, upwards: bool) -> float | None:
    interval = entry["interval"]
    if interval is None or interval["low"] is None or interval["high"] is None:
        return None
    return float(interval["high"] - entry["value"] if upwards else entry["value"] - interval["low"])


def _direction(quantity: str, difference: float) -> Direction:
    diagnostic, _, name = quantity.partition(".")
    declared = DIAGNOSTICS[diagnostic].quantities if diagnostic in DIAGNOSTICS else ()
    better = next((entry.better for entry in declared if entry.name == name), "neither")
    if better == "neither":
        return "different"
    return "better" if (difference > 0) == (better == "higher") else "worse"
