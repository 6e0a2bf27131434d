"""Is a group served worse than the others?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Interval, Quantity, Result, Source
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._groups.group_cells import Cells, GroupParams, group_alignment, group_cells, group_uniformity
from cl_viz.diagnostics._groups.group_results import Accuracy, GroupsFound, findings, views
from cl_viz.diagnostics._groups.labelled_view import LabelledView, labelled_view
from cl_viz.diagnostics._groups.probes import Codes, predict_in_folds, probe_rows, stratified_sample
from cl_viz.diagnostics._thresholds import harm
from cl_viz.diagnostics._thresholds.harm import WORST_GROUP
from cl_viz.diagnostics.neighbor_accuracy import Votes
from cl_viz.engine.inputs import SetInputs

_FOLDS, _C = 5, 1.0

FAIRLEARN = Source(
    "Weerts et al. 2023, Fairlearn: Assessing and Improving Fairness of AI Systems", "https://arxiv.org/abs/2303.16626"
)


@dataclass(frozen=True)
class GroupTableParams(GroupParams):
    """What a group is, how its samples are judged, and what the probe is fitted to."""

    most_samples: int = param(
        10_000, "Samples that the probe is fitted to, drawn by class where there are more.", low=100, high=1_000_000,
        log=True,
    )  # fmt: skip
    seed: int = param(0, "Seed of the parts, draws and bootstraps.", low=0, high=10_000)


def compute(inputs: SetInputs, params: GroupTableParams) -> Result:
    """Measure every group of one set."""
    cells = group_cells(inputs.embedding_set, params.view, params.groups)
    near, fitting = _part_of(inputs, 0.0, 0.3), _part_of(inputs, 0.5, 0.5)
    neighbors = probe = None
    missing = "choose a label column on the Data page"
    if inputs.embedding_set.codes("label") is not None:
        missing = f"add samples: fewer than two groups have {params.least} that can be judged"
        neighbors = _by_neighbors(near, cells, params)
    spread = _part_of(inputs, 0.3, 0.2)
    uniformity = inputs.remember(
        ("group uniformity", params.view, params.groups, params.seed),
        lambda: group_uniformity(
            inputs.embedding_set, cells, 2000, params.seed, lambda done: spread.progress(done, "uniformity of groups")
        ),
    )
    if inputs.embedding_set.codes("label") is not None:
        probe = _by_probe(fitting, cells, params)
    found = GroupsFound(
        cells, group_alignment(inputs.embedding_set, cells), uniformity, neighbors, probe, missing
    )  # fmt: skip
    inputs.progress(1.0, "done")
    notes = (
        f"view: {cells.view}; groups are {cells.kind}; usable samples without one: {cells.left_out:,}",
        f"neighbours: {params.k} vote, each sample left out of its own; probe: logistic, standardised, C = {_C:g}, "
        f"{_FOLDS} parts",
        f"groups of fewer than {params.least} samples are listed and not compared",
        "uniformity from at most 2,000 samples of a group",
    )
    return Result(
        SPEC.name,
        inputs.run,
        _quantities(found, params),
        views(found, inputs.embedding_set.dim, inputs.run),
        findings(found),
        inputs.plain_caveats(
            len(cells.rows), inputs.embedding_set.n - len(cells.rows) - cells.left_out, seed=params.seed, notes=notes
        ),
        params.as_dict(),
    )


def _part_of(inputs: SetInputs, start: float, share: float) -> SetInputs:
    """Return the same inputs, whose progress is a part of the whole: the pass over neighbours reports its own."""
    return replace(inputs, progress=lambda done, message: inputs.progress(start + share * done, message))


# -- how often labels are named --------------------------------------------------------------------------------------
def _groups_of(cells: Cells, rows: Codes, size: int) -> Codes:
    """Return the group of each of some rows, -1 where it has none."""
    found = np.full(size, -1, dtype=np.int64)
    found[cells.rows] = cells.codes
    return found[rows]


def _by_neighbors(inputs: SetInputs, cells: Cells, params: GroupTableParams) -> Accuracy | None:
    try:
        _, votes = Votes.of(inputs, params.view)
    except MissingInputError:
        return None
    judged = votes.judged
    correct = votes.at(params.k, None) == judged.codes
    groups = _groups_of(cells, judged.rows, len(inputs.embedding_set.views[cells.view]))
    return Accuracy.of(correct, groups, len(cells.names), params.least, params.seed)


def _by_probe(inputs: SetInputs, cells: Cells, params: GroupTableParams) -> Accuracy | None:
    drawn = _drawn(inputs, params)
    if drawn is None:
        return None

    def fit() -> Codes:
        rows = probe_rows(inputs.embedding_set, drawn.view, drawn.rows, "standardised")
        return predict_in_folds(
            rows, drawn.codes, folds=_FOLDS, seed=params.seed, regularisation=_C,
            report=lambda done: inputs.progress(done, "fitting linear probes"),
        ).predicted  # fmt: skip

    predicted = inputs.remember(("group probe", params.view, params.most_samples, params.seed), fit)
    groups = _groups_of(cells, drawn.rows, len(inputs.embedding_set.views[cells.view]))
    return Accuracy.of(predicted == drawn.codes, groups, len(cells.names), params.least, params.seed)


def _drawn(inputs: SetInputs, params: GroupTableParams) -> LabelledView | None:
    try:
        judged = labelled_view(inputs.embedding_set, params.view).of_classes(_FOLDS)
    except MissingInputError:
        return None
    return judged.keep(stratified_sample(judged.codes, params.most_samples, params.seed))


def seconds(inputs: SetInputs, params: GroupTableParams) -> float:
    """Return about how long the probes and the pairs within groups take."""
    cells = group_cells(inputs.embedding_set, params.view, params.groups)
    drawn = _drawn(inputs, params)
    dim = inputs.embedding_set.dim
    fits = 0 if drawn is None else len(drawn.rows) * dim * len(np.unique(drawn.codes))
    pairs = float(np.square(np.minimum(cells.counts, 2000.0)).sum())
    return 0.2 + pairs * (dim / 1e10 + 1e-8) + _FOLDS * (0.02 + 600 * fits / 2e9)


# -- numbers ---------------------------------------------------------------------------------------------------------
def _quantities(found: GroupsFound, params: GroupTableParams) -> dict[str, Quantity]:
    values: dict[str, tuple[float | None, Interval | None, float | None, int]] = {}
    n = len(found.cells.rows)
    for key, accuracy in (("neighbors", found.neighbors), ("probe", found.probe)):
        if accuracy is None:
            values |= dict.fromkeys((f"worst_{key}", f"worst_corrected_{key}", f"gap_{key}"), (None, None, None, n))
            continue
        worst, gap = accuracy.intervals()
        lowest, judged = float(accuracy.shares.min()), int(accuracy.counts.counts.sum())
        values[f"worst_{key}"] = (lowest, worst, None, judged)
        values[f"worst_corrected_{key}"] = (min(1.0, lowest - accuracy.chance.bias), None, None, judged)
        values[f"gap_{key}"] = (accuracy.gap, gap, accuracy.chance.gap, judged)
    large = int((found.cells.counts >= params.least).sum())
    values["compared"] = (float(large), None, None, n)
    return {
        spec.name: Quantity(
            spec.name, spec.label, values[spec.name][0], spec.unit, values[spec.name][1], values[spec.name][3],
            range=spec.range, reference=values[spec.name][2],
            reference_label="" if values[spec.name][2] is None else "equal groups of these sizes",
            missing="" if values[spec.name][0] is not None else found.missing,
        )
        for spec in SPEC.quantities
    }  # fmt: skip


def _share(name: str, label: str, definition: str, better: str = "higher") -> QuantitySpec:
    return QuantitySpec(name, label, definition, "share", (0.0, 1.0), "higher" if better == "higher" else "lower")


def _three(key: str, words: str) -> tuple[QuantitySpec, ...]:
    return (
        _share(
            f"gap_{key}", f"Gap between groups, {words}", "Highest minus lowest share of labels named rightly.", "lower"
        ),
        _share(f"worst_{key}", f"Worst group, {words}", "Lowest share over the groups that are large enough."),
        _share(
            f"worst_corrected_{key}",
            f"Worst group without bias, {words}",
            "That share less its bias by the bootstrap: the lowest of many small groups is low by chance.",
        ),
    )


SPEC = DiagnosticSpec(
    name="group_table",
    title="Groups",
    question="Is a group served worse than the others?",
    section="Groups",
    page="groups/allocation_harm",
    needs="set",
    tells="outcome",
    params=GroupTableParams,
    compute=compute,
    passes=("neighbors",),
    quick=False,
    seconds=seconds,
    quantities=(
        *_three("probe", "probe"),
        *_three("neighbors", "neighbours"),
        QuantitySpec("compared", "Groups compared", "Groups with enough samples.", "groups", (0.0, math.inf)),
    ),
    definition=(
        "Samples are parted into groups: by the group column, by label, or by both. For each group: how near the two "
        "views of its samples are (alignment), how spread its samples are (uniformity), and how often the label of its "
        "samples is named by their neighbours and by a linear probe, neither of which has seen the sample."
    ),
    formula=(
        r"\min_g \frac{1}{n_g} \sum_{i \in g} [\hat y_i = y_i], \quad "
        r"\mathrm{gap} = \max_g a_g - \min_g a_g, \quad "
        r"u_g = \log \frac{1}{n_g (n_g - 1)} \sum_{i \neq j \in g} e^{-2 \lVert z_i - z_j \rVert^2}"
    ),
    reading=(
        "Compare the worst group with the best, and the gap with what equal groups of these sizes would show: that is "
        "the reference of the gap, by permuting hits over samples. A group whose uniformity lies far above the others "
        "is squeezed together; one with a high alignment is not invariant to the augmentation. Where neighbours fail a "
        "group and the probe does not, its label is there but does not dominate distances."
    ),
    traps=(
        "Say what a group is: with labels as groups these are recalls, with label and group the cells of Sagawa et "
        "al. The lowest of many small cells lies below the truth by chance: the bootstrap says by how much, and the "
        "corrected number is without it. The intervals of the worst group and of the gap are simultaneous over all "
        "groups, so that they hold whichever group is the worst; a group's own interval (Wilson) is not, once it was "
        "picked for being lowest. The bootstrap of a minimum has the same bias again and is not used as an interval. "
        "Hits of neighbours are counted as independent although samples vote on each other. The limits of the levels "
        "are rules of thumb."
    ),
    sources=(WORST_GROUP, FAIRLEARN),
    thresholds=(harm.UNEQUAL_GROUPS, harm.GROUP_GAP),
)
