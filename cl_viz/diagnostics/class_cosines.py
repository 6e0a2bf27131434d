"""Which classes lie close to each other?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Quantity, Result, Source, format_number, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.validation import row_blocks
from cl_viz.core.view import Axis, Heatmap, Table, View
from cl_viz.diagnostics._groups.probes import probe_rows
from cl_viz.diagnostics._thresholds.harm import MAITY, ONE_DIRECTION
from cl_viz.engine.inputs import SetInputs

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SHOWN_CLASSES = 40
MOST_CLASSES = 1000
"""Classes that are compared with each other, the largest: a matrix of more says nothing to anybody."""
_LISTED_PAIRS = 200
_PERMUTATIONS = 499
_PERMUTED_ROWS = 1000
_CHANCE = 0.05
_ROUNDING = 1e-12
"""Spread of cosines that is rounding: samples that are all repeats say nothing of others."""
_FEWEST = 10
"""Samples of each of two classes from which the spread of their cosines is known."""

GRETTON = Source(
    "Gretton et al. 2012, A Kernel Two-Sample Test", "https://jmlr.org/papers/v13/gretton12a.html"
)  # fmt: skip


@dataclass(frozen=True)
class ClassCosinesParams(Params):
    """What the diagonal counts."""

    self_pairs: bool = param(
        False,
        "Count a sample's cosine with itself in its own class, as the authors of representation harm do.",
    )
    seed: int = param(
        0, "Seed of the permutations that say what chance makes of two equal classes.", low=0, high=2**31 - 1
    )


@dataclass(frozen=True)
class ClassCosines:
    """Mean cosines between classes.

    Attributes
    ----------
    names : tuple of str
    counts : NDArray of int, shape (K,)
    means : NDArray, shape (K, D)
        Of the unit rows.
    included, corrected : NDArray, shape (K, K)
        With and without self-pairs; only the diagonals differ. NaN where a class has one sample and no other pair.
    """

    names: tuple[str, ...]
    counts: Codes
    means: Floats
    included: Floats
    corrected: Floats

    @property
    def separation(self) -> Floats:
        """(C_kk + C_ll) / 2 - C_kl, shape (K, K): half the squared distance of the means, without their noise."""
        own = np.diag(self.corrected)
        found: Floats = (own[:, None] + own[None, :]) / 2 - self.corrected
        return found


def class_cosines(names: tuple[str, ...], counts: Codes, means: Floats) -> ClassCosines:
    """Return the mean cosines from class means of unit rows: no pair is looked at."""
    included = means @ means.T
    corrected = included.copy()
    own, pairs = np.diag(included), counts * (counts - 1.0)
    np.fill_diagonal(
        corrected, np.divide(counts**2 * own - counts, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
    )
    return ClassCosines(names, counts, means, included, corrected)


def compute(inputs: SetInputs, params: ClassCosinesParams) -> Result:
    """Compute the mean cosines between the classes of one set."""
    found = _of(inputs)
    matrix = found.included if params.self_pairs else found.corrected
    closest, weakest = _places(found.corrected, largest=True), _places(found.separation, largest=False)
    chance = None if weakest is None else _chance(inputs, found, weakest, params.seed)
    quantities = _quantities(inputs, found, matrix, closest, weakest, params)
    if closest is not None:
        quantities["closest"] = replace(
            quantities["closest"], interval=_of_pair(inputs, found, closest, separation=False)
        )
    # Means that may be the same have a separation near 0, whose spread no influence shows.
    if weakest is not None and chance is not None and chance <= _CHANCE:
        quantities["least_separation"] = replace(
            quantities["least_separation"], interval=_of_pair(inputs, found, weakest, separation=True)
        )
    view = inputs.embedding_set.view_names[0]
    n_used = int(found.counts.sum())
    notes = (
        f"self-pairs {'included in' if params.self_pairs else 'left out of'} the cosine of a class with itself",
        f"view: {view}",
        "describes this run only: representation harm compares with a balanced twin",
        *([f"the {MOST_CLASSES:,} largest classes are compared"] if len(found.names) == MOST_CLASSES else []),
    )
    return Result(
        SPEC.name,
        inputs.run,
        quantities,
        _views(found, matrix, closest, inputs.run),
        (_finding(found, closest, weakest, chance, n_used),),
        inputs.plain_caveats(n_used, inputs.embedding_set.n - n_used, seed=params.seed, notes=notes),
        params.as_dict(),
    )


def _of(inputs: SetInputs) -> ClassCosines:
    view = inputs.embedding_set.view_names[0]
    moments = inputs.moments.classes.get(view)
    if moments is None:
        raise MissingInputError(
            "there are no labels",
            where=inputs.run,
            remedy="choose a label column on the Data page, or pass label=COLUMN",
        )
    kept = np.flatnonzero(moments.counts)
    if len(kept) < 2:
        raise MissingInputError(
            f"there is {len(kept)} class",
            where=inputs.run,
            remedy="add samples of another class, or choose other labels",
        )
    if len(kept) > MOST_CLASSES:
        kept = np.sort(kept[np.argsort(-moments.counts[kept], kind="stable")[:MOST_CLASSES]])
    return class_cosines(tuple(moments.names[k] for k in kept), moments.counts[kept], moments.means[kept])


def _places(matrix: Floats, *, largest: bool) -> tuple[int, int] | None:
    """Return the pair of different classes with the largest or smallest entry; None where no entry is a number."""
    values = matrix.copy()
    np.fill_diagonal(values, np.nan)
    if np.isnan(values).all():
        return None
    place = np.nanargmax(values) if largest else np.nanargmin(values)
    first, second = divmod(int(place), len(values))
    return min(first, second), max(first, second)


def _rows_of(inputs: SetInputs, name: str, most: int | None = None) -> Floats:
    """Return the usable unit rows of a class, all or evenly spaced ones."""
    embedding_set, view = inputs.embedding_set, inputs.embedding_set.view_names[0]
    labels = embedding_set.codes("label")
    assert labels is not None
    rows = np.flatnonzero((labels[0][0] == labels[1].index(name)) & embedding_set.usable_rows[view])
    if most is not None and len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    return probe_rows(embedding_set, view, rows, "unit")


def _chance(inputs: SetInputs, found: ClassCosines, pair: tuple[int, int], seed: int) -> float:
    """Return how often two parts of the joined classes lie as far apart as the classes do (permutation test)."""

    def make() -> float:
        first, second = (_rows_of(inputs, found.names[k], _PERMUTED_ROWS) for k in pair)
        rows, size = np.concatenate([first, second]), len(first)
        generator = np.random.default_rng(seed)
        whole = rows.sum(axis=0)
        parts = np.zeros((_PERMUTATIONS + 1, len(rows)), dtype=np.float32)
        parts[0, :size] = 1
        for line in parts[1:]:
            line[generator.permutation(len(rows))[:size]] = 1
        sums = parts.astype(np.float64) @ rows
        gaps = np.square(sums / size - (whole - sums) / (len(rows) - size)).sum(axis=1)
        return float((gaps >= gaps[0] * (1 - 1e-12)).mean())

    return inputs.remember(("class separation", pair, seed), make)


# -- intervals -------------------------------------------------------------------------------------------------------
def _influences(inputs: SetInputs, found: ClassCosines) -> tuple[list[Floats], list[Floats]]:
    """Return each sample's influence on the mean cosine within classes and between classes, one array a class."""

    def make() -> tuple[list[Floats], list[Floats]]:
        embedding_set, view = inputs.embedding_set, inputs.embedding_set.view_names[0]
        labels = embedding_set.codes("label")
        assert labels is not None
        usable, number = embedding_set.usable_rows[view], {name: place for place, name in enumerate(found.names)}
        places = np.array([number.get(name, -1) for name in labels[1]])
        whole, k = found.means.sum(axis=0), len(found.names)
        own, others, classes = [], [], []
        for block in row_blocks(embedding_set.views[view]):
            own_code = np.where(labels[0][0][block] >= 0, places[labels[0][0][block]], -1)
            rows = np.flatnonzero(usable[block] & (own_code >= 0)) + block.start
            unit, code = probe_rows(embedding_set, view, rows, "unit"), own_code[rows - block.start]
            counts = found.counts[code]
            product = np.einsum("nd,nd->n", unit, found.means[code])
            # The sample itself is no other sample of its class.
            own.append(2 / k * (counts * product - 1) / np.maximum(1, counts - 1))
            others.append(2 / (k * (k - 1)) * (unit @ whole - product))
            classes.append(code)
        code = np.concatenate(classes)
        parts = [np.flatnonzero(code == place) for place in range(k)]
        return tuple(  # type: ignore[return-value]
            [values[part] - values[part].mean() for part in parts]
            for values in (np.concatenate(own), np.concatenate(others))
        )

    return inputs.remember("class cosine influences", make)


