"""Can a linear classifier read the label?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cl_viz.core.params import param
from cl_viz.core.result import Result, Source
from cl_viz.core.specs import DiagnosticSpec
from cl_viz.core.view import Axis, Lines, Reference, Series
from cl_viz.diagnostics._groups.judgement import QUANTITIES, Judgement, percent
from cl_viz.diagnostics._groups.labelled_view import LabelledView, ViewParams, labelled_view
from cl_viz.diagnostics._groups.probe_params import probe_regularisation, probe_scaling
from cl_viz.diagnostics._groups.probes import HeldOut, predict_in_folds, probe_rows, stratified_sample
from cl_viz.diagnostics._proportions import mean_of_proportions
from cl_viz.diagnostics._thresholds import downstream as _thresholds
from cl_viz.engine.inputs import SetInputs

ALAIN = Source(
    "Alain and Bengio 2017, Understanding intermediate layers using linear classifier probes",
    "https://arxiv.org/abs/1610.01644",
)
CHEN = Source("Chen et al. 2020, A Simple Framework for Contrastive Learning", "https://arxiv.org/abs/2002.05709")
GRID = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
_ITERATIONS = 150
"""Of L-BFGS, about; each reads the training rows twice."""


@dataclass(frozen=True)
class LinearProbeParams(ViewParams):
    """How the probe is fitted and judged."""

    regularisation: float = probe_regularisation()
    scaling: Literal["standardised", "unit", "stored"] = probe_scaling()
    folds: int = param(5, "Parts of the cross-validation, each with its share of every class.", low=2, high=20)
    grid: bool = param(False, "Fit the probe at six values of C, to see how much that choice matters.")
    most_samples: int = param(
        10_000, "Samples that are used, drawn by class where there are more.", low=100, high=1_000_000, log=True
    )
    seed: int = param(0, "Seed of the parts, and of that draw.", low=0, high=10_000)


def _chosen(inputs: SetInputs, params: LinearProbeParams) -> tuple[LabelledView, LabelledView]:
    found = labelled_view(inputs.embedding_set, params.view)
    judged = found.of_classes(params.folds)
    return found, judged.keep(stratified_sample(judged.codes, params.most_samples, params.seed))


def _values(params: LinearProbeParams) -> tuple[float, ...]:
    return tuple(sorted({*GRID, params.regularisation})) if params.grid else (params.regularisation,)


def seconds(inputs: SetInputs, params: LinearProbeParams) -> float:
    """Return about how long the fits take."""
    _, drawn = _chosen(inputs, params)
    size = len(drawn.rows) * inputs.embedding_set.dim * len(np.unique(drawn.codes))
    return 0.1 + len(_values(params)) * params.folds * (0.02 + _ITERATIONS * 4 * size / 2e9)


def compute(inputs: SetInputs, params: LinearProbeParams) -> Result:
    """Predict every label by a logistic regression that was fitted to the other parts."""
    found, drawn = _chosen(inputs, params)
    fitted = _fitted(inputs, drawn, params)
    groups = inputs.embedding_set.codes("group")
    judgement = Judgement(
        drawn.codes,
        fitted[params.regularisation].predicted,
        drawn.names,
        None if groups is None else groups[0][params.view - 1][drawn.rows],
        () if groups is None else groups[1],
    )
    views = judgement.views(inputs.run)
    if params.grid:
        views = {"regularisation": _curve(fitted, drawn, judgement, params.regularisation, inputs.run), **views}
    advice = "Compare the backbone's layer, and check that the label can be told from the inputs at all."
    notes = [
        *found.notes(drawn),
        f"logistic regression, C = {params.regularisation:g}, rows {params.scaling}, {params.folds} parts",
        "intervals over samples, the fitted probes taken as they are",
    ]
    if not all(held_out.converged for held_out in fitted.values()):
        notes.append("a fit stopped at its limit of iterations: lower C or standardise the rows")
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=judgement.quantities(),
        views=views,
        findings=tuple(judgement.findings(SPEC.name, "A linear probe names", advice)),
        caveats=inputs.plain_caveats(
            len(drawn.rows), found.excluded, normalised=params.scaling == "unit",
            centred=params.scaling == "standardised",
            seed=params.seed, notes=tuple(notes),
        ),
        params=params.as_dict(),
    )  # fmt: skip


def _fitted(inputs: SetInputs, drawn: LabelledView, params: LinearProbeParams) -> dict[float, HeldOut]:
    """Return the held-out predictions at each C; those made before are kept."""
    rows = probe_rows(inputs.embedding_set, drawn.view, drawn.rows, params.scaling)
    values, found = _values(params), {}
    for place, value in enumerate(values):

        def report(done: float, place: int = place) -> None:
            inputs.progress((place + done) / len(values), "fitting linear probes")

        def fit(value: float = value, report: Callable[[float], None] = report) -> HeldOut:
            return predict_in_folds(
                rows, drawn.codes, folds=params.folds, seed=params.seed, regularisation=value, scaling=params.scaling,
                report=report,
            )  # fmt: skip

        key = ("linear probe", params.view, params.most_samples, params.folds, params.seed, params.scaling, value)
        found[value] = inputs.remember(key, fit)
    return found


def _curve(fitted: dict[float, HeldOut], drawn: LabelledView, judgement: Judgement, own: float, run: str) -> Lines:
    """Balanced accuracy by C."""
    values = np.array(sorted(fitted))
    shares, lows, highs = [], [], []
    counts = drawn.counts
    for value in values:
        hits = np.bincount(drawn.codes[fitted[value].predicted == drawn.codes], minlength=len(counts))
        interval = mean_of_proportions(hits, counts)
        shares.append(float((hits[counts > 0] / counts[counts > 0]).mean()))
        lows.append(interval.low)
        highs.append(interval.high)
    best = int(np.argmax(shares))
    title = f"Balanced accuracy at most {percent(shares[best])}, at C = {values[best]:g}"
    series = Series(
        "balanced accuracy", values, np.array(shares), run=run, low=np.array(lows), high=np.array(highs),
        n=len(drawn.codes),
    )  # fmt: skip
    return Lines(
        title,
        Axis("C", "inverse regularisation", log=True),
        Axis("Balanced accuracy", "share", (0.0, 1.0)),
        (series,),
        (Reference("chance", 1 / int((counts > 0).sum()), "y"), Reference("used for the numbers", own)),
    )


SPEC = DiagnosticSpec(
    name="linear_probe",
    title="Linear probe",
    question="Can a linear classifier read the label?",
    section="Groups",
    page="groups/downstream",
    needs="set",
    tells="outcome",
    params=LinearProbeParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=QUANTITIES,
    definition=(
        "A multinomial logistic regression (scikit-learn, L2, C = 1 unless you say otherwise) is fitted to the rows "
        "and their labels. Every sample is predicted by the probe of the parts that it does not belong to (stratified "
        "cross-validation), and nothing is chosen by the numbers that are reported."
    ),
    formula=(
        r"\min_{W, b} \ C \sum_{i} -\log \mathrm{softmax}(W x_i + b)_{y_i} + \tfrac12 \lVert W \rVert_F^2, \qquad"
        r" \text{balanced accuracy} = \frac1K \sum_c \frac{1}{n_c} \sum_{y_i = c} [\hat y_i = c]"
    ),
    reading=(
        "The probe says whether a hyperplane separates the classes, however small the directions are that carry them: "
        "neighbours see only what dominates the distances. Read the lowest recall, not only the mean. Where accuracy "
        "changes much with C, there are few samples for so many dimensions; a best C picked from the curve is "
        "optimistic."
    ),
    traps=(
        "Say whether rows were standardised: with stored rows the same C means another penalty for every scale of the "
        "embedding. With as many dimensions as samples any labels can be fitted, so that only held-out numbers count. "
        "Papers fit on the training set and judge on the test set; here all samples come from one set. Classes with "
        "fewer samples than parts are left out and counted. The lowest of many groups is low by chance alone: its "
        "interval covers all groups at once."
    ),
    sources=(ALAIN, CHEN),
    thresholds=(
        _thresholds.SKILL,
        _thresholds.RELATIVE_RECALL,
    ),
)
