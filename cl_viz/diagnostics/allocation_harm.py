"""Does a rare class lose accuracy because of the encoder, or because of the probe's labels?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Quantity, Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._groups.harm_family import (
    SharedSamples,
    Study,
    Twins,
    gather_study,
    shared_samples,
    unit_rows_of,
)
from cl_viz.diagnostics._groups.mediation_effects import STATES, Codes, Effect, Mediation, State, mediate
from cl_viz.diagnostics._groups.mediation_probes import (
    FOLDS,
    GRID,
    TEST_SHARE,
    ProbeAnswers,
    Split,
    answer,
    seconds_a_probe,
)
from cl_viz.diagnostics._groups.mediation_results import ClassMediation, ProbeLine, findings, views
from cl_viz.diagnostics._thresholds import harm
from cl_viz.diagnostics._thresholds.harm import MAITY
from cl_viz.engine.inputs import FamilyInputs, SetInputs


@dataclass(frozen=True)
class AllocationHarmParams(Params):
    """How probes are trained, and how intervals are made."""

    splits: int = param(
        2, "Splits of the evaluation samples into training and test samples of the probes; shared by all runs.", low=1,
        high=20,
    )  # fmt: skip
    imbalance_ratio: int = param(
        100,
        "Where the probe's labels are imbalanced, one in so many training samples of the rare class is kept.",
        low=2,
        high=1000,
        log=True,
        card_key="imbalance_ratio",
    )
    bootstraps: int = param(
        2000, "Bootstrap draws of seeds and samples behind each interval.", low=200, high=20_000, log=True
    )
    seed: int = param(0, "Seed of the splits, of the thinning and of the bootstrap.", low=0, high=2**31 - 1)


@dataclass
class _ProbeRoom:
    """Fits probes, each at most once a run: what was fitted before a stop is kept with the run's set."""

    samples: SharedSamples
    splits: list[Split]
    ratio: int
    total: int
    report: Callable[[float, str], None]
    done: set[tuple[str, int, int]] = field(default_factory=set)
    lines: dict[tuple[str, int, int], ProbeLine] = field(default_factory=dict)

    def answers(self, run: SetInputs, row: int, imbalanced: int) -> list[Codes]:
        """Return what the probes of a run say, one array a split; `imbalanced` thins class `row` in training."""
        return [self._one(run, row if imbalanced else -1, split) for split in self.splits]

    def _one(self, run: SetInputs, rare: int, split: Split) -> Codes:
        codes = self.samples.codes
        train = split.train if rare < 0 else split.thinned(codes, rare, self.ratio)
        key = ("mediation probe", self.samples.digest, split.seed, rare, self.ratio if rare >= 0 else 0)
        place = (run.run, split.seed, rare)
        labels = "balanced" if rare < 0 else f"class {self.samples.names[rare]} rare"

        def fit() -> ProbeAnswers:
            self.report(min(1.0, len(self.done) / self.total), f"probe on {run.run}, labels {labels}")
            return answer(unit_rows_of(run, self.samples), codes, train, split.test)

        found = run.remember(key, fit)
        self.done.add(place)
        self.lines[place] = ProbeLine(run.run, labels, split.seed, found.regularisation, len(train), found.converged)
        return found.predicted


def compute(inputs: FamilyInputs, params: AllocationHarmParams) -> Result:
    """Compute the allocation harm of the family that a run belongs to."""
    study = gather_study(inputs)
    loaded = {
        member.name: member.load()
        for pairs in study.experiments.values()
        for twins in pairs
        for member in (twins.rare, twins.balanced)
    }
    samples = shared_samples(list(loaded.values()), list(study.experiments))
    _check_size(samples, inputs.run)
    splits = [Split.of(len(samples.rows), params.seed + number) for number in range(params.splits)]
    room = _ProbeRoom(samples, splits, params.imbalance_ratio, _probe_count(study) * params.splits, inputs.progress)
    harms = [
        ClassMediation(name, _mediation(room, samples.place(name), pairs, loaded, params, inputs.run))
        for name, pairs in study.experiments.items()
    ]
    inputs.progress(1.0, "done")
    return Result(
        SPEC.name,
        inputs.run,
        _quantities(harms[0].mediation),
        views(harms, samples.names, list(room.lines.values()), inputs.run),
        findings(harms, samples.names, inputs.own.snapshot.layer, study.incomplete),
        inputs.own.plain_caveats(
            len(samples.rows), samples.excluded, seed=params.seed, notes=_notes(room, harms[0], study)
        ),
        params.as_dict(),
    )