def _of_pair(inputs: SetInputs, found: ClassCosines, pair: tuple[int, int], *, separation: bool) -> Interval | None:
    """Return the interval of one entry of the matrix, or of one separation, given the pair of classes.

    Samples of the two classes are two draws; the pair itself is taken as given.
    """
    counts = [int(found.counts[k]) for k in pair]
    if min(counts) < _FEWEST:
        return None
    value = float((found.separation if separation else found.corrected)[pair])
    parts = []
    for own, other in (pair, pair[::-1]):
        rows = _rows_of(inputs, found.names[own])
        across = rows @ found.means[other] - found.corrected[pair]
        if separation:
            # The sample's mean cosine with the others of its class.
            within = (found.counts[own] * (rows @ found.means[own]) - 1) / (found.counts[own] - 1)
            across = within - found.corrected[own, own] - across
        parts.append(across)
    if max(float(part.std()) for part in parts) <= _ROUNDING:
        return None
    limits = (-2.0, 2.0) if separation else (-1.0, 1.0)
    interval = influence_interval(value, *parts, limits=limits)
    return replace(interval, method=f"{interval.method}, given these two classes")


def _interval(value: float, parts: list[Floats], n: int) -> Interval:
    found = influence_interval(value, *parts, limits=(-1.0, 1.0))
    return replace(found, method=f"infinitesimal jackknife over {n:,} samples, within their classes")


