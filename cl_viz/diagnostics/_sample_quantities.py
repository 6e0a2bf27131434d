"""`sample_quantities`: numbers that each sample has, to colour a map by, to sort a table by, to select with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError, MissingInputError
from cl_viz.core.params import param
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.core.run import Run
from cl_viz.diagnostics._geometry.near_rows import NearRows, near_rows
from cl_viz.diagnostics._geometry.positive_distances import positive_distances
from cl_viz.diagnostics._temperature.anchor_questions import TemperatureParams, negatives_of
from cl_viz.diagnostics._temperature.best_temperatures import DivergenceCurves
from cl_viz.diagnostics._temperature.row_temperatures import grid
from cl_viz.engine.inputs import SetInputs, gather
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.row_pass import RowStatistics
from cl_viz.engine.scanner import Scanner

Values = NDArray[np.float64]
SampleNeed = Literal["neighbors", "pairs", "many_passes", "labels", "two_views"]
"""What a quantity takes: neighbours; a pass over all pairs; one at many temperatures; labels; a second view."""


@dataclass(frozen=True)
class SampleQuantityParams(TemperatureParams):
    """Neighbours, negatives, temperature, and the range of individual temperatures."""

    k: int = param(10, "Neighbours of each row that count.", low=1, high=100, unit="neighbours")
    rho: float = param(0.4, "Divergence that an individual temperature allows.", low=0.01, high=12.0, log=True)
    smallest: float = param(0.05, "Lowest individual temperature.", low=0.005, high=1.0, log=True)
    largest: float = param(1.0, "Highest individual temperature.", low=0.1, high=5.0, log=True)


@dataclass(frozen=True)
class SampleQuantitySpec:
    """What is declared of one quantity.

    Attributes
    ----------
    name, label, unit, definition : str
        `definition` is one sentence.
    range : tuple of float or None
        Ends of its range, None where unbounded.
    needs : tuple of SampleNeed
    compute : callable
        Of what was asked; returns one number for each row of the view, NaN where it is unknown.
    """

    name: str
    label: str
    unit: str
    definition: str
    range: tuple[float, float] | None
    needs: tuple[SampleNeed, ...]
    compute: Callable[[_Asked], Values]


@dataclass(frozen=True, eq=False)
class SampleQuantity:
    """One number a row.

    Attributes
    ----------
    name, label, unit, definition, range
        See `SampleQuantitySpec`.
    values : NDArray[np.float64], shape (N,)
        In the order of the view's rows; NaN where it is unknown. Read-only.
    view : str
    note : str
        What it depends on: neighbours, temperature, which pairs are negatives.
    """

    name: str
    label: str
    unit: str
    definition: str
    range: tuple[float, float] | None
    values: Values
    view: str
    note: str = ""

    @property
    def n(self) -> int:
        """Rows that have it."""
        return int(np.isfinite(self.values).sum())

    def __repr__(self) -> str:
        return f"SampleQuantity({self.name!r}, view={self.view!r}, N={self.n:,} of {len(self.values):,})"


def sample_quantities(
    data: EmbeddingSet | Run,
    names: Sequence[str] | None = None,
    *,
    view: str | None = None,
    params: Mapping[str, Any] | SampleQuantityParams | None = None,
    scanner: Scanner | None = None,
    progress: ProgressCallback = silent,
) -> dict[str, SampleQuantity]:
    """Return numbers that each sample has.

    Parameters
    ----------
    data : EmbeddingSet or Run
        Of a run the last step and the first layer are taken, and the temperature of its card.
    names : sequence of str, optional
        Names in `cl_viz.diagnostics.SAMPLE_QUANTITIES`; by default all that the set has the inputs for. Those that
        need passes over all pairs take their time: ask for what is wanted.
    view : str, optional
        Whose rows; by default the first.
    params : mapping or SampleQuantityParams, optional
        ``k``, ``temperature``, ``negative_views``, ``rho``, ``smallest``, ``largest``.
    scanner : Scanner, optional
        Keeps neighbours and passes for whoever asks next.
    progress : callable

    Returns
    -------
    dict of SampleQuantity
        By name, in the order asked for.

    Raises
    ------
    InputError
        On an unknown name, view or parameter.
    MissingInputError
        If a quantity asked for by name lacks its input: labels, a second view, more rows.
    """
    run = data if isinstance(data, Run) else Run.from_set(data)
    inputs = gather("set", run, scanner=scanner, progress=progress)
    assert isinstance(inputs, SetInputs)
    embedding_set = inputs.embedding_set
    view = view or embedding_set.view_names[0]
    if view not in embedding_set.views:
        raise InputError(f"no view {view!r}", where=embedding_set.name, allowed=", ".join(embedding_set.view_names))
    unknown = [name for name in names or () if name not in SAMPLE_QUANTITIES]
    if unknown:
        raise InputError(f"no quantity {unknown[0]!r}", where="sample_quantities", allowed=", ".join(SAMPLE_QUANTITIES))
    if not isinstance(params, SampleQuantityParams):
        made = SampleQuantityParams.make(dict(params or {}), dict(inputs.card))
        assert isinstance(made, SampleQuantityParams)
        params = made
    if params.smallest >= params.largest:
        raise InputError(
            f"smallest = {params.smallest:g} is not below largest = {params.largest:g}", where="sample_quantities",
            allowed="smallest below largest",
        )  # fmt: skip
    chosen = list(dict.fromkeys(names)) if names is not None else available_quantities(embedding_set, view, params.k)
    asked = _Asked(inputs, view, params, tuple(chosen))
    return {name: _quantity(SAMPLE_QUANTITIES[name], asked) for name in chosen}


def available_quantities(embedding_set: EmbeddingSet, view: str, k: int = 10) -> list[str]:
    """Return the names of the quantities that a view has the inputs for."""
    lacking: set[str] = set()
    if embedding_set.role("label", view) is None:
        lacking.add("labels")
    if not _has_positives(embedding_set, view):
        lacking.add("two_views")
    if int(embedding_set.usable_rows[view].sum()) <= k:
        lacking.add("neighbors")
    return [name for name, spec in SAMPLE_QUANTITIES.items() if not lacking & set(spec.needs)]


def _has_positives(embedding_set: EmbeddingSet, view: str) -> bool:
    others = [other for other in embedding_set.view_names if other != view]
    return any(len(embedding_set.links(view, other)) for other in others)


def _quantity(spec: SampleQuantitySpec, asked: _Asked) -> SampleQuantity:
    values = spec.compute(asked)
    values.setflags(write=False)
    return SampleQuantity(
        spec.name, spec.label, spec.unit, spec.definition, spec.range, values, asked.view, asked.note(spec)
    )


@dataclass
class _Asked:
    """A view of a set and the parameters, with what several quantities share."""

    inputs: SetInputs
    view: str
    params: SampleQuantityParams
    names: tuple[str, ...]

    @property
    def embedding_set(self) -> EmbeddingSet:
        return self.inputs.embedding_set

    def on_rows(self, rows: NDArray[np.int64], values: NDArray[Any]) -> Values:
        """Return values of some rows as a column of all rows, NaN elsewhere."""
        column = np.full(len(self.embedding_set.views[self.view]), np.nan)
        column[rows] = values
        return column

    @cached_property
    def near(self) -> NearRows:
        return near_rows(self.embedding_set, self.inputs.neighbors, self.view, self.params.k)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Codes of the labels of the view's rows, -1 where unknown."""
        codes = self.embedding_set.codes("label")
        if codes is None or (codes[0][self.embedding_set.view_names.index(self.view)] < 0).all():
            raise MissingInputError("there are no labels", where=self.embedding_set.name, remedy="add labels")
        return codes[0][self.embedding_set.view_names.index(self.view)]

    @cached_property
    def roles(self) -> PairRoles:
        return PairRoles("views", negatives_of(self.inputs.card, self.embedding_set, self.params.negative_views))

    @cached_property
    def temperatures(self) -> tuple[float, ...]:
        """Temperatures of the one pass: the grid too where individual temperatures are wanted."""
        wanted = {self.params.temperature}
        if any("many_passes" in SAMPLE_QUANTITIES[name].needs for name in self.names):
            wanted |= {float(value) for value in grid(self.params.smallest, self.params.largest)}
        return tuple(sorted(wanted))

    @cached_property
    def rows(self) -> RowStatistics:
        return self.inputs.rows(self.temperatures, self.roles)[self.view]

    @property
    def at(self) -> int:
        """Place of the temperature among those of the pass."""
        return self.temperatures.index(self.params.temperature)

    def need_positives(self) -> None:
        if not _has_positives(self.embedding_set, self.view):
            raise MissingInputError(
                "there are no two views of one sample",
                where=self.embedding_set.name,
                remedy="add a second view of the samples",
            )

    def note(self, spec: SampleQuantitySpec) -> str:
        parts = []
        if "neighbors" in spec.needs:
            parts.append(f"k = {self.params.k}, neighbours within {self.view} by cosine")
        if "pairs" in spec.needs:
            where = "across views" if self.roles.negatives == "cross" and len(self.embedding_set.views) > 1 else "all"
            parts.append(f"negatives {where}")
        if "many_passes" in spec.needs:
            parts.append(f"rho {self.params.rho:g}, {self.params.smallest:g} to {self.params.largest:g}")
        elif spec.name in _AT_TEMPERATURE:
            parts.append(f"temperature {self.params.temperature:g}")
        return ", ".join(parts)


