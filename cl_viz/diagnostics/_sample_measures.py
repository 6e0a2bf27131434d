"""Numbers that each sample has: what is declared of them, and how they are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.diagnostics._geometry.near_rows import NearRows, near_rows
from cl_viz.diagnostics._geometry.positive_distances import positive_distances
from cl_viz.diagnostics._temperature.anchor_questions import TemperatureParams, negatives_of
from cl_viz.diagnostics._temperature.best_temperatures import DivergenceCurves
from cl_viz.diagnostics._temperature.row_temperatures import grid
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.pair_sketch import PairRoles
from cl_viz.engine.row_pass import RowStatistics

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
    compute: Callable[[Asked], Values]


def has_positives(embedding_set: EmbeddingSet, view: str) -> bool:
    """Whether rows of a view have rows of the same sample in others."""
    others = [other for other in embedding_set.view_names if other != view]
    return any(len(embedding_set.links(view, other)) for other in others)


@dataclass
class Asked:
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
        if not has_positives(self.embedding_set, self.view):
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
        if spec.name == "false_negative_mass" and (self.labels < 0).any():
            parts.append("unknown without a label; negatives without one count as not of the row's")
        return ", ".join(parts)


_AT_TEMPERATURE = {"false_negative_mass", "entropy", "effective_negatives"}


def _hubness(asked: Asked) -> Values:
    return asked.on_rows(asked.near.rows, asked.near.occurrences(asked.params.k))


def _nearest_score(asked: Asked) -> Values:
    return asked.on_rows(asked.near.rows, np.clip(asked.near.scores[:, 0], -1.0, 1.0))


def _label_agreement(asked: Asked) -> Values:
    labels, near = asked.labels[asked.near.rows], asked.near
    around = labels[near.places[:, : asked.params.k]]
    known = (around >= 0).sum(axis=1)
    same = (around == labels[:, None]).sum(axis=1)
    defined = (labels >= 0) & (known > 0)
    return asked.on_rows(near.rows[defined], same[defined] / known[defined])


def _norm(asked: Asked) -> Values:
    quality = asked.embedding_set.quality[asked.view]
    return np.where(quality.has_nan | quality.has_infinite, np.nan, quality.norms)


def _alignment(asked: Asked) -> Values:
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


def _positive_score(asked: Asked) -> Values:
    asked.need_positives()
    return asked.on_rows(asked.rows.rows, np.clip(asked.rows.positive_score, -1.0, 1.0))


def _positive_rank(asked: Asked) -> Values:
    asked.need_positives()
    return asked.on_rows(asked.rows.rows, asked.rows.positive_rank)


def _false_negative_mass(asked: Asked) -> Values:
    # The pass has no opinion of a set without labels; asking for them says what to add.
    _ = asked.labels
    return asked.on_rows(asked.rows.rows, np.clip(asked.rows.false_negative_mass[asked.at], 0.0, 1.0))


def _entropy(asked: Asked) -> Values:
    return asked.on_rows(asked.rows.rows, asked.rows.entropy[asked.at])


def _effective_negatives(asked: Asked) -> Values:
    values: Values = np.exp(_entropy(asked))
    return values


def _individual_temperature(asked: Asked) -> Values:
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
        "Part of the row's push, softmax weights of its negatives at the temperature, on negatives that are known to "
        "have its own label.",
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