def _quantities(
    inputs: SetInputs, found: ClassCosines, matrix: Floats, closest: tuple[int, int] | None,
    weakest: tuple[int, int] | None, params: ClassCosinesParams,
) -> dict[str, Quantity]:  # fmt: skip
    n, several = int(found.counts.sum()), bool((found.counts >= 2).all())
    own = np.diag(matrix)
    between = found.corrected[~np.eye(len(own), dtype=bool)]
    within, outer = _influences(inputs, found) if several else ([], [])
    values: dict[str, float | None] = {
        "within": float(own.mean()) if np.isfinite(own).all() else None,
        "between": float(between.mean()),
        "closest": None if closest is None else float(found.corrected[closest]),
        "least_separation": None if weakest is None else float(found.separation[weakest]),
    }
    intervals: dict[str, Interval] = {}
    if several:
        intervals["between"] = _interval(float(between.mean()), outer, n)
        if not params.self_pairs:
            intervals["within"] = _interval(float(own.mean()), within, n)
    return {
        spec.name: Quantity(
            spec.name,
            spec.label,
            _within(values[spec.name], spec.range),
            spec.unit,
            intervals.get(spec.name),
            n,
            range=spec.range,
            missing="" if values[spec.name] is not None else "add a second sample of every class",
        )
        for spec in SPEC.quantities
    }


def _within(value: float | None, ends: tuple[float, float] | None) -> float | None:
    """Return a value without the rounding that carries it past its range."""
    return value if value is None or ends is None else min(max(value, ends[0]), ends[1])


# -- words and figures -----------------------------------------------------------------------------------------------
def _finding(
    found: ClassCosines, closest: tuple[int, int] | None, weakest: tuple[int, int] | None, chance: float | None, n: int
) -> Finding:
    assert closest is not None
    first, second = (found.names[k] for k in closest)
    cosine = f"mean cosine {format_number(float(found.corrected[closest]))} (N = {n:,})"
    describes = "This describes the run; it is no harm."
    if weakest is None or chance is None:
        return Finding(
            SPEC.name,
            "unknown",
            f"Unknown whether classes are told apart: the closest are {first} and {second}, {cosine}.",
            "To see it, add a second sample of every class.",
            GRETTON,
            "least_separation",
        )
    if chance > _CHANCE:
        first, second = (found.names[k] for k in weakest)
        sizes = " and ".join(f"{found.counts[k]:,}" for k in weakest)
        return Finding(
            SPEC.name,
            "watch",
            f"The means of classes {first} and {second} lie no further apart than chance ({sizes} samples, p = "
            f"{format_number(chance, 2)}, N = {n:,}).",
            "Look at their samples: the encoder does not tell these classes apart by their mean. " + describes,
            GRETTON,
            "least_separation",
        )
    between = np.triu_indices(len(found.names), 1)
    apart = int(np.argmin(found.corrected[between]))
    least = float(found.corrected[between][apart])
    level = ONE_DIRECTION.level(least)
    if level != "good":
        first, second = (found.names[places[apart]] for places in between)
        return Finding(
            SPEC.name,
            level,
            f"All classes lie in nearly one direction: even the farthest, {first} and {second}, have mean cosine "
            f"{format_number(least)} (N = {n:,}).",
            "Mend the collapse, or take the common mean off, before classes are compared. " + describes,
            ONE_DIRECTION.source,
            "closest",
        )
    return Finding(
        SPEC.name,
        "good",
        f"All classes have means of their own; the closest are {first} and {second}, {cosine}. {describes}",
        source=MAITY,
        quantity="closest",
    )


