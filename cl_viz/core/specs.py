"""What an entry of each registry declares; menus, forms, docs and contract tests are made from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, EmbeddingSet
from cl_viz.core.params import Params
from cl_viz.core.result import Result, Source
from cl_viz.core.threshold import Limit

if TYPE_CHECKING:
    from torch import Tensor

Needs = Literal["set", "steps", "layers", "pair", "family"]
"""What a diagnostic looks at: one set; the steps of a run; its layers; a pair of runs; a family of runs."""
Tells = Literal["cause", "state", "outcome"]
"""What a finding is to others of its level: what brings them about, a fact beside them, or what comes of them;
they are told in this order."""
Pass = Literal["statistics", "neighbors"]
"""A look at all pairs of a set: what every score is counted in; the nearest neighbours of every row."""


@dataclass(frozen=True)
class QuantitySpec:
    """One number a diagnostic reports.

    Attributes
    ----------
    name : str
        Stable identifier; ``diagnostic.name`` is its key in JSON.
    label : str
        Shown to people.
    definition : str
        One sentence.
    unit : str
    range : tuple of float or None
        Ends of its range, None where unbounded.
    better : {"higher", "lower", "neither"}
    """

    name: str
    label: str
    definition: str
    unit: str = ""
    range: tuple[float, float] | None = None
    better: Literal["higher", "lower", "neither"] = "neither"


@dataclass(frozen=True)
class DiagnosticSpec:
    """One question asked of embeddings.

    Attributes
    ----------
    name, title : str
        Identifier; short name shown in menus.
    question : str
        The page's title, a question.
    section, page : str
        Menu section and page that shows it, for example ``"Scores"`` and ``"scores/distributions"``.
    needs : Needs
        What `compute` is given; see `cl_viz.engine.inputs`.
    params : type of Params
    compute : callable
        ``compute(inputs, params) -> Result``; pure, no files, no streamlit, no plotly.
    quantities : tuple of QuantitySpec
    definition, formula, reading, traps : str
        Docs text in Markdown; `formula` in LaTeX without dollar signs.
    sources : tuple of Source
    quick : bool
        Computed when a run is opened; else only when asked for, with an estimate.
    seconds : callable or None
        ``seconds(inputs, params) -> float``: about how long `compute` takes on two cores, beyond the passes that
        `inputs` makes; None where it is a matter of a second. Needed where `quick` is False.
    passes : tuple of Pass
        Looks at all pairs that `compute` asks its inputs for: whoever runs several diagnostics has them made as one.
    labelled_passes : tuple of Pass
        Those that it has made once more, over the rows that have a label, where some have none.
    tells : Tells
        Among findings of one level, causes come first and outcomes last.
    thresholds : tuple of Limit
        Limits of single numbers that levels of findings are read from: thresholds, and the conditions on which they
        count.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = (
        "name", "title", "question", "section", "page", "quantities", "definition", "formula", "reading", "traps",
        "sources",
    )  # fmt: skip

    name: str
    title: str
    question: str
    section: str
    page: str
    needs: Needs
    params: type[Params]
    compute: Callable[[Any, Any], Result]
    quantities: tuple[QuantitySpec, ...]
    definition: str
    formula: str
    reading: str
    traps: str
    sources: tuple[Source, ...]
    quick: bool = True
    seconds: Callable[[Any, Any], float] | None = None
    passes: tuple[Pass, ...] = ()
    labelled_passes: tuple[Pass, ...] = ()
    tells: Tells = "state"
    thresholds: tuple[Limit, ...] = ()

    def quantity(self, name: str) -> QuantitySpec:
        """Return the declared quantity called `name`."""
        return next(quantity for quantity in self.quantities if quantity.name == name)


