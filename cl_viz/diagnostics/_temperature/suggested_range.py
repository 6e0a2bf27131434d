"""The temperatures that meet every wish, from the curves of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Lines, Reference, Series, Table, View
from cl_viz.diagnostics._temperature.adaptive_noise import multiplier
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, Values, mean_of
from cl_viz.diagnostics._temperature.hardness_views import TEMPERATURE
from cl_viz.diagnostics._temperature.temperature_curves import TEMPERATURES


@dataclass(frozen=True)
class Limit:
    """One wish and where it stops being met.

    Attributes
    ----------
    wish : str
    reason : str
        What is wrong beyond the limit.
    at : float or None
        Temperature; None where no temperature of the curves meets the wish.
    curve : NDArray[np.float64], shape (T,)
        What the wish is about, at each of `TEMPERATURES`, of some of the anchors.
    level : float
    """

    wish: str
    reason: str
    at: float | None
    curve: Values
    level: float


@dataclass(frozen=True)
class Suggestion:
    """The limits of a run."""

    anchors: Anchors
    limits: Mapping[str, Limit]
    n: int

    @property
    def _lower(self) -> list[Limit]:
        return [limit for name, limit in self.limits.items() if name != "for_hardness"]

    @property
    def low(self) -> float | None:
        """Highest of the lower limits; None where one cannot be met."""
        found = [limit.at for limit in self._lower]
        return None if None in found else max(at for at in found if at is not None)

    @property
    def high(self) -> float | None:
        """The upper limit; None where it cannot be met."""
        return self.limits["for_hardness"].at

    @property
    def lowest_reason(self) -> str:
        """What is wrong just below the range."""
        return max(self._lower, key=lambda limit: limit.at or 0.0).reason

    @property
    def highest_reason(self) -> str:
        """What is wrong above the range."""
        return self.limits["for_hardness"].reason

    @property
    def conflict(self) -> str:
        """Why there is no range."""
        unmet = [limit.wish for limit in self.limits.values() if limit.at is None]
        if unmet:
            return f"never met: {'; '.join(unmet)}"
        return f"{self.lowest_reason} below {format_number(self.low or 0)}, {self.highest_reason} above " + (
            format_number(self.high or 0)
        )

    @property
    def advice_on_conflict(self) -> str:
        """What to try where there is no range."""
        if self.limits["for_hardness"].at is None:
            return "All scores are alike at every temperature: mend the collapse first."
        return "Give up one of the wishes with its control; use the labels (SupCon) if false negatives are the reason."


def suggest(
    anchors: Anchors, fewest_negatives: float, most_even: float, most_false: float, least_signal: float
) -> Suggestion:
    """Read each limit from the run's curves; wishes that the input cannot judge are left out."""
    curves = anchors.curves
    fewest = min(fewest_negatives, anchors.n_negatives / 2)
    limits = {
        "for_negatives": Limit(
            f"{fewest:g} negatives share the push",
            f"fewer than {fewest:g} negatives share the push",
            _from(curves.sample_size, fewest, lambda at: mean_of(anchors.sample_size(at)), rising=True),
            curves.sample_size,
            fewest,
        )
    }
    if anchors.has_labels and anchors.false_negative_share < 1:
        share = anchors.false_negative_share
        labelled = anchors.labelled
        beyond = (labelled.curves.false_negative_push - share) / (1 - share)
        limits["for_labels"] = Limit(
            f"false negatives take at most {100 * most_false:g} % of the push beyond their share",
            f"false negatives take more than {100 * most_false:g} % of the push beyond their share",
            _from(
                beyond,
                most_false,
                lambda at: (mean_of(labelled.of_anchors("own_label", at)) - share) / (1 - share),
                rising=False,
            ),
            beyond,
            most_false,
        )
    if anchors.has_positives:
        limits["for_signal"] = Limit(
            f"{100 * least_signal:g} % of the gradient is left",
            f"less than {100 * least_signal:g} % of the gradient is left",
            _from(
                curves.npc_multiplier,
                least_signal,
                lambda at: mean_of(multiplier(anchors.margins(at))),
                rising=True,
            ),
            curves.npc_multiplier,
            least_signal,
        )
    limits["for_hardness"] = Limit(
        f"at most {100 * most_even:g} % of the negatives carry the push",
        f"more than {100 * most_even:g} % of the negatives carry the push",
        _until(curves.effective_share, most_even, lambda at: mean_of(anchors.effective_share(at))),
        curves.effective_share,
        most_even,
    )
    return Suggestion(anchors, limits, anchors.n_anchors)