_AT_TEMPERATURE = {"false_negative_mass", "entropy", "effective_negatives"}


def _hubness(asked: _Asked) -> Values:
    return asked.on_rows(asked.near.rows, asked.near.occurrences(asked.params.k))


def _nearest_score(asked: _Asked) -> Values:
    return asked.on_rows(asked.near.rows, np.clip(asked.near.scores[:, 0], -1.0, 1.0))


def _label_agreement(asked: _Asked) -> Values:
    labels, near = asked.labels[asked.near.rows], asked.near
    around = labels[near.places[:, : asked.params.k]]
    known = (around >= 0).sum(axis=1)
    same = (around == labels[:, None]).sum(axis=1)
    defined = (labels >= 0) & (known > 0)
    return asked.on_rows(near.rows[defined], same[defined] / known[defined])


def _norm(asked: _Asked) -> Values:
    quality = asked.embedding_set.quality[asked.view]
    return np.where(quality.has_nan | quality.has_infinite, np.nan, quality.norms)


def _alignment(asked: _Asked) -> Values:
    asked.need_positives()
    total, count = (np.zeros(len(asked.embedding_set.views[asked.view])) for _ in range(2))
    for other in asked.embedding_set.view_names:
        if other == asked.view or not len(asked.embedding_set.links(asked.view, other)):
            continue
        found = positive_distances(asked.embedding_set.select(views=[asked.view, other]))
        np.add.at(total, found.owners, found.distances)
        np.add.at(count, found.owners, 1)
    mean: Values = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean


