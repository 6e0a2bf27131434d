"""Has a class that was rare in training moved towards another?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cl_viz.core.params import Params, param
from cl_viz.core.result import Interval, Quantity, Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._groups.harm_bootstrap import HarmEstimate, estimate_harm
from cl_viz.diagnostics._groups.harm_family import SharedSamples, Study, gather_study, shared_samples, unit_rows_of
from cl_viz.diagnostics._groups.harm_results import ClassHarm, findings, views
from cl_viz.diagnostics._thresholds import harm
from cl_viz.diagnostics._thresholds.harm import MAITY
from cl_viz.engine.inputs import FamilyInputs, SetInputs

_PRODUCTS_A_SECOND = 1.5e10
_SECONDS_A_DRAW = 6e-6


@dataclass(frozen=True)
class RepresentationHarmParams(Params):
    """How the interval is made, and what the diagonal counts."""

    bootstraps: int = param(
        2000, "Bootstrap draws of seeds and samples behind each interval.", low=200, high=20_000, log=True
    )
    self_pairs: bool = param(
        False,
        "Count a sample's cosine with itself in its own class, as the authors' code does. Only the diagonal changes.",
    )
    seed: int = param(0, "Seed of the bootstrap.", low=0, high=2**31 - 1)


def compute(inputs: FamilyInputs, params: RepresentationHarmParams) -> Result:
    """Compute the representation harm of the family that a run belongs to."""
    study = gather_study(inputs)
    loaded = _load(study)
    samples = shared_samples(list(loaded.values()), list(study.experiments))
    harms = []
    for place, (name, pairs) in enumerate(study.experiments.items()):
        members = [(loaded[twins.rare.name], loaded[twins.balanced.name]) for twins in pairs]
        done = (place, len(study.experiments))
        harms.append(ClassHarm(name, pairs, _estimate(inputs, members, samples, samples.place(name), params, done)))
    quantities = _quantities(harms[0], samples)
    left_out = f"left out, their twin is not open: {', '.join(study.incomplete)}" if study.incomplete else ""
    notes = (
        f"paired seeds: {harms[0].estimate.seeds} of class {study.own_class}",
        f"self-pairs {'included in' if params.self_pairs else 'left out of'} the cosine of a class with itself",
        f"view: {inputs.own.embedding_set.view_names[0]}",
        f"{params.bootstraps:,} bootstrap draws",
        *samples.notes,
        *([left_out] if left_out else []),
    )
    return Result(
        SPEC.name,
        inputs.run,
        quantities,
        views(harms, samples, quantities, inputs.run),
        findings(harms, samples, inputs.own.snapshot.layer, study.incomplete),
        inputs.own.plain_caveats(len(samples.rows), samples.excluded, seed=params.seed, notes=notes),
        params.as_dict(),
    )


def _load(study: Study) -> dict[str, SetInputs]:
    members = {
        member.name: member
        for pairs in study.experiments.values()
        for twins in pairs
        for member in (twins.rare, twins.balanced)
    }
    return {name: member.load() for name, member in members.items()}


def _estimate(
    inputs: FamilyInputs, members: list[tuple[SetInputs, SetInputs]], samples: SharedSamples, row: int,
    params: RepresentationHarmParams, part: tuple[int, int],
) -> HarmEstimate:  # fmt: skip
    """Return the estimate of one class; it is kept with its first run, so that the whole family shares it."""
    prints = tuple((rare.embedding_set.fingerprint, even.embedding_set.fingerprint) for rare, even in members)
    key = ("representation harm", prints, row, samples.digest, tuple(params.as_dict().items()))

    def report(done: float, message: str) -> None:
        inputs.progress((part[0] + done) / part[1], message)

    return members[0][0].remember(
        key,
        lambda: estimate_harm(
            [(unit_rows_of(rare, samples), unit_rows_of(even, samples)) for rare, even in members],
            samples.codes,
            row,
            bootstraps=params.bootstraps,
            seed=params.seed,
            self_pairs=params.self_pairs,
            progress=report,
        ),
    )


def _quantities(harm: ClassHarm, samples: SharedSamples) -> Mapping[str, Quantity]:
    estimate, values = harm.estimate, harm.estimate.values
    others = harm.others
    nearest = harm.nearest
    found: dict[str, tuple[float | None, Interval | None]] = {
        "nearest": (None, None) if nearest is None else (float(values[nearest]), estimate.interval(nearest)),
        "mean_others": (None, None)
        if not len(others)
        else (float(values[others].mean()), estimate.interval_of_mean(others)),
        "own_class": (None, None)
        if math.isnan(values[estimate.row])
        else (float(values[estimate.row]), estimate.interval(estimate.row)),
        "paired_seeds": (float(estimate.seeds), None),
    }
    return {
        spec.name: Quantity(
            spec.name,
            spec.label,
            found[spec.name][0],
            spec.unit,
            found[spec.name][1],
            len(samples.rows),
            range=spec.range,
            reference=1.0 if spec.name != "paired_seeds" else None,
            reference_label="as in the balanced twin" if spec.name != "paired_seeds" else "",
            missing="" if found[spec.name][0] is not None else "open a twin whose classes do not coincide",
        )
        for spec in SPEC.quantities
    }


def seconds(inputs: FamilyInputs, params: RepresentationHarmParams) -> float:
    """Return about how long the bootstrap takes."""
    study = gather_study(inputs)
    runs = sum(2 * len(pairs) for pairs in study.experiments.values())
    own = inputs.own.embedding_set
    return params.bootstraps * own.n * (runs * own.dim / _PRODUCTS_A_SECOND + _SECONDS_A_DRAW / 200)


def _ratio(name: str, label: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "ratio of distances", (0.0, math.inf))


SPEC = DiagnosticSpec(
    name="representation_harm",
    title="Representation harm",
    question="Has a class that was rare in training moved towards another?",
    section="Groups",
    page="groups/representation_harm",
    needs="family",
    tells="outcome",
    params=RepresentationHarmParams,
    compute=compute,
    seconds=seconds,
    quantities=(
        _ratio("nearest", "RH, lowest", "Lowest RH of the rare class towards another class; 1: none, below 1: nearer."),
        _ratio("mean_others", "RH, mean", "Mean RH of the rare class over all other classes."),
        _ratio("own_class", "RH, own class", "RH of the rare class towards itself; above 1: it is less tight."),
        QuantitySpec(
            "paired_seeds", "Paired seeds", "Pairs of runs, one a seed, that were averaged.", "pairs", (0.0, math.inf)
        ),
    ),
    definition=(
        "Two encoders are trained alike, but in the training data of one a class k is rare. C is the mean cosine "
        "between the samples of two classes, on the same evaluation samples for both. RH is the distance 1 - C of "
        "class k to class l where k is rare, divided by the same distance in the balanced twin. Cosines are averaged "
        "over seeds before the ratio."
    ),
    formula=(
        r"C^{(m)}_{kl} = \frac{1}{n_k n_l} \sum_{i \in k} \sum_{j \in l} z_i \cdot z_j, \quad "
        r"\mathrm{RH}_{kl} = \frac{1 - \overline{C^{(k)}_{kl}}}{1 - \overline{C^{(0)}_{kl}}}"
    ),
    reading=(
        "1 means that the class lies as far from the other as in the balanced twin. Below 1 it moved towards it: "
        "samples of the rare class are represented like those of the other, a harm before any classifier is trained. "
        "Above 1 it moved away. On the diagonal a value above 1 means that the rare class is less tight. The matrix is "
        "not symmetric: its row is the class that was rare. Its blue cells are the ones to look at. An interval that "
        "includes 1 shows neither harm nor its absence; more paired seeds make it narrower."
    ),
    traps=(
        "RH needs the balanced twin: the cosines of a single run only describe it. Runs are matched by their cards: "
        "under_represented_class, balanced_twin, seed, family or recipe, and imbalance_ratio. The authors measure the "
        "backbone, on a balanced evaluation set that was not trained on; a projector may show more or less. They count "
        "a sample's cosine with itself on the diagonal, which adds (1 - C)/n_k and is left out here unless asked for. "
        "Their printed +- adds the spread of a cosine over seeds to a standard error over pairs: it is no error of the "
        "ratio, and pairs are not independent. Here seeds and samples are drawn together, the same for a run and its "
        "twin; with fewer than ten seeds that interval is too narrow for other seeds, so a finding also asks a t "
        "interval over seeds, at a level that allows for all classes that were looked at. RH grows without bounds "
        "where a class is very tight in the balanced twin. The limits of the levels are rules of thumb."
    ),
    sources=(MAITY,),
    thresholds=(harm.REPRESENTATION_HARM,),
)