@dataclass(frozen=True)
class RawDump:
    """What a format reader found, before names become views and roles.

    Attributes
    ----------
    arrays : Mapping[str, NDArray]
        Candidate views by name: every numeric array of two or more axes, possibly memory-mapped.
    columns : Mapping[str, Column]
        One-axis arrays: candidate metadata.
    card : Mapping
        Anything the file says about itself; of a table whose embedding cannot be told for sure, ``"parts"``: the
        columns that each array was made of, and ``"likely"``: the likely arrays, and why.
    """

    arrays: Mapping[str, NDArray[Any]]
    columns: Mapping[str, Column] = field(default_factory=dict)
    card: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FormatSpec:
    """One dump format.

    Attributes
    ----------
    name, label : str
    suffixes : tuple of str
        Lower case, with the dot.
    sniff : callable
        ``sniff(path, head) -> bool`` from the path and the first 512 bytes (empty for a folder).
    read : callable
        ``read(path) -> RawDump``. Never executes anything in the file; checks sizes against headers before allocating.
    write : callable or None
        ``write(embedding_set, path)``; writes to a temporary file, then renames.
    description : str
        What is read into what, one paragraph of Markdown for the docs.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name", "label", "description")

    name: str
    label: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Path, bytes], bool]
    read: Callable[[Path], RawDump]
    write: Callable[[EmbeddingSet, Path], None] | None
    description: str


LossNeed = Literal["two_views", "three_views", "labels", "queue", "prototypes"]


@dataclass(frozen=True)
class LossInputs:
    """What a loss is given.

    Attributes
    ----------
    views : tuple of Tensor, each of shape (N, D)
        Unit rows where the spec says ``rows="unit"``, raw rows where it says ``rows="raw"``.
    labels : Tensor of int64, shape (N,), optional
    queue : Tensor, shape (Q, D), optional
        Explicit negatives.
    prototypes : Tensor, shape (K, D), optional
        Centroids, or embeddings of classes.
    label_matrix : Tensor, shape (N, K), optional
        Nonzero where prototype k is a positive of sample i; takes the place of `labels` where there are several.
    assignments : Tensor of int64, shape (N,), optional
        Prototype each sample belongs to; the nearest where not given.
    densities : Tensor, shape (K,), optional
        Temperature of each prototype; from the spread of its samples where not given.
    temperatures : Tensor, shape (N,), optional
        Temperature of each sample; that of the parameters where not given.
    moving_average : Tensor, shape (N,), optional
        Each sample's mean of exp(score / temperature) over earlier batches.
    center : Tensor, shape (D,), optional
        Point taken as the origin; the mean of the batch where not given.
    draws : Mapping of Tensor
        Random draws by name, for losses that have the parameter ``seed``; drawn with that seed where not given.
    tile : int, optional
        Rows of scores held at a time by the softmax family, which computes them again in the backward pass; 0 holds
        all. Chosen by the number of scores where not given.
    """

    views: tuple[Tensor, ...]
    labels: Tensor | None = None
    queue: Tensor | None = None
    prototypes: Tensor | None = None
    label_matrix: Tensor | None = None
    assignments: Tensor | None = None
    densities: Tensor | None = None
    temperatures: Tensor | None = None
    moving_average: Tensor | None = None
    center: Tensor | None = None
    draws: Mapping[str, Tensor] = field(default_factory=dict)
    tile: int | None = None


@dataclass(frozen=True)
class LossSpec:
    """One loss.

    Attributes
    ----------
    name, label : str
    compute : callable
        ``compute(inputs, params) -> Tensor``: one value per anchor, shape (A,), or shape () for a loss that is not
        a sum over anchors. The loss itself is the mean. Differentiable.
    params : type of Params
        Hyper-parameters with their papers' defaults.
    needs : tuple of LossNeed
    rows : {"unit", "raw"}
        Whether rows must be normalised before the call.
    formula : str
        LaTeX without dollar signs.
    traps : str
    sources : tuple of Source
    peer : str
        Package or repository it is tested against.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name", "label", "formula", "traps", "sources", "peer")

    name: str
    label: str
    compute: Callable[[LossInputs, Any], Tensor]
    params: type[Params]
    needs: tuple[LossNeed, ...]
    rows: Literal["unit", "raw"]
    formula: str
    traps: str
    sources: tuple[Source, ...]
    peer: str


@dataclass(frozen=True)
class LossFamily:
    """The losses of one file, which share their core.

    Attributes
    ----------
    name, label : str
    losses : tuple of LossSpec
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name", "label", "losses")

    name: str
    label: str
    losses: tuple[LossSpec, ...]


@dataclass(frozen=True)
class ProjectionSpec:
    """One way to make a map.

    Attributes
    ----------
    name, label : str
    params : type of Params
        Its parameters, with the paper's defaults.
    fit : callable
        ``fit(inputs, params) -> NDArray of shape (n, inputs.dim)``, where `inputs` is
        `cl_viz.projections.ProjectionInputs`. The same inputs, parameters and seed give the same map.
    seconds : callable
        ``seconds(n, columns, params) -> float``: about how long `fit` takes on two cores, without the neighbours.
    description : str
        What the method does with cosines, what it keeps and what it does not; Markdown for the docs.
    sources : tuple of Source
    dims : tuple of int
        Dimensions a map can have.
    least_rows : int
        Fewest usable rows.
    neighbors : callable or None
        ``neighbors(params) -> int``: how many nearest neighbours of each row it reads; None where it reads none.
    fit_on_gpu : callable or None
        ``fit_on_gpu(inputs, params, device)``: as `fit`, on a CUDA GPU; None where the processor does it all.
    most_gpu_rows : int or None
        Most rows that `fit_on_gpu` takes.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("name", "label", "description", "sources", "dims")

    name: str
    label: str
    params: type[Params]
    fit: Callable[[Any, Any], NDArray[np.floating]]
    seconds: Callable[[int, int, Any], float]
    description: str
    sources: tuple[Source, ...]
    dims: tuple[int, ...] = (2, 3)
    least_rows: int = 3
    neighbors: Callable[[Any], int] | None = None
    fit_on_gpu: Callable[[Any, Any, str], NDArray[np.floating]] | None = None
    most_gpu_rows: int | None = None