def _positive_score(asked: _Asked) -> Values:
    asked.need_positives()
    return asked.on_rows(asked.rows.rows, np.clip(asked.rows.positive_score, -1.0, 1.0))


def _positive_rank(asked: _Asked) -> Values:
    asked.need_positives()
    return asked.on_rows(asked.rows.rows, asked.rows.positive_rank)


def _false_negative_mass(asked: _Asked) -> Values:
    # The pass has no opinion of a set without labels; asking for them says what to add.
    _ = asked.labels
    return asked.on_rows(asked.rows.rows, np.clip(asked.rows.false_negative_mass[asked.at], 0.0, 1.0))


def _entropy(asked: _Asked) -> Values:
    return asked.on_rows(asked.rows.rows, asked.rows.entropy[asked.at])


def _effective_negatives(asked: _Asked) -> Values:
    values: Values = np.exp(_entropy(asked))
    return values


def _individual_temperature(asked: _Asked) -> Values:
    rows, params = asked.rows, asked.params
    temperatures = grid(params.smallest, params.largest)
    places = [asked.temperatures.index(float(value)) for value in temperatures]
    with np.errstate(divide="ignore", invalid="ignore"):
        divergences = np.maximum(0.0, np.log(rows.n_negatives) - rows.entropy[places])
    best = DivergenceCurves(temperatures, divergences).best(params.rho, params.smallest, params.largest)
    return asked.on_rows(rows.rows, best)


_INFINITE = float("inf")
_SPECS = (
    SampleQuantitySpec(
        "hubness", "Occurrences as a neighbour", "times", "How often the row is among the k nearest of other rows.",
        (0.0, _INFINITE), ("neighbors",), _hubness,
    ),
    SampleQuantitySpec(
        "nearest_score", "Score of the nearest neighbour", "cosine",
        "Cosine with the nearest other row of the view; 1 for a copy.", (-1.0, 1.0), ("neighbors",), _nearest_score,
    ),
    SampleQuantitySpec(
        "label_agreement", "Own label among the neighbours", "share",
        "Share of the labelled rows among the k nearest that have the row's own label.", (0.0, 1.0),
        ("neighbors", "labels"), _label_agreement,
    ),
    SampleQuantitySpec(
        "norm", "Length of the row", "", "Euclidean norm of the row as it is stored, before it is brought to length 1.",
        (0.0, _INFINITE), (), _norm,
    ),
    SampleQuantitySpec(
        "alignment", "Distance of the views", "distance on the unit sphere",
        "Mean Euclidean distance of the unit row to the sample's unit rows in other views.", (0.0, 2.0),
        ("two_views",), _alignment,
    ),
    SampleQuantitySpec(
        "positive_score", "Score of the positive", "cosine",
        "Mean cosine with the sample's rows in other views.", (-1.0, 1.0), ("pairs", "two_views"), _positive_score,
    ),
    SampleQuantitySpec(
        "positive_rank", "Negatives below the positive", "share",
        "Share of the row's negatives that score below its positive, ties half, mean over its positives.", (0.0, 1.0),
        ("pairs", "two_views"), _positive_rank,
    ),
    SampleQuantitySpec(
        "false_negative_mass", "False negatives' part of the push", "share",
        "Part of the row's push, softmax weights of its negatives at the temperature, on negatives of its own label.",
        (0.0, 1.0), ("pairs", "labels"), _false_negative_mass,
    ),
    SampleQuantitySpec(
        "entropy", "Entropy of the push", "nats",
        "Entropy of the softmax weights of the row's negatives at the temperature; log M where the push is even.",
        (0.0, _INFINITE), ("pairs",), _entropy,
    ),
    SampleQuantitySpec(
        "effective_negatives", "Effective negatives", "negatives",
        "Exponential of that entropy: so many negatives would get this push if it were even.", (1.0, _INFINITE),
        ("pairs",), _effective_negatives,
    ),
    SampleQuantitySpec(
        "individual_temperature", "Individual temperature", "",
        "Temperature at which the row's push is as far from even as rho allows (iSogCLR), within the range.",
        (0.005, 5.0), ("pairs", "many_passes"), _individual_temperature,
    ),
)  # fmt: skip
SAMPLE_QUANTITIES: Mapping[str, SampleQuantitySpec] = {spec.name: spec for spec in _SPECS}
"""Every quantity by name."""
