"""Does a search find samples of the same label?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.params import param
from cl_viz.core.result import Finding, Interval, Level, Quantity, Result, Source, format_number, influence_interval
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Bars, Lines, Series, Table, View
from cl_viz.diagnostics._groups.judgement import BARS, percent
from cl_viz.diagnostics._groups.labelled_view import LabelledView, ViewParams, labelled_view
from cl_viz.diagnostics._groups.probes import Codes, stratified_sample
from cl_viz.diagnostics._groups.ranking import ALL_SEARCHED, ranks_by_label, searched_for
from cl_viz.diagnostics._groups.relevant_ranks import MCSHERRY, RelevantRanks
from cl_viz.diagnostics._proportions import share_of_hits, wilson
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs

MUSGRAVE = Source("Musgrave et al. 2020, A Metric Learning Reality Check", "https://arxiv.org/abs/2003.08505")
MANNING = Source(
    "Manning et al. 2008, Introduction to Information Retrieval, chapter 8", "https://nlp.stanford.edu/IR-book/"
)
DEPTHS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
WEAKEST = 200


@dataclass(frozen=True)
class LabelRetrievalParams(ViewParams):
    """How deep one looks, and for how many samples one searches."""

    depth: int = param(10, "Results that are looked at: the k of Recall@k.", low=1, high=1000, log=True)
    queries: int = param(
        500,
        f"Samples searched for, drawn by class, all where up to {ALL_SEARCHED:,} are at most four times as many; the "
        "gallery is always all samples.",
        low=10,
        high=100_000,
        log=True,
    )
    seed: int = param(0, "Seed of that draw.", low=0, high=10_000)


def compute(inputs: SetInputs, params: LabelRetrievalParams) -> Result:
    """Search with samples of one view among all others of it."""
    found = labelled_view(inputs.embedding_set, params.view)
    judged = found.of_classes(2)
    chosen = stratified_sample(judged.codes, searched_for(len(judged.rows), params.queries), params.seed)
    queries = np.searchsorted(found.rows, judged.rows[chosen])
    ranks = inputs.remember(
        ("label ranks", params.view, params.queries, params.seed),
        lambda: ranks_by_label(
            inputs.embedding_set, found.view, queries, found.rows, found.codes,
            lambda done: inputs.progress(done, "searching"),
        ),
    )  # fmt: skip
    quantities = _quantities(ranks, params.depth, len(found.rows))
    drawn = len(queries) < len(judged.rows)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=_views(ranks, found, queries, params, inputs),
        findings=(_finding(ranks, quantities, len(found.rows)),),
        caveats=inputs.plain_caveats(
            len(found.rows),
            found.excluded,
            seed=params.seed if drawn else None,
            notes=(
                *found.notes(judged),
                f"queries: {len(queries):,}; gallery: all {len(found.rows):,} labelled samples but the query itself",
                "intervals over queries; the gallery is held fixed, and another would move the numbers further",
            ),
        ),
        params=params.as_dict(),
    )


def _quantities(ranks: RelevantRanks, depth: int, gallery: int) -> dict[str, Quantity]:
    n_queries = len(ranks.first)

    def counted(hits: NDArray[np.float64]) -> tuple[float, Interval]:
        return float(hits.mean()), share_of_hits(hits)

    def averaged(values: NDArray[np.float64]) -> tuple[float, Interval]:
        mean = float(np.clip(values.mean(), 0, 1))
        # Of equal values, or a mean at an end of its range, the spread says nothing of the next sample.
        if values.std() == 0 or not 0 < mean < 1:
            return mean, wilson(round(mean * n_queries), n_queries) if mean in (0, 1) else Interval(
                0.0, 1.0, 0.95, "none"
            )
        return mean, influence_interval(mean, values - mean, limits=(0.0, 1.0))

    chance = ranks.totals / (gallery - 1)
    values: dict[str, tuple[float, Interval | None, float | None]] = {
        "precision_at_1": (*counted(ranks.hit(1)), float(chance.mean())),
        "hit_rate": (*counted(ranks.hit(depth)), None),
        "true_recall": (*averaged(ranks.recall(depth)), min(1.0, depth / (gallery - 1))),
        "map_at_r": (*averaged(ranks.map_at_r()), float(random_map_at_r(ranks.totals, gallery).mean())),
        "r_precision": (*averaged(ranks.r_precision()), float(chance.mean())),
        "mean_average_precision": (*averaged(ranks.average_precision()), None),
        "mean_average_precision_above_zero": (*averaged(ranks.average_precision_above_zero()), None),
        "mean_reciprocal_rank": (*averaged(ranks.reciprocal_rank()), None),
    }
    made = {}
    for spec in SPEC.quantities:
        value, interval, null = values[spec.name]
        made[spec.name] = Quantity(
            spec.name, spec.label, value, spec.unit, interval, n_queries, "queries", spec.range,
            null, "" if null is None else "a random order",
        )  # fmt: skip
    return made


def random_map_at_r(totals: Codes, gallery: int) -> NDArray[np.float64]:
    """Return the expected MAP@R of a random order of `gallery` - 1 rows with R relevant ones, for each R of `totals`.

    Rank i is relevant with probability R / M, and then holds 1 + (i - 1)(R - 1)/(M - 1) relevant rows up to it.
    """
    others = gallery - 1
    found = {}
    for total in np.unique(totals):
        place = np.arange(1, total + 1)
        within = 1 + (place - 1) * (total - 1) / max(1, others - 1)
        found[int(total)] = float((within / place).sum() / others)
    return np.array([found[int(total)] for total in totals])


def _finding(ranks: RelevantRanks, quantities: dict[str, Quantity], gallery: int) -> Finding:
    first, mapped = quantities["precision_at_1"], quantities["map_at_r"]
    assert first.value is not None
    assert first.interval is not None
    assert first.reference is not None
    assert mapped.value is not None
    chance = first.reference

    def judged(value: float) -> Level:
        return _thresholds.SKILL.level((value - chance) / (1 - chance) if chance < 1 else 1.0)

    level = judged(first.value)
    message = (
        f"The first result has the query's label for {percent(first.value)} [{percent(first.interval.low, '')}, "
        f"{percent(first.interval.high, '')}] of the queries (a random order: {percent(chance)}), MAP@R is "
        f"{format_number(mapped.value)} ({len(ranks.first):,} queries, N = {gallery:,})."
        f"{open_level(first, judged)}"
    )
    advice = "Compare the layers, and look at which label the queries find instead."
    return Finding(
        SPEC.name, level, message, "" if level == "good" else advice, _thresholds.SKILL.source, "precision_at_1"
    )


def _views(
    ranks: RelevantRanks, found: LabelledView, queries: Codes, params: LabelRetrievalParams, inputs: SetInputs
) -> dict[str, View]:
    views: dict[str, View] = {"by_depth": _by_depth(ranks, params.depth, len(found.rows), inputs.run)}
    of_query, values = found.codes[queries], ranks.map_at_r()
    counts = np.bincount(of_query, minlength=len(found.names))
    means = np.bincount(of_query, values, len(found.names)) / np.maximum(1, counts)
    present = np.flatnonzero(counts)
    order = present[np.argsort(means[present], kind="stable")][:BARS]
    more = f" (the {BARS} lowest of {len(present):,})" if len(present) > BARS else ""
    views["by_class"] = Bars(
        f"{found.names[order[0]]} has the lowest MAP@R: {format_number(float(means[order[0]]))}{more}",
        Axis("Label of the query"),
        Axis("MAP@R", "mean over queries", (0.0, 1.0)),
        (Series("MAP@R", np.array([found.names[i] for i in order], dtype=object), means[order], run=inputs.run,
                n=len(queries)),),
    )  # fmt: skip
    views["weakest"] = _weakest(ranks, found, queries, inputs)
    return views


def _by_depth(ranks: RelevantRanks, depth: int, gallery: int, run: str) -> Lines:
    """What is found among the first k results, named three ways."""
    depths = np.array(sorted({k for k in (*DEPTHS, depth) if k < gallery}))
    n_queries = len(ranks.first)
    hits = [wilson(float(ranks.hit(int(k)).sum()), n_queries) for k in depths]
    recalls = [ranks.recall(int(k)) for k in depths]
    series = (
        Series("hit rate", depths, np.array([ranks.hit(int(k)).mean() for k in depths]), run=run, n=n_queries,
               low=np.array([end.low for end in hits]), high=np.array([end.high for end in hits])),
        Series("true recall", depths, np.array([recall.mean() for recall in recalls]), run=run, n=n_queries),
        Series("precision", depths, np.array([(recall * ranks.totals).mean() / k
                                               for recall, k in zip(recalls, depths, strict=True)]),
               run=run, n=n_queries),
    )  # fmt: skip
    title = (
        f"Among {depth}: {percent(float(ranks.hit(depth).mean()))} of queries find their label, and "
        f"{percent(float(ranks.recall(depth).mean()))} of what there is"
    )
    return Lines(title, Axis("Results looked at", log=True), Axis("Share", "mean over queries", (0.0, 1.0)), series)


def _weakest(ranks: RelevantRanks, found: LabelledView, queries: Codes, inputs: SetInputs) -> Table:
    values = ranks.map_at_r()
    order = np.argsort(values, kind="stable")[:WEAKEST]
    rows = found.rows[queries[order]]
    columns: dict[str, NDArray[np.generic]] = {
        "row": rows,
        "label": np.array(found.names, dtype=object)[found.codes[queries[order]]],
        "MAP@R": values[order],
        "rank of the first hit": ranks.first[order],
    }
    for role in ("group", "text", "image"):
        column = inputs.embedding_set.role(role, found.view)
        if column is not None:
            columns[role] = column[rows]
    return Table("Queries that find their label least", columns, inputs.run)


def _share(name: str, label: str, definition: str) -> QuantitySpec:
    return QuantitySpec(name, label, definition, "share", (0.0, 1.0), "higher")


SPEC = DiagnosticSpec(
    name="label_retrieval",
    title="Retrieval by label",
    question="Does a search find samples of the same label?",
    section="Groups",
    page="groups/downstream",
    needs="set",
    tells="outcome",
    params=LabelRetrievalParams,
    compute=compute,
    quantities=(
        _share("precision_at_1", "Precision@1", "Share of the queries whose first result has their label."),
        _share("hit_rate", "Recall@k, hit rate",
               "Share of the queries with any sample of their label among the first k: Recall@k of metric learning."),
        _share("true_recall", "Recall@k, true recall",
               "Mean share of the samples of the query's label that are among the first k: Recall@k of information "
               "retrieval. It cannot pass k / R."),
        _share("map_at_r", "MAP@R",
               "Mean over queries of the sum of precision(i) over relevant ranks i up to R, divided by R, the "
               "number of relevant samples."),
        _share("r_precision", "R-precision", "Mean share of relevant samples among the first R."),
        _share("mean_average_precision", "mAP, full ranking",
               "Mean over queries of the mean precision at the rank of every relevant sample."),
        _share("mean_average_precision_above_zero", "mAP, scores above 0",
               "As before, with relevant samples of a score of 0 or below left out: what torchmetrics computes."),
        _share("mean_reciprocal_rank", "Mean reciprocal rank", "Mean of 1 over the rank of the first hit."),
    ),
    definition=(
        "Every query ranks all other samples by cosine; those of its label are relevant, R of them. Two numbers are "
        "called Recall@k: the hit rate of metric learning (is any relevant sample among the first k?) and true recall "
        "(what share of the relevant samples is among the first k?). MAP@R looks at the first R results and rewards "
        "their order."
    ),
    formula=(
        r"\mathrm{MAP@R} = \frac{1}{|Q|}\sum_q \frac{1}{R_q} \sum_{i=1}^{R_q} P_q(i)\,\mathrm{rel}_q(i), \quad"
        r" \mathrm{AP}_q = \frac{1}{R_q}\sum_{i:\,\mathrm{rel}_q(i)=1} P_q(i)"
    ),
    reading=(
        "A hit rate near 1 says little where classes are large: some sample of the label is always near. MAP@R and "
        "true recall say whether the whole class comes first. The expectation of a random order, at the same numbers "
        "of samples and class sizes, stands beside each number where it has a closed form. A class with a low MAP@R is "
        "scattered or mixed with another."
    ),
    traps=(
        "Say which Recall@k is meant: with 60 samples a class the hit rate at 10 can be 1 where true recall is at most "
        "0.17. Libraries that cut the ranking at k give a smaller MAP@R and mAP when k is below R (pytorch-metric-"
        "learning only warns); torchmetrics counts relevant samples of a score of 0 or below as irrelevant. Here the "
        "ranking is whole. The query is not among its results, and queries whose label no other sample has "
        "are left out and counted; they stay in the gallery. Samples of one score share their places: every measure "
        "is its expected value over their orders (trec_eval, BEIR and MTEB order them by name, most other code as "
        "they come). Queries are drawn by class where there are many. Intervals are those of other queries in the same "
        "gallery. Where every sample is a query, other samples move MAP@R about twice as far: of 200 draws of 80 "
        "samples of four classes its interval held the mean in 71 %."
    ),
    sources=(MUSGRAVE, MANNING, MCSHERRY),
    thresholds=(_thresholds.SKILL,),
)  # fmt: skip
