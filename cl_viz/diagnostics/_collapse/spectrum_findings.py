"""What a spectrum says, in sentences: complete collapse, dimensional collapse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cl_viz.core.result import LEVELS, Finding, Level, Quantity, format_number
from cl_viz.diagnostics._collapse.spectral_ranks import Cliff, cliff
from cl_viz.diagnostics._collapse.spectrum import Spectrum
from cl_viz.diagnostics._collapse.sphere_spectrum import SphereSpectrum
from cl_viz.diagnostics._thresholds import collapse as _thresholds

NAME = "spectrum"


@dataclass(frozen=True)
class Reading:
    """One view's spectrum as it is shown, that of its unit centred rows, and the null.

    Attributes
    ----------
    shown, unit : Spectrum
    null : SphereSpectrum
    """

    shown: Spectrum
    unit: Spectrum
    null: SphereSpectrum

    @cached_property
    def cliff(self) -> Cliff:
        """The largest drop with little variance beyond."""
        return cliff(self.shown.kept, self.shown.floor)

    @property
    def before_cliff(self) -> int:
        """Dimensions before a drop that counts; all where there is none."""
        decades = self.cliff.decades
        counts = _thresholds.CLIFF.met(decades) and decades >= self.null.largest_drop
        return self.cliff.place if counts else len(self.shown.values)

    @property
    def lost(self) -> float:
        """Share of the dimensions behind the cliff."""
        return 1 - self.before_cliff / max(1, len(self.shown.values))

    @property
    def total_variance(self) -> float:
        """Of the unit rows."""
        return float(self.unit.values.sum())

    @property
    def spread_level(self) -> Level:
        """Level of the total variance."""
        return _thresholds.TOTAL_VARIANCE.level(self.total_variance)

    @property
    def cliff_level(self) -> Level:
        """Level of the dimensions lost."""
        return _thresholds.LOST_DIMENSIONS.level(self.lost)


def findings(readings: Mapping[str, Reading], chosen: str, quantities: Mapping[str, Quantity]) -> tuple[Finding, ...]:
    """Return one finding on complete and one on dimensional collapse, each of the view where it is worst."""
    spread = _worst(readings, chosen, [reading.spread_level for reading in readings.values()])
    fallen = _worst(readings, chosen, [reading.cliff_level for reading in readings.values()])
    return (
        _complete(
            readings[spread], _named(readings, spread), quantities["total_variance"] if spread == chosen else None
        ),
        _dimensional(readings[fallen], _named(readings, fallen)),
    )


def _worst(readings: Mapping[str, Reading], chosen: str, levels: list[Level]) -> str:
    """Return the view with the worst level; the chosen one where it is as bad as any."""
    by_view = dict(zip(readings, levels, strict=True))
    return min(by_view, key=lambda view: (LEVELS.index(by_view[view]), view != chosen))


def _named(readings: Mapping[str, Reading], view: str) -> str:
    return f"of {view} " if len(readings) > 1 else ""


def _complete(reading: Reading, owner: str, quantity: Quantity | None) -> Finding:
    text = format_number(reading.total_variance) if quantity is None else quantity.text()
    values = f"total variance {text} (uniform sphere: 1, N = {reading.unit.n:,})"
    level, source = reading.spread_level, _thresholds.TOTAL_VARIANCE.source
    if level == "bad":
        message = f"The unit rows {owner}have collapsed to nearly one point: {values}."
        advice = "Add negatives, a stop-gradient or a variance term; check the learning rate."
    elif level == "watch":
        message = f"The unit rows {owner}stay close to their mean: {values}."
        advice = "Remove the common mean before retrieval, or train longer at a lower temperature."
    else:
        message, advice = f"The unit rows {owner}spread around their mean: {values}.", ""
    return Finding(NAME, level, message, advice, source, "total_variance")


def _dimensional(reading: Reading, owner: str) -> Finding:
    found, size = reading.shown, len(reading.shown.values)
    level, source = reading.cliff_level, _thresholds.LOST_DIMENSIONS.source
    if not found.above_floor:
        return Finding(
            NAME,
            "bad",
            f"No direction {owner}varies by more than rounding (N = {found.n:,}).",
            "Mend the complete collapse first.",
            source,
            "above_floor",
        )
    rest = f"N = {found.n:,}, D = {found.dim}"
    if reading.before_cliff == size:
        message = (
            f"The spectrum {owner}has no cliff: {found.above_floor} of {size} dimensions lie above the numerical "
            f"floor, and no drop that leaves little variance behind reaches a factor of 10 ({rest})."
        )
        return Finding(NAME, "good", message, source=source, quantity="before_cliff")
    fall = f"the next eigenvalue is {format_number(10**reading.cliff.decades, 2)} times smaller"
    if reading.before_cliff >= found.above_floor:
        fall = "the others do not vary by more than rounding"
    message = (
        f"The spectrum {owner}falls {'only ' if level == 'good' else 'off a cliff '}after {reading.before_cliff} of "
        f"{size} dimensions: {fall} ({rest}; uniform sphere: falls of at most "
        f"{format_number(10**reading.null.largest_drop, 2)} times)."
    )
    if level == "good":
        return Finding(NAME, level, message, source=source, quantity="before_cliff")
    advice = (
        "Look for units that are always 0; compare the backbone with the projector."
        if level == "watch"
        else "Weaken the augmentation, add a decorrelation term, or use the backbone; a supervised loss on K classes "
        "leaves K - 1."
    )
    return Finding(NAME, level, message, advice, source, "before_cliff")
