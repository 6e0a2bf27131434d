"""Do classes keep their subclasses apart?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Quantity, Result, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.validation import row_blocks
from cl_viz.core.view import Axis, Bars, Heatmap, Histogram, Reference, Series, View
from cl_viz.diagnostics._decodability import Decoded, decode, decode_seconds
from cl_viz.diagnostics._judgement import BARS, HEATED, percent
from cl_viz.diagnostics._labelled_view import LabelledView, ViewParams, labelled_view
from cl_viz.diagnostics._probes import Codes, Scaling, classes_of_size, group_counts, probe_rows, stratified_sample
from cl_viz.diagnostics._proportions import wilson
from cl_viz.diagnostics._thresholds import downstream
from cl_viz.diagnostics._thresholds import suppression as _thresholds
from cl_viz.engine.inputs import SetInputs

LEAST = 8
"""Samples of the smallest subclass that is judged: two of them are held out."""
TEST_LEVEL = 0.05


@dataclass(frozen=True)
class SubclassCollapseParams(ViewParams):
    """How the probes are fitted and judged."""

    regularisation: float = param(
        1.0, "C of the logistic regression: low holds the coefficients near 0.", low=1e-4, high=1e4, log=True
    )
    scaling: str = param(
        "standardised",
        "Rows given to the probe: columns of mean 0 and variance 1 over the training part, unit length, or as stored.",
        choices=("standardised", "unit", "stored"),
    )
    shuffles: int = param(
        19, "Shuffled columns that the probe is compared with; 19 give p down to 0.05.", low=19, high=999
    )
    most_samples: int = param(
        4000, "Samples that are used, drawn by subclass where there are more.", low=100, high=100_000, log=True
    )
    seed: int = param(0, "Seed of the split, the shuffles and that draw.", low=0, high=10_000)


@dataclass(frozen=True)
class Nested:
    """Rows with a class and a subclass.

    Attributes
    ----------
    found : LabelledView
        Rows with a label.
    rows, classes, subclasses : NDArray[np.int64], shape (n,)
        Rows of the view; a subclass that occurs in two classes is two.
    class_names, subclass_names : tuple of str
    """

    found: LabelledView
    rows: Codes
    classes: Codes
    subclasses: Codes
    class_names: tuple[str, ...]
    subclass_names: tuple[str, ...]

    @classmethod
    def of(cls, inputs: SetInputs, params: SubclassCollapseParams) -> Nested:
        """Return the rows of subclasses that are large enough, in classes that have two such or more.

        Raises
        ------
        MissingInputError
            If labels or subclasses are missing, or no class has two subclasses.
        """
        embedding_set = inputs.embedding_set
        found = labelled_view(embedding_set, params.view)
        labelled_view(embedding_set, params.view, "subclass")
        every = embedding_set.codes("subclass")
        assert every is not None
        codes = every[0][params.view - 1][found.rows]
        joint = np.where(codes >= 0, found.codes * len(every[1]) + codes, -1)
        _, joint = np.unique(joint, return_inverse=True) if (codes >= 0).all() else _numbered(joint)
        kept = classes_of_size(joint, LEAST)
        kept[kept] = _with_two(found.codes[kept], joint[kept])
        if not kept.any():
            raise MissingInputError(
                f"no class has two subclasses of {LEAST} samples or more",
                where=inputs.run,
                remedy="choose a finer column as the subclass and a coarser one as the label (Data page)",
            )
        place = np.flatnonzero(kept)
        place = place[stratified_sample(joint[place], params.most_samples, params.seed)]
        names = []
        for code in np.unique(joint[place]):
            first = place[joint[place] == code][0]
            names.append(f"{found.names[found.codes[first]]} / {every[1][codes[first]]}")
        _, subclasses = np.unique(joint[place], return_inverse=True)
        return cls(found, found.rows[place], found.codes[place], subclasses, found.names, tuple(names))


def _numbered(joint: Codes) -> tuple[Codes, Codes]:
    """Number the values that are not missing, and leave -1 where they are."""
    known, place = np.unique(joint[joint >= 0], return_inverse=True)
    numbered = np.full(len(joint), -1, dtype=np.int64)
    numbered[joint >= 0] = place
    return known, numbered


def _with_two(classes: Codes, subclasses: Codes) -> NDArray[np.bool_]:
    """Return which rows belong to a class of two subclasses or more."""
    pairs = np.unique(np.stack([classes, subclasses], axis=1), axis=0)
    count = np.bincount(pairs[:, 0], minlength=int(classes.max(initial=0)) + 1)
    found: NDArray[np.bool_] = count[classes] >= 2
    return found


@dataclass(frozen=True)
class NestedScatter:
    """Sums of squares of unit rows.

    Attributes
    ----------
    within : NDArray[np.float64], shape (K,)
        Around the mean of each class.
    between_subclasses : NDArray[np.float64], shape (K,)
        Of the subclass means around the mean of their class, weighted by size.
    between_classes : float
        Of the class means around the mean of all rows, weighted by size.
    sizes, subclasses : NDArray[np.int64], shape (K,)
        Rows and subclasses of each class.
    """

    within: NDArray[np.float64]
    between_subclasses: NDArray[np.float64]
    between_classes: float
    sizes: Codes
    subclasses: Codes

    @classmethod
    def of(cls, inputs: SetInputs, view: str, nested: Nested) -> NestedScatter:
        """Add up unit rows by subclass, block by block; two passes, so that nothing cancels."""
        _, classes = np.unique(nested.classes, return_inverse=True)
        subclasses = nested.subclasses
        dim, counts = inputs.embedding_set.dim, np.bincount(subclasses)
        owner = np.zeros(len(counts), dtype=np.int64)
        owner[subclasses] = classes
        sums = np.zeros((len(counts), dim))
        blocks = list(row_blocks(np.broadcast_to(np.float64(0), (len(nested.rows), dim))))
        for block in blocks:
            np.add.at(sums, subclasses[block], probe_rows(inputs.embedding_set, view, nested.rows[block], "unit"))
        means = sums / counts[:, None]
        sizes = np.bincount(owner, weights=counts).astype(np.int64)
        class_sums = np.zeros((len(sizes), dim))
        np.add.at(class_sums, owner, sums)
        class_means = class_sums / sizes[:, None]
        within = np.zeros(len(sizes))
        for block in blocks:
            rows = probe_rows(inputs.embedding_set, view, nested.rows[block], "unit")
            squares = np.square(rows - class_means[classes[block]]).sum(axis=1)
            within += np.bincount(classes[block], squares, len(sizes))
        between = np.bincount(owner, counts * np.square(means - class_means[owner]).sum(axis=1), len(sizes)).astype(
            float
        )
        centre = class_sums.sum(axis=0) / sizes.sum()
        apart = float((sizes * np.square(class_means - centre).sum(axis=1)).sum())
        return cls(within, between, apart, sizes, np.bincount(owner, minlength=len(sizes)))

    @property
    def share(self) -> float | None:
        """Share of the variance within classes that lies between their subclasses; None without any variance."""
        total = float(self.within.sum())
        return float(self.between_subclasses.sum()) / total if total > 1e-18 * self.sizes.sum() else None

    @property
    def shuffled_share(self) -> float:
        """Expectation of `share` where subclasses are shuffled within their class: (S - 1) / (n - 1) of each class."""
        expected = self.within * (self.subclasses - 1) / np.maximum(1, self.sizes - 1)
        return float(expected.sum() / self.within.sum())

    @property
    def to_classes(self) -> float | None:
        """Scatter between subclasses over that between classes; None where the class means coincide."""
        if self.between_classes <= 1e-18 * self.sizes.sum():
            return None
        return float(self.between_subclasses.sum()) / self.between_classes


def seconds(inputs: SetInputs, params: SubclassCollapseParams) -> float:
    """Return about how long the probes take."""
    nested = Nested.of(inputs, params)
    count = len(np.unique(nested.classes)) or 1
    values = len(nested.subclass_names) / count
    one = decode_seconds(len(nested.rows), inputs.embedding_set.dim, int(np.ceil(values)), params.shuffles)
    return one + 0.03 * count * params.shuffles


def compute(inputs: SetInputs, params: SubclassCollapseParams) -> Result:
    """Probe the subclass within each class, and the class itself."""
    nested = Nested.of(inputs, params)
    view = nested.found.view
    scaling: Scaling = "unit" if params.scaling == "unit" else (
        "stored" if params.scaling == "stored" else "standardised")  # fmt: skip
    scatter = NestedScatter.of(inputs, view, nested)
    rows = probe_rows(inputs.embedding_set, view, nested.rows, scaling)
    common = {"seed": params.seed, "regularisation": params.regularisation, "scaling": scaling}
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
        findings=(_finding(decoded, of_class), *_variance(quantities)),
        caveats=inputs.plain_caveats(
            len(nested.rows),
            nested.found.excluded,
            normalised=scaling == "unit",
            centred=scaling == "standardised",
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
        "subclass_skill": (decoded.skill, None, test, 0.0, "chance", ""),
        "p_value": (decoded.p_value, None, len(decoded.null), TEST_LEVEL, "level of the test", ""),
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
    at_chance = decoded.p_value > TEST_LEVEL
    level = downstream.SKILL.level(decoded.skill)
    class_read = of_class is not None and downstream.SKILL.level(of_class.skill) == "good"
    message = (
        f"A probe reads the subclass within its class for {percent(decoded.accuracy)} [{percent(ends.low, '')}, "
        f"{percent(ends.high, '')}] (largest subclass: {percent(decoded.chance)}, p = "
        f"{format_number(decoded.p_value, 2)}, {size})."
    )
    if class_read and at_chance:
        assert of_class is not None
        level = "bad"
        message = (
            f"The class is read for {percent(of_class.accuracy)} and its subclass no better than chance, "
            f"{percent(decoded.accuracy)} (shuffled columns: p = {format_number(decoded.p_value, 2)}, {size})."
        )
    elif at_chance:
        level = "watch"
        message = (
            f"The subclass is read no better than chance, {percent(decoded.accuracy)} (p = "
            f"{format_number(decoded.p_value, 2)}, {size}); neither is the class read well."
        )
    advice = (
        "Add a self-supervised term or augmentations that keep samples of one class apart, or take an earlier layer."
    )
    return Finding(SPEC.name, level, message, "" if level == "good" else advice, _thresholds.XUE, "subclass_accuracy")


def _variance(quantities: dict[str, Quantity]) -> tuple[Finding, ...]:
    """Return whether subclasses vanish beside classes: neighbours see variance, where a probe sees any direction."""
    ratio, share = quantities["subclass_to_class"], quantities["subclass_share"]
    if ratio.value is None or share.value is None:
        return ()
    level = _thresholds.NESTED_VARIANCE.level(ratio.value)
    message = (
        f"Subclasses lie apart by {percent(ratio.value)} of the variance between classes"
        f" ({percent(share.value)} of that within classes; {percent(share.reference or 0.0)} if they were shuffled; "
        f"N = {ratio.n:,})."
    )
    advice = "Expect neighbours and clusters to see the classes only, even where a probe still reads the subclasses."
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
)  # fmt: skip
