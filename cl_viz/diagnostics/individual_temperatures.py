"""Which temperature would each sample choose for itself?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cl_viz.core.errors import InputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._temperature import anchor_questions as questions
from cl_viz.diagnostics._temperature.anchor_questions import Anchors, TemperatureParams, Values
from cl_viz.diagnostics._temperature.individual_noise import IndividualNoise
from cl_viz.diagnostics._temperature.individual_views import Individual, views
from cl_viz.diagnostics._temperature.row_temperatures import (
    all_queries,
    grid,
    of_anchors,
    of_every_row,
    part_of_the_work,
)
from cl_viz.diagnostics._thresholds import temperature as _thresholds
from cl_viz.engine.inputs import SetInputs

QIU = Source(
    "Qiu et al. 2023, Not All Semantics are Created Equal (iSogCLR)",
    "https://arxiv.org/abs/2305.11965",
)
SLOPE_LIMIT = 3.0
ROBUST_LOSSES = ("rgcl", "sogclr", "sogclr_bimodal")
"""Losses whose samples have temperatures of their own."""


@dataclass(frozen=True)
class IndividualParams(TemperatureParams):
    """Negatives, the weight of the temperature, and its range."""

    rho: float = param(
        0.4,
        "How far from even an anchor's push may be: a divergence in nats. The authors: 0.4 (CIFAR100), 6 and 8 (CC3M).",
        low=0.01,
        high=12.0,
        log=True,
    )
    smallest: float = param(
        0.05, "Lowest temperature allowed. The authors: 0.05; for two modalities 0.005.", low=0.005, high=1.0, log=True
    )
    largest: float = param(1.0, "Highest temperature allowed; the authors have 1.", low=0.1, high=5.0, log=True)
    every_row: bool = param(
        False, "Look at every row and not at the anchors alone, where those are fewer: a pass over all pairs."
    )


def compute(inputs: SetInputs, params: IndividualParams) -> Result:
    """Compute the best temperature of every anchor, or of every row."""
    if params.smallest >= params.largest:
        raise InputError(
            f"smallest = {params.smallest:g} is not below largest = {params.largest:g}",
            where="individual_temperatures",
            allowed="smallest below largest",
            remedy="move one of the two",
        )
    before, rest = part_of_the_work(inputs, 0.0, 0.5), part_of_the_work(inputs, 0.5, 1.0)
    anchors = Anchors.of(before, params.negative_views)
    temperatures = grid(params.smallest, params.largest)
    covered = all(len(s.rows) == s.population for s in anchors.statistics.anchors.values())
    exact = params.every_row and not covered
    parts = of_every_row(anchors, rest, temperatures) if exact else of_anchors(anchors, temperatures, rest.progress)
    found = Individual(anchors, parts, params.rho, params.smallest, params.largest)
    quantities = _quantities(found, params)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(found),
        findings=(_finding(found, quantities),),
        caveats=before.caveats(notes=_notes(found, exact)),
        params=params.as_dict(),
    )


def _quantities(found: Individual, params: IndividualParams) -> dict[str, Quantity]:
    best = found.every
    n_rows = len(best)
    values: dict[str, float] = {
        "mean_temperature": questions.mean_of(best),
        "median_temperature": float(np.median(best)) if n_rows else float("nan"),
        "low_temperature": float(np.quantile(best, 0.05)) if n_rows else float("nan"),
        "high_temperature": float(np.quantile(best, 0.95)) if n_rows else float("nan"),
        "at_smallest": found.share_at(found.smallest),
        "at_largest": found.share_at(found.largest),
        "log_negatives": float(np.log(max(1.0, found.anchors.n_negatives))),
        "mean_slope": mean_slope(found.anchors, params.temperature, params.rho),
    }
    noise = IndividualNoise.of(found) if n_rows else None
    ends = {} if noise is None else {spec.name: noise.interval(spec.name) for spec in SPEC.quantities}
    if noise is not None and found.smallest <= params.temperature <= found.largest:
        slopes = _slopes(found.anchors, params.temperature, params.rho)
        ends["mean_slope"] = noise.slope(slopes, params.temperature, SLOPE_LIMIT)
    return {
        spec.name: questions.quantity(
            spec, values[spec.name], n_rows, unit_of_n="rows of all views", interval=ends.get(spec.name)
        )
        for spec in SPEC.quantities
    }


def _slopes(anchors: Anchors, temperature: float, rho: float) -> tuple[Values, ...]:
    """Return rho - KL of every anchor at one temperature, by view; asked once."""

    def make() -> tuple[Values, ...]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return tuple(np.log(q.n_negatives) - q.entropy([temperature])[0] for q in all_queries(anchors))

    kept = anchors.statistics.remember(("divergence of anchors", anchors.roles, temperature), make)
    return tuple(rho - divergence for divergence in kept)


def mean_slope(anchors: Anchors, temperature: float, rho: float) -> float:
    """Return the mean slope rho - KL, clipped as the authors clip it; views of a sample are averaged before."""
    slopes = _slopes(anchors, temperature, rho)
    rows = [queries.sketch.rows for queries in all_queries(anchors)]
    paired = anchors.inputs.embedding_set.aligned and all(np.array_equal(rows[0], other) for other in rows)
    every = np.mean(slopes, axis=0) if paired else np.concatenate(slopes)
    return questions.mean_of(np.clip(every, -SLOPE_LIMIT, SLOPE_LIMIT))


def _notes(found: Individual, exact: bool) -> tuple[str, ...]:
    by_view = ", ".join(f"{len(part.rows):,} of {part.population:,} rows of {part.view}" for part in found.parts)
    how = "exactly, at each temperature of a grid" if exact else "from each anchor's histogram of 1,250 bins"
    return (
        f"rho {found.rho:g}, range {found.smallest:g} to {found.largest:g}",
        found.anchors.notes[0],
        f"rows: {by_view}, {how}; between its temperatures a spline",
    )


def _finding(found: Individual, quantities: dict[str, Quantity]) -> Finding:
    low, high = quantities["low_temperature"].value, quantities["high_temperature"].value
    n_rows, threshold = len(found.every), _thresholds.AT_END
    if low is None or high is None:
        return Finding(
            SPEC.name, "unknown", "Unknown: no row has negatives.", "To see it, add other samples.", QIU, "at_smallest"
        )
    limit = float(np.log(max(1.0, found.anchors.n_negatives)))
    ends = ((found.smallest, "at_smallest", "Lower", "lowest"), (found.largest, "at_largest", "Raise", "highest"))
    end, name, verb, which = max(ends, key=lambda entry: found.share_at(entry[0]))
    share = found.share_at(end)
    text = f"With rho {found.rho:g}, 90 % of the rows would choose {found.middle} (N = {n_rows:,})."
    if threshold.level(share) == "good":
        return Finding(SPEC.name, "good", text, source=threshold.source, quantity="median_temperature")
    at_end = f"{format_number(100 * share)} % "
    if low == high == end:
        text = f"With rho {found.rho:g}, {at_end}of the rows would choose {end:g}, the {which} temperature allowed "
        text += f"(N = {n_rows:,})."
    else:
        text = f"{text[:-1]}; {at_end}stand at {end:g}, an end of the range."
    advice = f"{verb} rho: then the row decides, not the end of the range (log M = {format_number(limit)})."
    level = threshold.level(share) if found.anchors.inputs.card.get("loss") in ROBUST_LOSSES else "good"
    return Finding(SPEC.name, level, text, advice, threshold.source, name)


def _temperature(name: str, label: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, label, definition)


SPEC = DiagnosticSpec(
    name="individual_temperatures",
    title="Individual temperatures",
    question="Which temperature would each sample choose for itself?",
    section="Temperature",
    page="temperature/individual_temperatures",
    needs="set",
    params=IndividualParams,
    compute=compute,
    passes=("statistics",),
    quantities=(
        _temperature("median_temperature", "Median temperature", "Median over rows of the best temperature."),
        _temperature("mean_temperature", "Mean temperature", "Mean over rows of the best temperature."),
        _temperature("low_temperature", "5 % of the rows are below", "Quantile 0.05 of the best temperatures."),
        _temperature("high_temperature", "5 % of the rows are above", "Quantile 0.95 of the best temperatures."),
        QuantitySpec(
            "at_smallest",
            "Rows at the lowest temperature",
            "Share of the rows whose best temperature is the lower end of the range.",
            "share",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "at_largest",
            "Rows at the highest temperature",
            "Share of the rows whose best temperature is the upper end of the range.",
            "share",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "log_negatives",
            "Largest possible divergence, log M",
            "Logarithm of the mean number of negatives: with a rho above it every row goes to the lower end.",
            "nats",
        ),
        QuantitySpec(
            "mean_slope",
            "Mean slope at the run's temperature",
            "rho - KL at the temperature, averaged over the views of a sample, clipped to -3 and 3 as the authors do; "
            "mean over samples. Above 0 the temperatures would fall.",
            "nats",
            (-SLOPE_LIMIT, SLOPE_LIMIT),
        ),
    ),
    definition=(
        "iSogCLR gives each sample a temperature of its own: the one at which the worst case over all weights of its "
        "negatives, held within a divergence rho of even weights, is smallest. Inside the range that is where the "
        "divergence of its push from an even one is rho: log M - H = rho. Here it is solved for every row of this run "
        "as it stands."
    ),
    formula=(
        r"\tau_i = \arg\min_{\tau \in [\tau_{\min}, \tau_{\max}]} \tau\Big(\rho + \log\frac1M\sum_j e^{s_{ij}/\tau}"
        r"\Big), \quad \frac{\partial}{\partial\tau} = \rho - \mathrm{KL}(r_i\,\|\,\mathrm{uniform})"
        r" = \rho - \big(\log M - H(r_i)\big)"
    ),
    reading=(
        "A row with many close neighbours needs a high temperature for an even push: samples of frequent kinds stand "
        "at the upper end, rare or outlying ones at the lower. A narrow histogram means that one temperature for all "
        "does as well. The second figure shows what rho decides: where all rows lie at an end, rho is out of reach."
    ),
    traps=(
        "The divergence cannot exceed log M: rho 6, the library's default, with a batch of 256 (log 510 = 6.23) sends "
        "nearly every row to the lower end. Here M is the number of negatives in the set, so the same rho means "
        "something else than in a batch. A row whose scores are all equal has slope rho at every temperature and goes "
        "to the lower end too, whatever its kind. The positive drops out of the minimum. Training follows these "
        "temperatures slowly, with momentum and clipped slopes; here each row stands at its optimum at once."
    ),
    sources=(QIU,),
    thresholds=(_thresholds.AT_END,),
)
