"""Have the classes collapsed to points, and which frame do their means form?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cl_viz.core.params import Params, param
from cl_viz.core.result import Result, Source
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._collapse.class_frame import ClassFrame
from cl_viz.diagnostics._collapse.frame_jackknife import SMALLEST_CLASS, left_out_statistics
from cl_viz.diagnostics._collapse.labelled_classes import SMALLEST, labelled_classes, squared_scatter
from cl_viz.diagnostics._collapse.neural_collapse_findings import findings
from cl_viz.diagnostics._collapse.neural_collapse_views import views
from cl_viz.diagnostics._collapse.spectrum import view_name
from cl_viz.diagnostics._thresholds import collapse as _thresholds
from cl_viz.engine.inputs import SetInputs

TIRER = Source("Tirer et al. 2023, Perturbation analysis of neural collapse", "https://arxiv.org/abs/2210.16658")
GALANTI = Source(
    "Galanti et al. 2022, On the role of neural collapse in transfer learning", "https://arxiv.org/abs/2112.15121"
)


@dataclass(frozen=True)
class NeuralCollapseParams(Params):
    """Whose classes, and around which mean."""

    rows: Literal["unit", "raw"] = param(
        "unit", "Rows brought to unit length, as scores see them, or as they are stored.", choices=("unit", "raw")
    )
    mean: Literal["classes", "samples"] = param(
        "classes",
        "Global mean: of the class means, or of all samples. They differ where classes have different sizes.",
        choices=("classes", "samples"),
    )
    view: int = param(1, "Whose rows the numbers are of: number of the view, counted from 1.", low=1, high=16)


def compute(inputs: SetInputs, params: NeuralCollapseParams) -> Result:
    """Compute NC1, NC2 and the frame of the class means of one view."""
    view = view_name(inputs, params.view)
    classes = labelled_classes(inputs, view, params.rows, params.mean)
    left_out = left_out_statistics(inputs, classes, params.mean)
    frame = ClassFrame.of(classes, squared_scatter(inputs, view, params.rows), left_out)
    quantities = {spec.name: frame.quantity(spec) for spec in SPEC.quantities}
    notes = (
        f"numbers are of view {view}",
        f"{classes.count} classes with {SMALLEST} samples or more",
        *classes.notes,
        f"global mean: mean of the {'class means' if params.mean == 'classes' else 'samples'}",
        "shuffled labels: exact mean, spread by the Satterthwaite approximation",
        "intervals of NC1 and NC2 leave out groups of samples, alike of every class"
        if left_out is not None
        else f"no intervals of NC1 and NC2: a class has fewer than {SMALLEST_CLASS} samples, or there are too many "
        "classes and dimensions",
    )
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(frame, quantities, inputs.run),
        findings=findings(frame, quantities),
        caveats=inputs.plain_caveats(
            classes.n, classes.n_excluded, normalised=params.rows == "unit", centred=True, notes=notes
        ),
        params=params.as_dict(),
    )


SPEC = DiagnosticSpec(
    name="neural_collapse",
    title="Neural collapse",
    question="Have the classes collapsed to points, and which frame do their means form?",
    section="Geometry",
    page="geometry/neural_collapse",
    needs="set",
    params=NeuralCollapseParams,
    compute=compute,
    quantities=(
        QuantitySpec(
            "within_share",
            "Variance within classes",
            "Share of the variance around the class means.",
            "share",
            (0.0, 1.0),
        ),
        QuantitySpec(
            "nc1_pinv",
            "NC1, pseudo-inverse",
            "tr(Σ_W pinv(Σ_B)) / K, the pseudo-inverse cut at the rank of the class means.",
        ),
        QuantitySpec("nc1_quotient", "NC1, quotient", "tr(Σ_W) / tr(Σ_B)."),
        QuantitySpec(
            "nc1_cdnv",
            "NC1, CDNV",
            "Mean over class pairs of the mean variance over the squared distance of the means.",
        ),
        QuantitySpec(
            "nc2_equinorm", "NC2, equal norms", "Coefficient of variation of the norms of the centred class means."
        ),
        QuantitySpec(
            "nc2_equiangular",
            "NC2, equal angles",
            "Mean distance of the cosines of centred class means from -1/(K - 1).",
            "cosine",
            (0.0, 2.0),
            "lower",
        ),
        QuantitySpec(
            "nc2_etf_error",
            "NC2, distance from a simplex ETF",
            "Frobenius distance of the normed Gram matrix of the centred class means from a simplex ETF's.",
            "",
            (0.0, 2.0),
            "lower",
        ),
        QuantitySpec(
            "of_distance",
            "Distance from an orthogonal frame",
            "Frobenius distance of the normed Gram matrix of the class means as they are from the identity's.",
            "",
            (0.0, 2.0),
        ),
        QuantitySpec(
            "mean_cosine",
            "Mean cosine of class means",
            "Mean cosine of two class means, not centred.",
            "cosine",
            (-1.0, 1.0),
        ),
        QuantitySpec(
            "cosines_from_orthogonal",
            "Cosines from 0",
            "Root mean square of the cosines of class means, not centred: 0 for an orthogonal frame.",
            "cosine",
            (0.0, 2.0),
        ),
        QuantitySpec(
            "cosines_from_simplex",
            "Cosines from -1/(K - 1)",
            "Root mean square distance of those cosines from -1/(K - 1): 0 for a simplex ETF.",
            "cosine",
            (0.0, 2.0),
        ),
    ),
    definition=(
        "Neural collapse is what a classifier's last layer tends to when trained on: every sample moves onto its class "
        "mean (NC1), and the class means become equally long and equally far apart, a simplex equiangular tight frame "
        "(NC2). A supervised contrastive loss with non-negative features ends in an orthogonal frame instead, whatever "
        "the sizes of the classes. The labels are those of the label column."
    ),
    formula=(
        r"\Sigma_W = \frac1N\sum_i (h_i - \mu_{y_i})(\cdot)^\top,"
        r"\ \Sigma_B = \frac1K\sum_k (\mu_k - \mu_G)(\cdot)^\top, \quad"
        r" \mathrm{NC1} = \frac1K\mathrm{tr}(\Sigma_W\Sigma_B^{+}),"
        r"\ \frac{\mathrm{tr}\Sigma_W}{\mathrm{tr}\Sigma_B}, \quad"
        r" \Big\| \frac{G}{\|G\|_F} - \frac{I - 11^\top/K}{\sqrt{K-1}} \Big\|_F"
    ),
    reading=(
        "All NC1 numbers fall to 0 as classes become points. For these labels alone that is good; for finer labels, "
        "or for transfer, it means that what the labels do not say is being lost. Self-supervised embeddings stay far "
        "from it: follow the trend, not the value. The frame is read from cosines of class means that are not "
        "centred: 0 for an orthogonal frame, -1/(K - 1) for a simplex ETF. Where classes are no more than shuffled "
        "labels would be, nothing is said of frames."
    ),
    traps=(
        "The global mean is the mean of the class means in some code and the mean of the samples in other; with "
        "unequal classes NC1 differs, so choose. Σ_B has rank K - 1: a pseudo-inverse with a loose cut-off divides by "
        "rounding, so here the rank is set; the published truncated SVD gives the same number up to the last digits "
        "of its random start. A centred orthogonal frame is a simplex ETF, so the ETF error cannot tell them apart. "
        "With K = 2 the centred means are opposite whatever the encoder does: NC2 is then 0. With K > D + 1 no "
        "simplex ETF exists. Rows of classes with one sample are left out: they have no spread. The limits in the "
        "findings are rules of thumb."
    ),
    sources=(_thresholds.PAPYAN, TIRER, GALANTI, _thresholds.KINI),
    thresholds=(
        _thresholds.SHUFFLED_LABELS,
        _thresholds.CLASS_SHARE,
        _thresholds.TOTAL_VARIANCE,
    ),
)
