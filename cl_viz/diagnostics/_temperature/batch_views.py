"""The figures of `batch_size`, as data."""

from __future__ import annotations

import numpy as np

from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Histogram, Lines, Reference, Series, View
from cl_viz.diagnostics._temperature.batch_signal import BatchSignal
from cl_viz.diagnostics._temperature.hardness_views import TEMPERATURE, here_and_trained
from cl_viz.diagnostics._temperature.temperature_curves import TEMPERATURES

MULTIPLIER = Axis("NPC multiplier", "1 - P of the positive", (0.0, 1.0))


def views(signal: BatchSignal) -> dict[str, View]:
    """Return the figures."""
    return {
        "by_batch_size": by_batch_size(signal),
        "by_temperature": by_temperature(signal),
        "multipliers": multipliers(signal),
        "variation": variation(signal),
    }


def _sizes(signal: BatchSignal) -> Axis:
    return Axis("Batch size", "samples", (2.0, 65536.0), log=True)


def _marks(signal: BatchSignal) -> tuple[Reference, ...]:
    trained = signal.anchors.inputs.card.get("batch_size")
    found = [Reference("chosen", float(signal.size))]
    if isinstance(trained, int) and trained > 1:
        found = [*found, Reference("trained at", float(trained))] if trained != signal.size else [
            Reference("trained at", float(trained))]  # fmt: skip
    return tuple(found)


def by_batch_size(signal: BatchSignal) -> Lines:
    """Mean multiplier at every batch size up to all samples."""
    mean, _ = signal.by_size
    here = signal.at_size.mean
    return Lines(
        f"A batch of {signal.size:,} keeps {format_number(100 * here)} % of the gradient at temperature "
        f"{signal.temperature:g}",
        _sizes(signal),
        MULTIPLIER,
        (Series("mean multiplier", np.array(signal.sizes, dtype=np.float64), mean, "other",
                signal.anchors.inputs.run, n=signal.n_samples),),
        _marks(signal),
        n=signal.anchors_of(signal.at_size),
    )  # fmt: skip


def variation(signal: BatchSignal) -> Lines:
    """Coefficient of variation of the multiplier at every batch size."""
    _, found = signal.by_size
    here = signal.at_size.variation
    known = np.isfinite(found)
    return Lines(
        f"Coefficient of variation {format_number(here)} in a batch of {signal.size:,}"
        if here is not None
        else "Every multiplier is 0",
        _sizes(signal),
        Axis("Coefficient of variation", "of the multiplier"),
        (Series("variation", np.array(signal.sizes, dtype=np.float64)[known], found[known], "other",
                signal.anchors.inputs.run, n=signal.n_samples),),
        _marks(signal),
        n=signal.anchors_of(signal.at_size),
    )  # fmt: skip


def by_temperature(signal: BatchSignal) -> Lines:
    """Mean multiplier at every temperature, in this batch size and with all samples as one batch."""
    anchors = signal.anchors
    run, curves = anchors.inputs.run, anchors.curves
    drawn = signal.over_temperatures(TEMPERATURES)
    series = [Series(f"all {signal.n_samples:,}", TEMPERATURES, curves.npc_multiplier, "other", run, n=curves.n)]
    if np.isfinite(drawn).all():
        named = Series("the batch size chosen", TEMPERATURES, drawn, "other", run, n=signal.at_size.n_anchors)
        series.insert(0, named)
    return Lines(
        f"{format_number(100 * signal.at_size.mean)} % at temperature {signal.temperature:g} in a batch of "
        f"{signal.size:,}, {format_number(100 * signal.whole.mean)} % in one of all",
        TEMPERATURE,
        MULTIPLIER,
        tuple(series),
        here_and_trained(anchors, signal.temperature),
        markers=False,
        n=signal.anchors_of(signal.at_size),
    )


def multipliers(signal: BatchSignal) -> Histogram:
    """The multipliers one by one: each anchor in each batch."""
    edges = np.linspace(0.0, 1.0, 51)
    part = signal.at_size
    counts = np.histogram(part.values, edges)[0] / max(1, len(part.values))
    weak = float((part.values < 0.1).mean())
    return Histogram(
        f"{format_number(100 * weak)} % of the positives keep less than a tenth in a batch of {signal.size:,}",
        MULTIPLIER,
        Axis("Positives in batches", "share", (0.0, 1.0)),
        (Series("multiplier", edges, counts, "other", signal.anchors.inputs.run, n=len(part.values)),),
        n=signal.anchors_of(signal.at_size),
    )
