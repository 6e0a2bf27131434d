"""Would clustering find the classes?"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Quantity, Result, Source, format_number
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Heatmap, View
from cl_viz.diagnostics._groups.judgement import HEATED
from cl_viz.diagnostics._groups.labelled_view import LabelledView, ViewParams, labelled_view
from cl_viz.diagnostics._groups.probes import Codes, Rows, Scaling, probe_rows, stratified_sample
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs

HUBERT = Source("Hubert and Arabie 1985, Comparing partitions", "https://doi.org/10.1007/BF01908075")
VINH = Source(
    "Vinh et al. 2010, Information Theoretic Measures for Clusterings Comparison",
    "https://jmlr.org/papers/v11/vinh10a.html",
)
_ITERATIONS = 25
"""Of Lloyd's algorithm on real embeddings, about."""
HALVES, FEWEST, _STARTS = 20, 100, 3
"""Halves of the samples that are clustered anew, fewest samples that are halved, starts of each."""


@dataclass(frozen=True)
class ClusterAgreementParams(ViewParams):
    """How k-means is run."""

    clusters: int = param(0, "Number of clusters. 0: as many as labels.", low=0, high=1000, zero="automatic")
    rows: str = param("unit", "Rows that are clustered.", choices=("unit", "stored"))
    starts: int = param(10, "Starts of k-means; the one with the smallest sum of squares counts.", low=1, high=100)
    most_samples: int = param(
        20_000, "Samples that are clustered, drawn by class where there are more.", low=100, high=1_000_000, log=True
    )
    seed: int = param(0, "Seed of the starts, and of that draw.", low=0, high=10_000)


@dataclass(frozen=True)
class Clustering:
    """Clusters of some rows.

    Attributes
    ----------
    assigned : NDArray[np.int64], shape (n,)
    halves : dict
        Each measure of the agreement on each of 20 halves of the rows, clustered anew; none where rows are few.
    """

    assigned: Codes
    halves: dict[str, NDArray[np.float64]]


def agreement(codes: Codes, assigned: Codes) -> dict[str, float]:
    """Return NMI, AMI and ARI of labels and clusters."""
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

    return {
        "nmi": float(np.clip(normalized_mutual_info_score(codes, assigned), 0, 1)),
        "ami": min(1.0, float(adjusted_mutual_info_score(codes, assigned))),
        "ari": min(1.0, float(adjusted_rand_score(codes, assigned))),
    }


