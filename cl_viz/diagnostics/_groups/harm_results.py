"""What representation harm says: sentences and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.result import Finding, Interval, Level, Quantity, format_number
from cl_viz.core.view import Axis, Bars, Heatmap, Series, Table, View
from cl_viz.diagnostics._groups.harm_bootstrap import HarmEstimate
from cl_viz.diagnostics._groups.harm_family import SharedSamples, Twins
from cl_viz.diagnostics._thresholds.harm import REPRESENTATION_HARM

NAME = "representation_harm"
_REACHES = (0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class ClassHarm:
    """The harm of one rare class, and the runs that it is measured on."""

    name: str
    pairs: tuple[Twins, ...]
    estimate: HarmEstimate

    @property
    def others(self) -> NDArray[np.int64]:
        """Other classes towards which RH is defined."""
        values = self.estimate.values
        return np.array([k for k in range(len(values)) if k != self.estimate.row and np.isfinite(values[k])], dtype=int)

    @property
    def nearest(self) -> int | None:
        """The other class with the lowest RH."""
        return int(self.others[np.argmin(self.estimate.values[self.others])]) if len(self.others) else None


def _text(value: float, interval: Interval) -> str:
    return f"{format_number(value)} [{format_number(interval.low)}, {format_number(interval.high)}]"


def findings(
    harms: Sequence[ClassHarm], samples: SharedSamples, layer: str | None, incomplete: tuple[str, ...]
) -> tuple[Finding, ...]:
    """Return one finding a rare class: which class it moved towards, how surely, and what would make it surer."""
    where = f" on the {layer}" if layer else ""
    return tuple(_finding(harm, samples, where, incomplete) for harm in harms)


def _finding(harm: ClassHarm, samples: SharedSamples, where: str, incomplete: tuple[str, ...]) -> Finding:
    estimate, nearest = harm.estimate, harm.nearest
    source = REPRESENTATION_HARM.source
    if nearest is None:
        message = f"Unknown: class {harm.name} coincides with every other class in the balanced twin{where}."
        return Finding(NAME, "unknown", message, "To see harm, open a twin that has not collapsed.", source, "nearest")
    value, interval = float(estimate.values[nearest]), estimate.interval(nearest)
    level, verdict = judge(harm)
    seeds = f"{estimate.seeds} paired seed{'s' if estimate.seeds > 1 else ''}"
    text = f"RH {_text(value, interval)}{where} over {seeds}"
    size = f"(N = {len(samples.rows):,})"
    towards = samples.names[nearest]
    if verdict == "shown":
        message = f"Class {harm.name} moved towards class {towards}: {text} {size}."
        advice = "Add samples of the rare class, or weigh them up, in pretraining; then look at allocation harm."
    elif verdict == "these seeds":
        message = f"In these runs class {harm.name} lies nearer to class {towards}: {text} {size}."
        advice = f"Add paired seeds to see whether others show it: {_wide(harm, nearest)}."
    elif verdict == "open":
        message = (
            f"Whether class {harm.name} moved towards another is open: nearest is class {towards}, {text}, which "
            f"includes no change {size}."
        )
        advice = f"To see it, add paired seeds: {_wide(harm, nearest)}."
    else:
        message = f"Class {harm.name} moved towards no other class: nearest is class {towards}, {text} {size}."
        advice = ""
    hints = [advice, _other_layer(harm, where)]
    if incomplete:
        hints.append(f"To use {' and '.join(incomplete)} too, open the balanced twin of each.")
    return Finding(NAME, level, message, " ".join(filter(None, hints)), source, "nearest")


def _wide(harm: ClassHarm, column: int) -> str:
    wide = harm.estimate.wide_interval(column)
    if wide is None:
        return "one seed says nothing of others"
    return f"an interval that also holds for other seeds is [{format_number(wide.low)}, {format_number(wide.high)}]"


def _other_layer(harm: ClassHarm, where: str) -> str:
    has_backbone = "backbone" in (harm.pairs[0].rare.card.get("layers") or ())
    return "The authors measure the backbone: look there too." if has_backbone and "backbone" not in where else ""


def judge(harm: ClassHarm) -> tuple[Level, str]:
    """Return the level of a class's harm, and whether it is shown, shown by these seeds, open, or excluded.

    The lowest of several RH is looked at, so the interval that also speaks for other seeds is taken at a level that
    allows for all of them (Bonferroni).
    """
    estimate, nearest = harm.estimate, harm.nearest
    assert nearest is not None
    value, interval = float(estimate.values[nearest]), estimate.interval(nearest)
    sure = estimate.wide_interval(nearest, 1 - 0.05 / len(harm.others))
    if sure is not None and max(sure.high, interval.high) < 1:
        level = REPRESENTATION_HARM.level(value)
        return ("watch" if level == "good" else level), "shown"
    if interval.high < 1:
        return "watch", "these seeds"
    if REPRESENTATION_HARM.level(interval.low) == "bad":
        return "unknown", "open"
    return "good", "excluded"


# -- figures ---------------------------------------------------------------------------------------------------------
def views(
    harms: Sequence[ClassHarm], samples: SharedSamples, quantities: Mapping[str, Quantity], run: str
) -> Mapping[str, View]:
    """Return the harm of the run's own rare class, the matrix of all rare classes, and both as tables."""
    own = harms[0]
    if own.nearest is None:
        return {"classes": _classes(harms, samples, run), "seeds": _seeds(harms, samples, run)}
    towards = samples.names[own.nearest]
    title = f"Class {own.name} nearest to {towards}: RH {quantities['nearest'].text()}"
    return {
        "harm": _bars(own, samples, title, run),
        "matrix": _matrix(harms, samples, run),
        "classes": _classes(harms, samples, run),
        "seeds": _seeds(harms, samples, run),
    }