def _check_size(samples: SharedSamples, run: str) -> None:
    if len(samples.names) < 2 or samples.counts.max() < 2 * FOLDS or len(samples.rows) < 4 * FOLDS:
        raise MissingInputError(
            f"samples and classes are too few for probes: {len(samples.rows)} and {len(samples.names)}", where=run,
            remedy="add labelled evaluation samples",
        )  # fmt: skip


def _mediation(
    room: _ProbeRoom, row: int, pairs: tuple[Twins, ...], loaded: Mapping[str, SetInputs],
    params: AllocationHarmParams, run: str,
) -> Mediation:  # fmt: skip
    predicted: dict[State, list[list[Codes]]] = {state: [] for state in STATES}
    for twins in pairs:
        for imbalanced, encoder in STATES:
            member = twins.rare if encoder else twins.balanced
            predicted[imbalanced, encoder].append(room.answers(loaded[member.name], row, imbalanced))
    own = (room.samples.codes == row).nonzero()[0]
    found = mediate(
        row,
        len(room.samples.names),
        own,
        [split.test for split in room.splits],
        predicted,
        bootstraps=params.bootstraps,
        seed=params.seed,
    )
    if found is None:
        raise MissingInputError(
            f"no split tests a sample of class {room.samples.names[row]}", where=run,
            remedy="add evaluation samples of the rare class, or splits",
        )  # fmt: skip
    return found


def _probe_count(study: Study) -> int:
    """Return the number of different probes a split: balanced labels once a run, imbalanced ones once a class too."""
    balanced = {member.name for pairs in study.experiments.values() for t in pairs for member in (t.rare, t.balanced)}
    return len(balanced) + sum(2 * len(pairs) for pairs in study.experiments.values())


def _notes(room: _ProbeRoom, harm: ClassMediation, study: Study) -> tuple[str, ...]:
    row = harm.mediation.row
    kept = [
        int((room.samples.codes[split.thinned(room.samples.codes, row, room.ratio)] == row).sum())
        for split in room.splits
    ]
    whole = [int((room.samples.codes[split.train] == row).sum()) for split in room.splits]
    failed = sum(not line.converged for line in room.lines.values())
    notes = [
        f"paired seeds: {harm.mediation.seeds} of class {harm.name}",
        f"probes: logistic, unit rows, C of {', '.join(f'{c:g}' for c in GRID)} by {FOLDS}-fold cross-validation",
        f"splits: {len(room.splits)}, of {1 - TEST_SHARE:.0%} to {TEST_SHARE:.0%}, the same for all runs",
        f"imbalanced labels keep {', '.join(map(str, kept))} of {', '.join(map(str, whole))} training samples of class "
        f"{harm.name}, by split",
        "intervals are conditional on the fitted probes",
    ]
    notes.extend(room.samples.notes)
    if failed:
        notes.append(f"{failed} of {len(room.lines)} probes did not converge")
    if study.incomplete:
        notes.append(f"left out, their twin is not open: {', '.join(study.incomplete)}")
    return tuple(notes)


def _quantities(found: Mediation) -> dict[str, Quantity]:
    return {
        spec.name: Quantity(
            spec.name,
            spec.label,
            float(found.values(name)[found.row]),
            spec.unit,
            found.interval(name, found.row),
            found.samples,
            "test samples of the class",
            spec.range,
            reference=None if name == "accuracy" else 0.0,
            reference_label="" if name == "accuracy" else "no effect",
        )
        for name, spec in _SPECS.items()
    }


def seconds(inputs: FamilyInputs, params: AllocationHarmParams) -> float:
    """Return about how long all probes take; those that are kept from before take none."""
    own = inputs.own.embedding_set
    labels = own.codes("label")
    classes = 2 if labels is None else len(labels[1])
    return _probe_count(gather_study(inputs)) * params.splits * seconds_a_probe(own.n, own.dim, classes)


