"""Does a sample find itself in the other view?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrik

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import Params, param
from cl_viz.core.result import Finding, Interval, Level, Quantity, Result, Source
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.core.view import Axis, Lines, Series
from cl_viz.diagnostics._groups.judgement import percent
from cl_viz.diagnostics._groups.ranking import ALL_SEARCHED, ranks_of_partners, searched_for
from cl_viz.diagnostics._groups.relevant_ranks import MCSHERRY, RelevantRanks
from cl_viz.diagnostics._proportions import share_of_hits, wilson
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.diagnostics._thresholds.open_level import open_level
from cl_viz.engine.inputs import SetInputs

RADFORD = Source(
    "Radford et al. 2021, Learning Transferable Visual Models From Natural Language Supervision",
    "https://arxiv.org/abs/2103.00020",
)
DEPTHS = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class CrossViewRetrievalParams(Params):
    """For how many samples one searches."""

    queries: int = param(
        500,
        f"Samples searched for in each direction, all where up to {ALL_SEARCHED:,} are at most four times as many; "
        "the gallery is always all samples.",
        low=10,
        high=100_000,
        log=True,
    )
    seed: int = param(0, "Seed of that draw.", low=0, high=10_000)


@dataclass(frozen=True)
class Directions:
    """Ranks of partners, from the first view to the second and back."""

    first: str
    second: str
    there: RelevantRanks
    back: RelevantRanks

    @classmethod
    def of(cls, embedding_set: EmbeddingSet, queries: int, seed: int) -> Directions:
        """Search both ways between the first two views.

        Raises
        ------
        MissingInputError
            If there is one view, a view has one usable row (any search finds it), or no row has a partner.
        """
        names = embedding_set.view_names
        if len(names) < 2:
            raise MissingInputError(
                "the set has one view", where=embedding_set.name, remedy="add a second view of the same samples"
            )
        usable = [int(embedding_set.usable_rows[view].sum()) for view in names[:2]]
        if min(usable) < 2:
            raise MissingInputError(
                "a view has fewer than 2 usable rows to search among",
                where=embedding_set.name,
                remedy="add other samples",
            )
        most = [searched_for(size, queries) for size in usable]
        there = ranks_of_partners(embedding_set, names[0], names[1], most[0], seed)
        back = ranks_of_partners(embedding_set, names[1], names[0], most[1], seed)
        if there is None or back is None:
            raise MissingInputError(
                f"no usable row of {names[0]} has a partner in {names[1]}",
                where=embedding_set.name,
                remedy="check the ids or the pairs (Data page)",
            )
        return cls(names[0], names[1], there, back)


def compute(inputs: SetInputs, params: CrossViewRetrievalParams) -> Result:
    """Search for each sample's partner in the other view, both ways."""
    embedding_set = inputs.embedding_set
    found = inputs.remember(
        ("partner ranks", params.queries, params.seed),
        lambda: Directions.of(embedding_set, params.queries, params.seed),
    )
    sizes = {view: int(embedding_set.usable_rows[view].sum()) for view in (found.first, found.second)}
    quantities = _quantities(found, sizes)
    drawn = any(searched_for(size, params.queries) < size for size in sizes.values())
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views={"by_depth": _by_depth(found, sizes, inputs.run)},
        findings=(_finding(found, quantities, sizes),),
        caveats=inputs.plain_caveats(
            sizes[found.first],
            embedding_set.sizes[0] - sizes[found.first],
            seed=params.seed if drawn else None,
            notes=(
                f"queries: {len(found.there.first):,} of {found.first}, {len(found.back.first):,} of {found.second}; "
                f"galleries: {sizes[found.second]:,} and {sizes[found.first]:,} rows",
                "a query with several partners hits where any of them is found; intervals over queries, gallery fixed",
            ),
        ),
        params=params.as_dict(),
    )


def _quantities(found: Directions, sizes: dict[str, int]) -> dict[str, Quantity]:
    made = {}
    for direction, ranks, gallery in (
        ("there", found.there, sizes[found.second]),
        ("back", found.back, sizes[found.first]),
    ):
        for depth in (1, 5, 10):
            spec = SPEC.quantity(f"recall_at_{depth}_{direction}")
            hits = ranks.hit(depth)
            chance = float(random_hit_rate(ranks.totals, gallery, depth).mean())
            made[spec.name] = Quantity(
                spec.name, spec.label, float(hits.mean()), spec.unit, share_of_hits(hits), len(hits),
                "queries", spec.range, chance, "a random order",
            )  # fmt: skip
        spec = SPEC.quantity(f"median_rank_{direction}")
        made[spec.name] = Quantity(
            spec.name, spec.label, float(np.median(ranks.first)), spec.unit, _of_median(ranks.first),
            len(ranks.first), "queries",
            spec.range, reference=1.0, reference_label="first",
        )  # fmt: skip
    return made


def _of_median(ranks: NDArray[np.float64]) -> Interval | None:
    """Return the interval between two order statistics: so many queries lie below the median by the binomial law."""
    size = len(ranks)
    # The least count that so few exceed; the solution between two counts may be rounded past a whole one.
    low = math.ceil(bdtrik(0.025, size, 0.5))
    low -= low > 0 and bdtr(low - 1, size, 0.5) >= 0.025
    if low < 1:
        return None
    ordered = np.sort(ranks)
    method = f"order statistics of {size:,} queries"
    return Interval(float(ordered[low - 1]), float(ordered[size - low]), 0.95, method)


