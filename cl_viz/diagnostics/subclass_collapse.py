"""Do classes keep their subclasses apart?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Reference, Series, View
from cl_viz.diagnostics._groups.decodability import Decoded, decode, decode_seconds
from cl_viz.diagnostics._groups.judgement import BARS, HEATED, percent
from cl_viz.diagnostics._groups.labelled_view import ViewParams
from cl_viz.diagnostics._groups.nested_rows import LEAST, Nested, NestedScatter
from cl_viz.diagnostics._groups.probe_params import probe_regularisation, probe_scaling
from cl_viz.diagnostics._groups.probes import group_counts, probe_rows
from cl_viz.diagnostics._proportions import wilson
from cl_viz.diagnostics._thresholds import downstream
from cl_viz.diagnostics._thresholds import suppression as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class SubclassCollapseParams(ViewParams):
    """How the probes are fitted and judged."""

    regularisation: float = probe_regularisation()
    scaling: Literal["standardised", "unit", "stored"] = probe_scaling()
    shuffles: int = param(
        19, "Shuffled columns that the probe is compared with; 19 give p down to 0.05.", low=19, high=999
    )
    most_samples: int = param(
        4000, "Samples that are used, drawn by subclass where there are more.", low=100, high=100_000, log=True
    )
    seed: int = param(0, "Seed of the split, the shuffles and that draw.", low=0, high=10_000)


def seconds(inputs: SetInputs, params: SubclassCollapseParams) -> float:
    """Return about how long the probes take."""
    nested = Nested.of(inputs, params.view, params.most_samples, params.seed)
    count = len(np.unique(nested.classes)) or 1
    values = len(nested.subclass_names) / count
    one = decode_seconds(len(nested.rows), inputs.embedding_set.dim, int(np.ceil(values)), params.shuffles)
    return one + 0.03 * count * params.shuffles


def compute(inputs: SetInputs, params: SubclassCollapseParams) -> Result:
    """Probe the subclass within each class, and the class itself."""
    nested = Nested.of(inputs, params.view, params.most_samples, params.seed)
    view = nested.found.view
    scatter = NestedScatter.of(inputs, view, nested)
    rows = probe_rows(inputs.embedding_set, view, nested.rows, params.scaling)
    common = {"seed": params.seed, "regularisation": params.regularisation, "scaling": params.scaling}
    decoded = inputs.remember(
        ("subclass probe", params.view, params.most_samples, params.shuffles, *common.values()),
        lambda: decode(
            rows, nested.subclasses, parts=nested.classes, draws=params.shuffles,
            report=lambda done: inputs.progress(0.9 * done, "probing the subclasses"), **common,  # type: ignore[arg-type]
        ),
    )  # fmt: skip
    several = len(np.unique(nested.classes)) > 1
    of_class = decode(rows, nested.classes, draws=0, **common) if several else None  # type: ignore[arg-type]
    inputs.progress(1.0, "probed")
    quantities = _quantities(decoded, of_class, scatter)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(decoded, nested, inputs.run),
        findings=(_finding(decoded, of_class), *_variance(quantities, scatter)),
        caveats=inputs.plain_caveats(
            len(nested.rows),
            nested.found.excluded,
            normalised=params.scaling == "unit",
            centred=params.scaling == "standardised",
            seed=params.seed,
            notes=(
                f"view looked at: {view}, {len(nested.rows):,} samples of {len(nested.subclass_names):,} subclasses in "
                f"{len(scatter.sizes):,} classes; smaller subclasses than {LEAST} left out",
                f"logistic regression, C = {params.regularisation:g}, rows {params.scaling}; {decoded.n_test:,} "
                f"held-out samples, {params.shuffles} shuffles within classes",
                "variances on rows of unit length",
                *(() if decoded.converged else ("a fit stopped at its limit of iterations",)),
            ),
        ),
        params=params.as_dict(),
    )


def _quantities(decoded: Decoded, of_class: Decoded | None, scatter: NestedScatter) -> dict[str, Quantity]:
    rows, test = int(scatter.sizes.sum()), decoded.n_test
    no_class = "add samples of a second class"
    flat = "look for complete collapse: the rows of a class do not differ"
    values: dict[str, tuple[float | None, Interval | None, int, float | None, str, str]] = {
        "subclass_accuracy": (
            decoded.accuracy, decoded.interval, test, decoded.chance, "largest subclass of each class", "",
        ),
        "subclass_skill": (decoded.skill, decoded.beyond_chance(1.0), test, 0.0, "chance", ""),
        "p_value": (
            decoded.p_value, None, len(decoded.null), _thresholds.SUBCLASS_BY_CHANCE.watch, "level of the test", "",
        ),
        "class_accuracy": (
            None if of_class is None else of_class.accuracy,
            None if of_class is None else of_class.interval,
            test if of_class is None else of_class.n_test,
            None if of_class is None else of_class.chance,
            "" if of_class is None else "largest class",
            no_class,
        ),
        "subclass_share": (
            scatter.share, None, rows, None if scatter.share is None else scatter.shuffled_share, "shuffled subclasses",
            flat,
        ),
        "subclass_to_class": (
            scatter.to_classes, None, rows, None, "", no_class if of_class is None else "check that class means differ",
        ),
    }  # fmt: skip
    made = {}
    for spec in SPEC.quantities:
        value, interval, count, reference, label, missing = values[spec.name]
        unit = {"p_value": "shuffles", "subclass_share": "samples", "subclass_to_class": "samples"}
        made[spec.name] = Quantity(
            spec.name, spec.label, value, spec.unit, interval, count, unit.get(spec.name, "held-out samples"),
            spec.range, reference, label if reference is not None else "", missing if value is None else "",
        )  # fmt: skip
    return made


def _finding(decoded: Decoded, of_class: Decoded | None) -> Finding:
    ends, size = decoded.interval, f"{decoded.n_test:,} held-out samples, N = {decoded.n:,}"
    at_chance = _thresholds.SUBCLASS_BY_CHANCE.level(decoded.p_value) != "good"
    level = downstream.SKILL.level(decoded.skill)
    class_read = of_class is not None and downstream.SKILL.level(of_class.skill) == "good"
    numbers = (
        f"for {percent(decoded.accuracy)} [{percent(ends.low, '')}, {percent(ends.high, '')}] "
        f"(largest subclass: {percent(decoded.chance)}, {_p_text(decoded)}, {size})."
    )
    message = f"A probe reads the subclass within its class {numbers}"
    skill = decoded.beyond_chance(1.0)
    if class_read and at_chance and skill is not None and downstream.SKILL.level(skill.high) == "good":
        # A subclass that is read well is not ruled out: nothing is blamed for want of samples.
        level, message = "watch", f"Too few held-out samples to say whether the subclass is read: {numbers}"
    elif class_read and at_chance:
        assert of_class is not None
        level = "bad"
        message = (
            f"The class is read for {percent(of_class.accuracy)} and its subclass no better than chance, "
            f"{percent(decoded.accuracy)} (shuffled columns: {_p_text(decoded)}, {size})."
        )
    elif at_chance:
        level = "watch"
        message = (
            f"The subclass is read no better than chance, {percent(decoded.accuracy)} ("
            f"{_p_text(decoded)}, {size}); neither is the class read well."
        )
    advice = (
        "Add a self-supervised term or augmentations that keep samples of one class apart, or take an earlier layer."
    )
    return Finding(SPEC.name, level, message, "" if level == "good" else advice, _thresholds.XUE, "subclass_accuracy")


def _p_text(decoded: Decoded) -> str:
    """Return p with its sign: so few shuffles tell it from above only where none reads as well as the true column."""
    shuffles = len(decoded.null)
    floor = 1 / (shuffles + 1)
    sign = "<=" if decoded.p_value <= floor * (1 + 1e-9) else "="
    return f"p {sign} {format_number(decoded.p_value, 2)} ({shuffles} shuffles)"


def _variance(quantities: dict[str, Quantity], scatter: NestedScatter) -> tuple[Finding, ...]:
    """Return whether subclasses vanish beside classes: neighbours see variance, where a probe sees any direction."""
    ratio, share = quantities["subclass_to_class"], quantities["subclass_share"]
    if ratio.value is None or share.value is None:
        return ()
    level = _thresholds.NESTED_VARIANCE.level(ratio.value)
    message = (
        f"Subclasses lie apart by {percent(ratio.value)} of the variance between classes"
        f" ({percent(share.value)} of that within classes; {percent(share.reference or 0.0)} if they were shuffled; "
        f"N = {ratio.n:,}).{open_level(ratio, _thresholds.NESTED_VARIANCE.level)}"
    )
    advice = "Expect neighbours and clusters to see the classes only, even where a probe still reads the subclasses."
    if not scatter.beyond_chance:
        # Beside classes that hardly differ, chance alone looks large.
        level = "watch" if level == "good" else level
        message = (
            f"Subclasses lie no farther apart than shuffled ones: {percent(share.value)} of the variance within "
            f"classes, {percent(share.reference or 0.0)} by chance (N = {ratio.n:,}); that is "
            f"{percent(ratio.value)} of the variance between classes."
        )
    return (
        Finding(
            SPEC.name, level, message, "" if level == "good" else advice, _thresholds.NESTED_VARIANCE.source,
            "subclass_to_class",
        ),
    )  # fmt: skip


def _views(decoded: Decoded, nested: Nested, run: str) -> dict[str, View]:
    counts = group_counts(decoded.codes == decoded.predicted, decoded.codes, len(nested.subclass_names))
    order = np.argsort(counts.shares, kind="stable")[:BARS]
    order = order[counts.counts[order] > 0]
    ends = [wilson(int(counts.hits[i]), int(counts.counts[i])) for i in order]
    names = np.array([nested.subclass_names[i] for i in order], dtype=object)
    lowest = f"{names[0]} is read least: {percent(float(counts.shares[order[0]]))}"
    found: dict[str, View] = {
        "null": _null(decoded, run),
        "recalls": Bars(
            lowest,
            Axis("Class / subclass"),
            Axis("Recall within the class", "share of held-out samples", (0.0, 1.0)),
            (Series("recall", names, counts.shares[order], run=run, n=decoded.n_test,
                    low=np.array([end.low for end in ends]), high=np.array([end.high for end in ends])),),
            (Reference("largest subclass", decoded.chance, "y"),),
        ),
    }  # fmt: skip
    if len(nested.subclass_names) <= HEATED:
        table = decoded.confusion(len(nested.subclass_names)).astype(np.float64)
        table /= np.maximum(1, table.sum(axis=1, keepdims=True))
        found["confusion"] = Heatmap(
            f"{percent(decoded.accuracy)} of held-out samples on the diagonal",
            Axis("Predicted, within the class"),
            Axis("Subclass"),
            table,
            nested.subclass_names,
            nested.subclass_names,
            Axis("Held-out samples of the subclass", "share", (0.0, 1.0)),
            run=run,
            n=decoded.n_test,
        )
    return found


def _null(decoded: Decoded, run: str) -> Histogram:
    """Accuracies with shuffled subclasses, and the one that was found."""
    edges = np.linspace(0.0, 1.0, 51)
    share = np.histogram(decoded.null, edges)[0] / len(decoded.null)
    return Histogram(
        f"Subclass read for {percent(decoded.accuracy)}; shuffled for {percent(float(decoded.null.mean()))} on average",
        Axis("Accuracy within the class", "share of held-out samples", (0.0, 1.0)),
        Axis("Shuffles", "share", (0.0, 1.0)),
        (Series("shuffled subclasses", edges, share, run=run, n=len(decoded.null)),),
        (Reference("found", decoded.accuracy), Reference("largest subclass", decoded.chance)),
        n=decoded.n_test,
    )


SPEC = DiagnosticSpec(
    name="subclass_collapse",
    title="Subclass collapse",
    question="Do classes keep their subclasses apart?",
    section="Groups",
    page="groups/suppression",
    needs="set",
    params=SubclassCollapseParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=(
        QuantitySpec("subclass_accuracy", "Subclass probe", "Share of held-out samples whose subclass a linear probe, "
                     "fitted within their class, names.", "share", (0.0, 1.0), "higher"),
        QuantitySpec("subclass_skill", "Subclass skill", "Share of the way from chance (the largest subclass of the "
                     "class) to certainty; below 0 where it is worse than that.", "share", None, "higher"),
        QuantitySpec("p_value", "p of the probe", "Share of shuffled columns, the true one among them, that a probe "
                     "reads as well.", "probability", (0.0, 1.0), "lower"),
        QuantitySpec("class_accuracy", "Class probe", "Share of held-out samples whose class a linear probe names.",
                     "share", (0.0, 1.0), "higher"),
        QuantitySpec("subclass_share", "Variance between subclasses, of that within classes", "tr S_sub over the "
                     "variance within classes.", "share", (0.0, 1.0), "higher"),
        QuantitySpec("subclass_to_class", "Variance between subclasses over that between classes",
                     "tr S_sub over tr S_class.", "ratio", None, "higher"),
    ),
    definition=(
        "A loss that pulls a class together may leave nothing of its subclasses: class collapse. A linear probe, "
        "fitted to three quarters of each class and judged on the rest, names the subclass among those of the same "
        "class. The same is done with subclasses shuffled within their class. S_sub is the scatter of subclass means "
        "around the mean of their class, S_class that of class means around the mean of all."
    ),
    formula=(
        r"S_{\mathrm{sub}} = \frac1N\sum_s n_s \lVert \mu_s - \mu_{c(s)} \rVert^2, \quad"
        r" S_{\mathrm{class}} = \frac1N\sum_c n_c \lVert \mu_c - \mu \rVert^2, \quad"
        r" \mathrm{skill} = \frac{\mathrm{acc} - \mathrm{chance}}{1 - \mathrm{chance}}"
    ),
    reading=(
        "Collapse has two signs together: the probe is at chance, and the variance between subclasses goes to 0 (to "
        "what shuffling gives). A small share of variance with a good probe means that the subclasses are still there, "
        "only small: neighbours will not see them. Compare with a run trained without the class labels."
    ),
    traps=(
        "With many dimensions a probe fits any labels: only held-out samples and the shuffled columns count. The share "
        "of variance is above 0 for shuffled subclasses too, by (S - 1)/(n - 1) in a class of n samples and S "
        "subclasses, and that is drawn beside it. A subclass name that occurs in two classes is two subclasses. The "
        "smallest p that 19 shuffles can give is 0.05."
    ),
    sources=(_thresholds.XUE, _thresholds.NESTED_VARIANCE.source, downstream.LANDIS_KOCH),
    thresholds=(_thresholds.SUBCLASS_BY_CHANCE, downstream.SKILL, _thresholds.NESTED_VARIANCE),
)  # fmt: skip