def _reach(largest: float) -> float:
    """Return how far an axis around 1 reaches: one of few lengths, so that figures compare."""
    return next((reach for reach in _REACHES if largest <= reach), float(np.ceil(largest)))


def _bars(harm: ClassHarm, samples: SharedSamples, title: str, run: str) -> Bars:
    estimate = harm.estimate
    order = harm.others[np.argsort(estimate.values[harm.others], kind="stable")]
    intervals = [estimate.interval(int(column)) for column in order]
    low, high = np.array([[i.low, i.high] for i in intervals]).T - 1
    reach = 100 * _reach(float(max(np.abs(low).max(), np.abs(high).max())))
    return Bars(
        title,
        Axis("Other class, nearest first"),
        Axis(f"Distance of class {harm.name} against the balanced twin, RH - 1", "%", (-reach, reach)),
        (
            Series(
                f"class {harm.name}",
                np.array([samples.names[column] for column in order], dtype=object),
                100 * (estimate.values[order] - 1),
                run=run,
                low=100 * low,
                high=100 * high,
                n=len(samples.rows),
            ),
        ),
    )


def _matrix(harms: Sequence[ClassHarm], samples: SharedSamples, run: str) -> Heatmap:
    values = np.array([harm.estimate.values for harm in harms])
    finite = values[np.isfinite(values)]
    reach = _reach(float(np.abs(finite - 1).max()))
    lowest = min(
        (harm for harm in harms if harm.nearest is not None), key=lambda h: float(h.estimate.values[h.nearest])
    )
    assert lowest.nearest is not None
    low = format_number(float(lowest.estimate.values[lowest.nearest]))
    return Heatmap(
        f"Lowest RH {low}: class {lowest.name} towards {samples.names[lowest.nearest]}",
        Axis("Towards class"),
        Axis("Rare class"),
        values,
        tuple(harm.name for harm in harms),
        samples.names,
        Axis("RH", "ratio", (1 - reach, 1 + reach)),
        centre=1.0,
        run=run,
    )


def _classes(harms: Sequence[ClassHarm], samples: SharedSamples, run: str) -> Table:
    lines = [(harm, column) for harm in harms for column in range(len(samples.names))]
    lines.sort(key=lambda line: float(np.nan_to_num(line[0].estimate.values[line[1]], nan=np.inf)))
    intervals = [harm.estimate.interval(column) for harm, column in lines]
    wide = [harm.estimate.wide_interval(column) for harm, column in lines]
    columns = {
        "Rare class": np.array([harm.name for harm, _ in lines], dtype=object),
        "Towards": np.array([samples.names[column] for _, column in lines], dtype=object),
        "RH": np.array([harm.estimate.values[column] for harm, column in lines]),
        "Low": np.array([interval.low for interval in intervals]),
        "High": np.array([interval.high for interval in intervals]),
        "Low, other seeds": np.array([np.nan if interval is None else interval.low for interval in wide]),
        "High, other seeds": np.array([np.nan if interval is None else interval.high for interval in wide]),
        "Cosine, rare": np.array([harm.estimate.rare[:, column].mean() for harm, column in lines]),
        "Cosine, balanced": np.array([harm.estimate.balanced[:, column].mean() for harm, column in lines]),
        "Samples of it": np.array([harm.estimate.sizes[column] for harm, column in lines]),
    }
    return Table("Every class, nearest first; 95 % intervals", columns, run)


def _seeds(harms: Sequence[ClassHarm], samples: SharedSamples, run: str) -> Table:
    lines = [
        (harm, place, column)
        for harm in harms
        if harm.nearest is not None
        for column in (harm.nearest,)
        for place in range(harm.estimate.seeds)
    ]
    rare = np.array([harm.estimate.rare[place, column] for harm, place, column in lines])
    even = np.array([harm.estimate.balanced[place, column] for harm, place, column in lines])
    columns = {
        "Rare class": np.array([harm.name for harm, _, _ in lines], dtype=object),
        "Towards": np.array([samples.names[column] for _, _, column in lines], dtype=object),
        "Run": np.array([harm.pairs[place].rare.name for harm, place, _ in lines], dtype=object),
        "Balanced twin": np.array([harm.pairs[place].balanced.name for harm, place, _ in lines], dtype=object),
        "Cosine, rare": rare,
        "Cosine, balanced": even,
        "RH of this seed": np.divide(1 - rare, 1 - even, out=np.full(len(rare), np.nan), where=1 - even > 1e-9),
    }
    return Table("Each pair of runs, towards the nearest class", columns, run)