def _views(found: ClassCosines, matrix: Floats, closest: tuple[int, int] | None, run: str) -> dict[str, View]:
    first, second = np.triu_indices(len(found.names), 1)
    order = np.argsort(-found.corrected[first, second], kind="stable")[:_LISTED_PAIRS]
    first, second = first[order], second[order]
    shown = np.sort(list(dict.fromkeys(np.stack([first, second], axis=1).ravel().tolist()))[:SHOWN_CLASSES])
    names = tuple(found.names[k] for k in shown)
    part = "" if len(shown) == len(found.names) else f", {len(shown)} of {len(found.names)} classes"
    assert closest is not None
    title = (
        f"Closest classes {found.names[closest[0]]} and {found.names[closest[1]]}: mean cosine "
        f"{format_number(float(found.corrected[closest]))}{part}"
    )
    columns = {
        "Class": np.array([found.names[k] for k in first], dtype=object),
        "Other class": np.array([found.names[k] for k in second], dtype=object),
        "Mean cosine": found.corrected[first, second],
        "Separation": found.separation[first, second],
        "Samples": found.counts[first],
        "Samples of the other": found.counts[second],
    }
    score = Axis("Mean cosine", "cosine", (-1.0, 1.0))
    return {
        "matrix": Heatmap(
            title, Axis("Class"), Axis("Class"), matrix[np.ix_(shown, shown)], names, names, score, centre=0.0, run=run
        ),
        "pairs": Table("Pairs of classes, closest first", columns, run),
    }


SPEC = DiagnosticSpec(
    name="class_cosines",
    title="Class cosines",
    question="Which classes lie close to each other?",
    section="Groups",
    page="groups/representation_harm",
    needs="set",
    params=ClassCosinesParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "within",
            "Within classes",
            "Mean over classes of the mean cosine of two of its samples.",
            "cosine",
            (-1.0, 1.0),
        ),
        QuantitySpec(
            "between", "Between classes", "Mean over pairs of classes of their mean cosine.", "cosine", (-1.0, 1.0)
        ),
        QuantitySpec("closest", "Closest classes", "Largest mean cosine of two classes.", "cosine", (-1.0, 1.0)),
        QuantitySpec(
            "least_separation",
            "Least separation",
            "Smallest half squared distance of two class means, without the noise of the means.",
            "squared distance",
            (-2.0, 2.0),
            "higher",
        ),
    ),
    definition=(
        "The mean cosine between the samples of two classes, for every two classes. It describes one run and is no "
        "representation harm, which is a ratio against a balanced twin. The separation of two classes is the mean of "
        "their own cosines less the cosine between them: half the squared distance of their means, corrected for the "
        "noise of the means, so that it is 0 in expectation for two classes that do not differ."
    ),
    formula=(
        r"C_{kl} = \frac{1}{n_k n_l} \sum_{i \in k} \sum_{j \in l} z_i \cdot z_j = \bar z_k \cdot \bar z_l, \quad "
        r"\Delta_{kl} = \frac{C_{kk} + C_{ll}}{2} - C_{kl}"
    ),
    reading=(
        "Near 1 on the diagonal: the class is tight. A bright cell off the diagonal: two classes lie close. Whether a "
        "class came closer because it was rare in training cannot be read from one run: two classes may look alike. "
        "The level asks only whether the two classes with the least separation have different means, by permuting "
        "their labels."
    ),
    traps=(
        "The authors count a sample's cosine with itself on the diagonal, which adds (1 - C)/n_k: nothing for 1,000 "
        "samples, much for 20. It is left out here unless asked for; the numbers for the closest classes and the "
        "separation never count it. A common mean of all samples raises every cosine: compare cells, not their level. "
        "Two classes with equal means may still differ in shape. A class with one sample has no cosine with itself. "
        f"Above {SHOWN_CLASSES} classes the figure shows those of the closest pairs. The intervals of the closest "
        "pair and of the least separation are those of these two classes: that they are the extreme ones of many is "
        "not in them, and with few samples another draw may put another pair there. A separation no larger than chance "
        "has none."
    ),
    sources=(MAITY, GRETTON),
)