def random_hit_rate(totals: NDArray[np.int64], gallery: int, depth: int) -> NDArray[np.float64]:
    """Return how likely a random order puts any of R relevant rows among the first `depth`, for each R of `totals`."""
    missed = np.ones(len(totals))
    for place in range(min(depth, gallery)):
        missed *= np.maximum(0.0, 1 - totals / (gallery - place))
    return 1 - missed


def _finding(found: Directions, quantities: dict[str, Quantity], sizes: dict[str, int]) -> Finding:
    there, back = (quantities[f"recall_at_1_{direction}"] for direction in ("there", "back"))
    assert there.value is not None
    assert back.value is not None
    assert there.interval is not None
    assert back.interval is not None
    worse, chance = there if there.value <= back.value else back, 1 / max(sizes.values())
    assert worse.value is not None

    def judged(value: float) -> Level:
        return _thresholds.SKILL.level((value - chance) / (1 - chance))

    level = judged(worse.value)
    message = (
        f"The first result is the query's own sample for {percent(there.value)} [{percent(there.interval.low, '')}, "
        f"{percent(there.interval.high, '')}] from {found.first} to {found.second}, and for {percent(back.value)} "
        f"[{percent(back.interval.low, '')}, {percent(back.interval.high, '')}] back ({len(found.there.first):,} "
        f"queries, N = {sizes[found.second]:,}).{open_level(worse, judged)}"
    )
    advice = (
        "Look at the weakest positives: do they belong together, and are other samples as good an answer? Then try "
        "more or harder negatives in training."
    )
    return Finding(
        SPEC.name, level, message, "" if level == "good" else advice, _thresholds.SKILL.source, "recall_at_1_there"
    )


def _by_depth(found: Directions, sizes: dict[str, int], run: str) -> Lines:
    series = []
    for name, ranks, gallery in (
        (f"{found.first} to {found.second}", found.there, sizes[found.second]),
        (f"{found.second} to {found.first}", found.back, sizes[found.first]),
    ):
        depths = np.array([k for k in DEPTHS if k <= gallery])
        ends = [wilson(float(ranks.hit(int(k)).sum()), len(ranks.first)) for k in depths]
        series.append(
            Series(
                name,
                depths,
                np.array([ranks.hit(int(k)).mean() for k in depths]),
                run=run,
                n=len(ranks.first),
                low=np.array([end.low for end in ends]),
                high=np.array([end.high for end in ends]),
            )
        )
    title = (
        f"First result right for {percent(float(found.there.hit(1).mean()))} from {found.first} to {found.second}, for "
        f"{percent(float(found.back.hit(1).mean()))} back"
    )
    return Lines(
        title,
        Axis("Results looked at", log=True),
        Axis("Queries that find their own sample", "share", (0.0, 1.0)),
        tuple(series),
    )


def _recall(depth: int, direction: str) -> QuantitySpec:
    ways = {"there": "first view to second", "back": "second view to first"}
    return QuantitySpec(
        f"recall_at_{depth}_{direction}",
        f"Recall@{depth}, {ways[direction]}",
        f"Share of the queries with a row of their own sample among the first {depth} of the other view (hit rate).",
        "share",
        (0.0, 1.0),
        "higher",
    )


def _median(direction: str) -> QuantitySpec:
    ways = {"there": "first view to second", "back": "second view to first"}
    return QuantitySpec(
        f"median_rank_{direction}",
        f"Median rank, {ways[direction]}",
        "Median over queries of the rank of the best row of their own sample.",
        "rank",
        better="lower",
    )


SPEC = DiagnosticSpec(
    name="cross_view_retrieval",
    title="Retrieval across views",
    question="Does a sample find itself in the other view?",
    section="Groups",
    page="groups/downstream",
    needs="set",
    tells="outcome",
    params=CrossViewRetrievalParams,
    compute=compute,
    quantities=(
        *(_recall(depth, "there") for depth in (1, 5, 10)),
        _median("there"),
        *(_recall(depth, "back") for depth in (1, 5, 10)),
        _median("back"),
    ),
    definition=(
        "Every row of one view ranks all rows of the other view by cosine; the rows of the same sample are what it "
        "should find. With an image and a text view these are image-to-text and text-to-image retrieval, with two "
        "augmented views instance discrimination."
    ),
    formula=r"\mathrm{R@}k = \frac{1}{N}\sum_i \big[\min_{j \in P(i)} \mathrm{rank}_i(j) \le k\big]",
    reading=(
        "The two directions differ: a row that is near to many (a hub) answers the queries of others. A low rate is "
        "not a fault where several samples are equally good answers, as captions that fit many images are."
    ),
    traps=(
        "The rate falls as the gallery grows: compare only at equal N. With several captions an image, image to text "
        "counts a hit where any caption is found, and text to image has as many queries as captions. Rows of "
        "one score, such as copies of a document that no id says are one, share their places: hits and ranks are "
        "expected values over their orders. trec_eval, and with it BEIR and MTEB, order such rows by the names of the "
        "documents, most other code as they come. Rows without a partner are no queries, but stay in the gallery."
    ),
    sources=(RADFORD, MCSHERRY),
    thresholds=(_thresholds.SKILL,),
)