def cluster(rows: Rows, clusters: int, starts: int, seed: int) -> Codes:
    """Return the cluster of each row by k-means (scikit-learn), shape (n,)."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Fewer distinct rows than clusters: some clusters stay empty, which the measures allow for.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cast(Codes, KMeans(clusters, n_init=starts, random_state=seed).fit_predict(rows).astype(np.int64))


def cluster_and_halve(
    rows: Rows, codes: Codes, clusters: int, starts: int, seed: int, report: Callable[[float], None]
) -> Clustering:
    """Group rows (n, D), and anew each of some halves of them that are drawn by label."""
    generator = np.random.default_rng(seed)
    found = cluster(rows, clusters, starts, seed)
    halves: list[dict[str, float]] = []
    for place in range(HALVES if len(rows) >= max(FEWEST, 4 * clusters) else 0):
        report(0.5 + 0.5 * place / HALVES)
        order = generator.permutation(len(rows))
        kept = order[np.argsort(codes[order], kind="stable")][place % 2 :: 2]
        halves.append(agreement(codes[kept], cluster(rows[kept], clusters, min(starts, _STARTS), place)))
    return Clustering(found, {name: np.array([one[name] for one in halves]) for name in (halves[0] if halves else ())})


def _chosen(inputs: SetInputs, params: ClusterAgreementParams) -> tuple[LabelledView, LabelledView, int]:
    """Return the labelled rows, those that are clustered, and into how many clusters."""
    found = labelled_view(inputs.embedding_set, params.view)
    judged = found.of_classes(2)
    drawn = judged.keep(stratified_sample(judged.codes, params.most_samples, params.seed))
    clusters = params.clusters or len(np.unique(drawn.codes))
    if clusters > len(drawn.rows):
        raise MissingInputError(
            f"{clusters:,} clusters were asked of {len(drawn.rows):,} samples",
            where=inputs.embedding_set.name,
            remedy="choose fewer clusters",
        )
    return found, drawn, clusters


def seconds(inputs: SetInputs, params: ClusterAgreementParams) -> float:
    """Return about how long the clustering takes."""
    _, drawn, clusters = _chosen(inputs, params)
    iterations = (params.starts + HALVES * min(params.starts, _STARTS) / 2) * _ITERATIONS
    return 0.1 + iterations * len(drawn.rows) * clusters * inputs.embedding_set.dim * 2 / 2e9


def compute(inputs: SetInputs, params: ClusterAgreementParams) -> Result:
    """Cluster the rows of one view without their labels, and compare."""
    found, drawn, clusters = _chosen(inputs, params)
    scaling: Scaling = "unit" if params.rows == "unit" else "stored"
    inputs.progress(0.0, "clustering")
    clustering = inputs.remember(
        ("clusters", params.view, params.most_samples, clusters, scaling, params.starts, params.seed),
        lambda: cluster_and_halve(
            probe_rows(inputs.embedding_set, drawn.view, drawn.rows, scaling), drawn.codes, clusters, params.starts,
            params.seed, lambda done: inputs.progress(done, "clustering halves of the samples"),
        ),
    )  # fmt: skip
    assigned = clustering.assigned
    values = agreement(drawn.codes, assigned)
    inputs.progress(1.0, "compared")
    quantities = {
        spec.name: Quantity(
            spec.name, spec.label, values[spec.name], spec.unit, _interval(spec, values, clustering, len(drawn.rows)),
            n=len(drawn.rows), range=spec.range,
            reference=0.0 if spec.name != "nmi" else None, reference_label="chance" if spec.name != "nmi" else "",
        )
        for spec in SPEC.quantities
    }  # fmt: skip
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(drawn, assigned, clusters, inputs.run),
        findings=(_finding(quantities, values["ami"], clusters),),
        caveats=inputs.plain_caveats(
            len(drawn.rows),
            found.excluded,
            normalised=scaling == "unit",
            seed=params.seed,
            notes=(
                *found.notes(drawn),
                f"k-means: {clusters:,} clusters, {params.starts} starts",
                f"intervals: {HALVES} halves of the samples, drawn by label, each clustered anew"
                if clustering.halves
                else f"no intervals: fewer than {FEWEST} samples, or fewer than 4 a cluster",
            ),
        ),
        params=params.as_dict(),
        settled={} if params.clusters else {"clusters": f"{clusters:,}"},
    )


def _finding(quantities: dict[str, Quantity], ami: float, clusters: int) -> Finding:
    level = _thresholds.SKILL.level(ami)
    return Finding(
        SPEC.name,
        level,
        f"{clusters:,} clusters found without labels agree with them by {quantities['ami'].text()} of the "
        f"information (AMI, 0 by chance; ARI {quantities['ari'].text()}, N = {quantities['ami'].n:,})."
        f"{open_level(quantities['ami'], _thresholds.SKILL.level)}",
        "" if level == "good" else "See below which labels share a cluster; try more clusters than labels.",
        _thresholds.SKILL.source,
        "ami",
    )


def _interval(spec: QuantitySpec, values: dict[str, float], clustering: Clustering, n_rows: int) -> Interval | None:
    """Return the interval from clustered halves: a half varies given the rows as all of them vary between draws.

    That is the jackknife that leaves out half (Shao and Wu 1989): unlike one that leaves out little, it also sees
    k-means come to another optimum.
    """
    from scipy.stats import t

    halves = clustering.halves.get(spec.name)
    if halves is None:
        return None
    width = float(t.ppf(0.975, HALVES - 1)) * float(halves.std(ddof=1))
    lowest, highest = spec.range or (-np.inf, np.inf)
    low, high = max(lowest, values[spec.name] - width), min(highest, values[spec.name] + width)
    method = f"{HALVES} halves of {n_rows:,} samples, clustered anew"
    return Interval(low, high, 0.95, method).with_width


def _views(drawn: LabelledView, assigned: Codes, clusters: int, run: str) -> dict[str, View]:
    present = np.unique(drawn.codes)
    if max(len(present), clusters) > HEATED:
        return {}
    table = np.zeros((len(drawn.names), clusters))
    np.add.at(table, (drawn.codes, assigned), 1)
    table = table[present] / table[present].sum(axis=1, keepdims=True)
    # Clusters have no names: they are put in the order of the label that most of them hold.
    order = np.lexsort((-table.max(axis=0), table.argmax(axis=0)))
    table = table[:, order]
    split = int(table.max(axis=1).argmin())
    names = tuple(drawn.names[code] for code in present)
    title = (
        f"{names[split]} is split most: its largest cluster holds {format_number(100 * float(table[split].max()))} % "
        "of it"
    )
    columns = tuple(f"cluster {number + 1}" for number in range(clusters))
    scale = Axis("Samples of the label", "share", (0.0, 1.0))
    return {"contingency": Heatmap(title, Axis("Cluster"), Axis("Label"), table, names, columns, scale, run=run)}


SPEC = DiagnosticSpec(
    name="cluster_agreement",
    title="Cluster agreement",
    question="Would clustering find the classes?",
    section="Groups",
    page="groups/downstream",
    needs="set",
    tells="outcome",
    params=ClusterAgreementParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=(
        QuantitySpec(
            "nmi",
            "NMI",
            "Mutual information of clusters and labels over the mean of their entropies; not corrected for chance.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "ami",
            "AMI",
            "Mutual information minus its expectation by chance, over its largest value minus that expectation.",
            "share",
            (-1.0, 1.0),
            "higher",
        ),
        QuantitySpec(
            "ari",
            "ARI",
            "Share of pairs that clusters and labels both join or both part, corrected for chance.",
            "share",
            (-0.5, 1.0),
            "higher",
        ),
    ),
    definition=(
        "k-means groups the rows without their labels, with as many clusters as there are labels unless you say "
        "otherwise; three measures say how far clusters and labels agree. The starts are seeded, and the best of them "
        "by the sum of squares is kept."
    ),
    formula=(
        r"\mathrm{NMI} = \frac{I(C, Y)}{\tfrac12 (H(C) + H(Y))}, \quad"
        r" \mathrm{AMI} = \frac{I(C, Y) - \mathbb{E} I}{\tfrac12 (H(C) + H(Y)) - \mathbb{E} I}"
    ),
    reading=(
        "AMI and ARI are 0 by chance and 1 for equal partitions. A low value with good neighbour accuracy means that "
        "classes are connected but not round, or that they form several clusters each: look at the matrix, and ask for "
        "more clusters."
    ),
    traps=(
        "NMI is not corrected for chance and grows with the number of clusters: compare AMI. k-means finds clusters of "
        "like size and spread; rare classes are merged into large ones. Another seed or version of the library may "
        "give another optimum."
    ),
    sources=(VINH, HUBERT),
    thresholds=(_thresholds.SKILL,),
)