def _effect(name: Effect, label: str, definition: str, limit: float = 1.0) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "share", (-limit, limit))


_SPECS: Mapping[Effect, QuantitySpec] = {
    "indirect_effect": _effect(
        "indirect_effect", "NIE", "Change of the class's accuracy from the encoder alone: Y(0, M_k) - Y(0, M_0)."
    ),
    "total_effect": _effect(
        "total_effect", "TE", "Change of its accuracy from encoder and labels together: Y(1, M_k) - Y(0, M_0)."
    ),
    "reverse_direct_effect": _effect(
        "reverse_direct_effect", "rNDE", "What balanced labels give back on that encoder: Y(0, M_k) - Y(1, M_k)."
    ),
    "direct_effect": _effect(
        "direct_effect", "NDE", "Change from the labels alone, on the balanced encoder: Y(1, M_0) - Y(0, M_0)."
    ),
    "interaction": _effect("interaction", "Interaction", "TE - NDE - NIE: what the two do only together.", 2.0),
    "accuracy": QuantitySpec(
        "accuracy", "Accuracy, both balanced", "Accuracy of the class with nothing imbalanced: Y(0, M_0).", "share",
        (0.0, 1.0), "higher",
    ),
}  # fmt: skip

SPEC = DiagnosticSpec(
    name="allocation_harm",
    title="Allocation harm",
    question="Does a rare class lose accuracy through the encoder?",
    section="Groups",
    page="groups/allocation_harm",
    needs="family",
    tells="outcome",
    params=AllocationHarmParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=tuple(_SPECS.values()),
    definition=(
        "A class can be rare twice: in the pretraining of the encoder (M) and among the labels of the probe (T). "
        "Y(t, m) is the confusion row of that class, normalised, of a logistic probe on an encoder m: with all its "
        "labels (t = 0), or with only one in so many of the rare class (t = 1). The encoder is the mediator: the "
        "natural indirect effect changes the encoder alone, and is the harm that no balanced probe takes back. Rows "
        "are averaged over seeds and splits; each effect has an entry for every predicted class, and these sum to 0."
    ),
    formula=(
        r"\mathrm{TE} = Y(1, M_k) - Y(0, M_0), \quad \mathrm{NIE} = Y(0, M_k) - Y(0, M_0), \quad "
        r"\mathrm{rNDE} = Y(0, M_k) - Y(1, M_k), \quad \mathrm{TE} = \mathrm{NIE} - \mathrm{rNDE}, \quad "
        r"\mathrm{NDE} = Y(1, M_0) - Y(0, M_0)"
    ),
    reading=(
        "On the class itself a negative NIE is accuracy that the encoder costs although the probe's labels are "
        "balanced; a positive entry at another class says where the samples went. A large TE with a small NIE means "
        "that the probe's labels do the damage, and balancing them mends it. The interaction says what the two do "
        "only together: TE is NDE + NIE + interaction. The figures draw -rNDE, so that TE is the sum of the other two. "
        "In the authors' figure for CIFAR10 NIE is 8 to 17 % of TE, and does not vanish with a balanced probe."
    ),
    traps=(
        "It takes a balanced and an under-represented encoder; a single checkpoint cannot show it. The authors' older "
        "helper calls the negative quantity rNDE. Their script draws the thinned samples without a seed and keeps "
        "n // ratio of them, which can be none: here the draw is seeded, at least one sample is kept, and all runs "
        "lose the same ones, so that encoder and labels are not confounded. Their +- divides a spread over runs by "
        "the root of the test samples although runs share them, and is too small. Here samples of the class and seeds "
        "are drawn together, the same in every state, given the fitted probes. With fewer than ten seeds that is too "
        "narrow for other seeds, so a finding also asks a t interval over seeds. The splits are not stratified, as in "
        "the authors' code. The limits of the levels are rules of thumb."
    ),
    sources=(MAITY,),
    thresholds=(harm.INDIRECT_EFFECT,),
)
