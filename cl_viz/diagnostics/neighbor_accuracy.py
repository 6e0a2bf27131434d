"""Do the nearest neighbours share the label?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import param
from cl_viz.core.result import Quantity, Result, Source
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Reference, Series, Table
from cl_viz.diagnostics._groups.judgement import QUANTITIES, Judgement, percent
from cl_viz.diagnostics._groups.labelled_neighbors import labelled_neighbors
from cl_viz.diagnostics._groups.labelled_view import LabelledView, ViewParams, labelled_view
from cl_viz.diagnostics._groups.probes import Codes, vote, votes_by_count
from cl_viz.diagnostics._proportions import share_of_hits, wilson
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.engine.inputs import SetInputs
from cl_viz.engine.neighbors import MOST_NEIGHBORS, Neighbors

WU = Source(
    "Wu et al. 2018, Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    "https://arxiv.org/abs/1805.01978",
)
COVER = Source(
    "Cover and Hart 1967, Nearest neighbor pattern classification", "https://doi.org/10.1109/TIT.1967.1053964"
)
CURVE = (1, 2, 5, 10, 20, 50, 100, 200)
PLAIN = 5
MANY, FEW, LARGE = 200, 20, 2000
"""Neighbours that vote in a large set and in a small one, and the samples from which a set is large."""
MISTAKES = 200


@dataclass(frozen=True)
class NeighborAccuracyParams(ViewParams):
    """Who votes, and how much the nearest weigh."""

    neighbours: int = param(
        0,
        f"Neighbours that vote; all others, where there are fewer. 0: {MANY}, or {FEW} where fewer than {LARGE:,} "
        "samples are judged.",
        low=0,
        high=MOST_NEIGHBORS,
        zero="automatic",
    )
    vote_temperature: float = param(
        0.1, "A vote weighs exp(score / temperature): low lets the nearest decide.", low=0.01, high=1.0, log=True
    )


@dataclass(frozen=True)
class Votes:
    """Neighbours of the rows that are judged.

    Attributes
    ----------
    judged : LabelledView
        Rows of classes of two samples or more.
    codes : NDArray[np.int64], shape (n, m)
        Labels of the neighbours, nearest first; -1 where they have none or are the same sample.
    scores : NDArray, shape (n, m)
    n_classes : int
    """

    judged: LabelledView
    codes: Codes
    scores: NDArray[np.floating]
    n_classes: int

    @classmethod
    def of(cls, inputs: SetInputs, number: int) -> tuple[LabelledView, Votes]:
        """Return the labelled rows, and the neighbours of those that can be judged."""
        embedding_set = inputs.embedding_set
        found = labelled_view(embedding_set, number)
        judged = found.of_classes(2)
        near = labelled_neighbors(inputs, found.view)
        every = embedding_set.codes("label")
        assert every is not None
        places = np.searchsorted(near.rows, judged.rows)
        codes = every[0][number - 1][near.indices[places]]
        codes[_same_sample(inputs, near, places)] = -1
        return found, cls(judged, codes, near.scores[places], len(found.names))

    def at(self, k: int, temperature: float | None) -> Codes:
        """Return what the `k` nearest say of each judged row."""
        return vote(self.codes, self.scores, self.n_classes, k, temperature)


def _same_sample(inputs: SetInputs, near: Neighbors, places: Codes) -> NDArray[np.bool_]:
    """Return which neighbours are other rows of the same sample, such as captions of one image: they would leak."""
    links = inputs.embedding_set.links(near.view, near.view)
    indices = near.indices[places]
    if not len(links):
        return np.zeros(indices.shape, dtype=np.bool_)
    size = len(inputs.embedding_set.views[near.view])
    linked = np.concatenate([links[:, 0] * size + links[:, 1], links[:, 1] * size + links[:, 0]])
    return np.isin(near.rows[places][:, None] * size + indices, linked)


def compute(inputs: SetInputs, params: NeighborAccuracyParams) -> Result:
    """Let the neighbours of every row of one view vote on its label."""
    found, votes = Votes.of(inputs, params.view)
    judged, given = votes.judged, params
    if not params.neighbours:
        params = replace(params, neighbours=MANY if len(judged.rows) >= LARGE else FEW)
    groups = inputs.embedding_set.codes("group")
    judgement = Judgement(
        judged.codes,
        votes.at(params.neighbours, params.vote_temperature),
        judged.names,
        None if groups is None else groups[0][params.view - 1][judged.rows],
        () if groups is None else groups[1],
    )
    quantities = judgement.quantities()
    plain = votes.at(PLAIN, None) == judged.codes
    spec = SPEC.quantity("plain_accuracy")
    quantities[spec.name] = Quantity(
        spec.name, spec.label, float(plain.mean()), spec.unit, share_of_hits(plain), len(judged.rows),
        range=spec.range,
    )  # fmt: skip
    most = min(params.neighbours, votes.codes.shape[1])
    who = f"The {most} nearest neighbours name"
    if most < params.neighbours:
        who = f"The nearest neighbours (all {most} there are) name"
    advice = "Look at another layer, the linear probe, and whether the label is what the views were to keep."
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={
            "curve": _curve(votes, judgement, params, inputs.run),
            **judgement.views(inputs.run),
            "mistakes": _mistakes(votes, judgement, params, inputs),
        },
        findings=tuple(judgement.findings(SPEC.name, who, advice)),
        caveats=inputs.plain_caveats(
            len(judged.rows),
            found.excluded,
            notes=(
                *found.notes(judged),
                f"each sample is left out of its own vote; votes weighed at temperature {params.vote_temperature:g}",
                "samples are drawn independently for the intervals; that they vote on each other is not counted",
            ),
        ),
        params=given.as_dict(),
        settled={} if given.neighbours else {"neighbours": f"{most:,}"},
    )


def _curve(votes: Votes, judgement: Judgement, params: NeighborAccuracyParams, run: str) -> Lines:
    """Accuracy by the number of neighbours, weighed and plain."""
    most = votes.codes.shape[1]
    counts = sorted({min(k, most) for k in (*CURVE, params.neighbours)})
    n_rows = len(votes.judged.rows)
    series = []
    kinds = (("weighted", params.vote_temperature), ("one vote each", None))
    for name, temperature in kinds:
        said = votes_by_count(votes.codes, votes.scores, votes.n_classes, counts, temperature)
        hits = [int(right) for right in (said == votes.judged.codes).sum(axis=1)]
        ends = [wilson(hit, n_rows) for hit in hits]
        series.append(
            Series(
                name,
                np.array(counts),
                np.array(hits) / n_rows,
                run=run,
                n=n_rows,
                low=np.array([end.low for end in ends]),
                high=np.array([end.high for end in ends]),
            )
        )
    best = int(np.argmax(series[0].y))
    title = (
        f"{percent(judgement.accuracy)} by the {min(params.neighbours, most)} nearest; most, "
        f"{percent(float(series[0].y[best]))}, by {counts[best]}"
    )
    return Lines(
        title,
        Axis("Neighbours", log=True),
        Axis("Accuracy", "share of samples", (0.0, 1.0)),
        tuple(series),
        (Reference("always the largest class", judgement.chance, "y"),),
    )


def _mistakes(votes: Votes, judgement: Judgement, params: NeighborAccuracyParams, inputs: SetInputs) -> Table:
    """The samples whose neighbours agree on another label."""
    wrong = np.flatnonzero(~judgement.correct & (judgement.predicted >= 0))
    codes, scores = votes.codes[wrong, : params.neighbours], votes.scores[wrong, : params.neighbours].astype(np.float64)
    weights = np.exp((scores - 1) / params.vote_temperature) * (codes >= 0)
    total = np.maximum(weights.sum(axis=1), np.finfo(float).tiny)
    share = (weights * (codes == judgement.predicted[wrong][:, None])).sum(axis=1) / total
    order = np.argsort(-share, kind="stable")[:MISTAKES]
    chosen, rows = wrong[order], votes.judged.rows[wrong[order]]
    names = np.array(votes.judged.names, dtype=object)
    columns: dict[str, NDArray[np.generic]] = {
        "row": rows,
        "label": names[judgement.codes[chosen]],
        "neighbours say": names[judgement.predicted[chosen]],
        "share of the votes": share[order],
    }
    for role in ("group", "text", "image"):
        column = inputs.embedding_set.role(role, votes.judged.view)
        if column is not None:
            columns[role] = column[rows]
    title = f"Samples whose neighbours agree on another label: {len(wrong):,} of {len(judgement.codes):,}"
    return Table(f"{title} ({percent(len(wrong) / len(judgement.codes))})", columns, inputs.run)


SPEC = DiagnosticSpec(
    name="neighbor_accuracy",
    title="Neighbour accuracy",
    question="Do the nearest neighbours share the label?",
    section="Groups",
    page="groups/downstream",
    needs="set",
    tells="outcome",
    params=NeighborAccuracyParams,
    compute=compute,
    passes=("neighbors",),
    labelled_passes=("neighbors",),
    quantities=(
        *QUANTITIES,
        QuantitySpec(
            "plain_accuracy",
            f"Accuracy, {PLAIN} neighbours, one vote each",
            f"Share of the samples whose label most of the {PLAIN} nearest neighbours have.",
            "share",
            (0.0, 1.0),
            "higher",
        ),
    ),
    definition=(
        "The k nearest neighbours of a sample by cosine, itself left out, vote on its label; a vote weighs "
        "exp(score / temperature). No training is needed, so that the number speaks of the embedding alone. The "
        "defaults k = 200 and temperature 0.1 are those of Wu et al.; below 2,000 samples k is 20 unless given, and it "
        "is capped at the samples there are."
    ),
    formula=r"\hat y_i = \arg\max_c \sum_{j \in \mathrm{kNN}(i)} e^{s_{ij}/T}\, [y_j = c]",
    reading=(
        "Compare with always naming the largest class, drawn as a line. A curve that falls with k says that classes "
        "are small or scattered: choose k below the size of the smallest class. Where neighbours know much less than a "
        "linear probe, the label is in the embedding but does not dominate its distances. The lowest recall of a class "
        "matters more than the mean where some classes are rare."
    ),
    traps=(
        "With k near the number of samples every class is outvoted by the largest one: 1,000 samples and k = 200 is "
        "much, which is why k is 20 there. Accuracy here leaves one sample out of all; papers vote with a "
        "training set on a test set, which gives other numbers; leaving one out takes a vote from the own class, "
        "so that labels that are not there come out a little below chance. Neighbours with equal scores (duplicates, "
        "collapse) come in any order, and of labels with equal votes the first in order wins. Other rows of the "
        "same sample, known by ids or pairs, have no vote. Classes of one sample cannot be named and are left out and "
        "counted. The interval of the lowest recall covers all classes at once, since the lowest was picked."
    ),
    sources=(WU, COVER),
    thresholds=(
        _thresholds.SKILL,
        _thresholds.RELATIVE_RECALL,
    ),
)