def _from(curve: Values, level: float, asked: Callable[[float], float], *, rising: bool) -> float | None:
    """Return the temperature from which on the curve stays at or beyond the level; None if it never does."""
    sign = 1.0 if rising else -1.0
    met = sign * curve >= sign * level
    if not met[-1] or np.isnan(curve).any():
        return None
    if met.all():
        return float(TEMPERATURES[0])
    return _crossing(int(np.flatnonzero(~met)[-1]), level, asked)


def _until(curve: Values, level: float, asked: Callable[[float], float]) -> float | None:
    """Return the temperature up to which the curve stays at or below the level; None if it is above from the first."""
    met = curve <= level
    if not met[0] or np.isnan(curve).any():
        return None
    if met.all():
        return float(TEMPERATURES[-1])
    return _crossing(int(np.flatnonzero(~met)[0]) - 1, level, asked)


def _crossing(place: int, level: float, asked: Callable[[float], float]) -> float:
    """Return where the answer of all anchors crosses the level, near where their curve does: after its `place`.

    The curve is of fewer anchors and half an octave wide; the answer may cross a step or two away from it. One that
    never does crosses at an end.
    """
    low, high, last = place, place + 1, len(TEMPERATURES) - 1

    def beyond(log_temperature: float) -> float:
        return asked(float(np.exp(log_temperature))) - level

    logs = [float(value) for value in np.log(TEMPERATURES)]
    while (beyond(logs[low]) > 0) == (beyond(logs[high]) > 0):
        if low == 0 and high == last:
            nearest = min((0, last), key=lambda end: abs(beyond(logs[end])))
            return float(TEMPERATURES[nearest])
        low, high = max(low - 1, 0), min(high + 1, last)
    return float(np.exp(brentq(beyond, logs[low], logs[high], xtol=1e-6)))


def views(found: Suggestion) -> dict[str, View]:
    """Return the curves behind the limits, and the limits as a table."""
    return {"range": curves_view(found), "reasons": reasons(found)}


def curves_view(found: Suggestion) -> Lines:
    """The curves that the wishes are about, with the range."""
    run, low, high, n = found.anchors.inputs.run, found.low, found.high, found.anchors.curves.n
    series = [Series("negatives that carry the push", TEMPERATURES, found.limits["for_hardness"].curve, "other", run,
                     n=n)]  # fmt: skip
    if "for_labels" in found.limits:
        beyond = np.clip(found.limits["for_labels"].curve, 0.0, 1.0)
        series.append(Series("push on the same label, beyond chance", TEMPERATURES, beyond, "false_negative", run,
                             n=n))  # fmt: skip
    if "for_signal" in found.limits:
        series.append(Series("gradient left", TEMPERATURES, found.limits["for_signal"].curve, "positive", run,
                             n=n))  # fmt: skip
    references = []
    title = "No temperature meets every wish"
    if low is not None and high is not None and low <= high:
        title = f"Temperatures of {format_number(low)} to {format_number(high)} meet every wish (a suggestion)"
        references = [Reference("from", low), Reference("to", high)]
    trained = found.anchors.run_temperature
    if trained is not None:
        references.append(Reference("trained at", trained))
    share = Axis("Share", "", (0.0, 1.0))
    return Lines(title, TEMPERATURE, share, tuple(series), tuple(references), markers=False)


def reasons(found: Suggestion) -> Table:
    """The wishes, and where each is met."""
    limits = list(found.limits.items())
    upper = np.array([name == "for_hardness" for name, _ in limits])
    at = np.array([np.nan if limit.at is None else limit.at for _, limit in limits])
    columns = {
        "wish": np.array([limit.wish for _, limit in limits], dtype=object),
        "met from temperature": np.where(upper, TEMPERATURES[0], at),
        "met to temperature": np.where(upper, at, TEMPERATURES[-1]),
    }
    return Table("Why this range", columns, found.anchors.inputs.run)
