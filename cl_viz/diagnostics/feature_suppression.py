"""Which known features can be read from the embedding, and which are suppressed?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cl_viz.core.errors import MissingInputError
from cl_viz.core.params import param
from cl_viz.core.result import Interval, Quantity, Result
from cl_viz.core.specs import DiagnosticSpec, QuantitySpec
from cl_viz.diagnostics._groups.decodability import Decoded, decode, decode_seconds
from cl_viz.diagnostics._groups.feature_reading import TEST_LEVEL, against_bound, findings, views
from cl_viz.diagnostics._groups.labelled_features import LEAST, MOST_VALUES, Feature, features
from cl_viz.diagnostics._groups.labelled_view import ViewParams, view_name
from cl_viz.diagnostics._groups.probe_params import probe_regularisation, probe_scaling
from cl_viz.diagnostics._groups.probes import (
    group_counts,
    probe_rows,
    stratified_sample,
)
from cl_viz.diagnostics._proportions import mean_of_proportions
from cl_viz.diagnostics._thresholds import downstream
from cl_viz.diagnostics._thresholds import suppression as _thresholds
from cl_viz.engine.inputs import SetInputs


@dataclass(frozen=True)
class FeatureSuppressionParams(ViewParams):
    """Which column is looked at closely, and how probes are fitted."""

    feature: str = param("", "Column whose numbers are shown; empty takes the label, or else the first column.")
    upper_bound: float = param(
        0.0,
        "Accuracy at which the feature can be read from the raw inputs or by a supervised encoder: open those as a run "
        "of their own (flattened pixels, say) and take the probe's accuracy there. 0: not known.",
        low=0.0,
        high=1.0,
        zero="not known",
    )
    regularisation: float = probe_regularisation()
    scaling: Literal["standardised", "unit", "stored"] = probe_scaling()
    shuffles: int = param(
        19, "Shuffled columns that the probe is compared with; 19 give p down to 0.05.", low=19, high=999
    )
    most_samples: int = param(
        4000, "Samples that are used, drawn by value where there are more.", low=100, high=100_000, log=True
    )
    seed: int = param(0, "Seed of the split, the shuffles and that draw.", low=0, high=10_000)


def _chosen(inputs: SetInputs, params: FeatureSuppressionParams) -> tuple[list[Feature], Feature]:
    """Return all features, and the one that is looked at closely.

    Raises
    ------
    MissingInputError
        If there is no such column.
    """
    embedding_set = inputs.embedding_set
    view = view_name(embedding_set, params.view)
    found = features(embedding_set, view)
    if not found:
        raise MissingInputError(
            f"no column of {view} has 2 to {MOST_VALUES} values with {LEAST} samples each",
            where=inputs.run,
            remedy="add columns of known features, such as colour, class or source, to the dump",
        )
    names = [feature.name for feature in found]
    wanted = params.feature or str(embedding_set.roles.get("label", ""))
    if params.feature and params.feature not in names:
        raise MissingInputError(
            f"{params.feature!r} is no feature of {view}",
            where=inputs.run,
            remedy=f"choose one of: {', '.join(names)}",
        )
    return found, found[names.index(wanted)] if wanted in names else found[0]


def seconds(inputs: SetInputs, params: FeatureSuppressionParams) -> float:
    """Return about how long the probes take."""
    found, _ = _chosen(inputs, params)
    dim = inputs.embedding_set.dim
    return sum(
        decode_seconds(min(len(feature.rows), params.most_samples), dim, len(np.unique(feature.codes)), params.shuffles)
        for feature in found
    )


def compute(inputs: SetInputs, params: FeatureSuppressionParams) -> Result:
    """Probe every column of few values."""
    found, chosen = _chosen(inputs, params)
    decoded = {}
    for place, feature in enumerate(found):

        def report(done: float, place: int = place, name: str = feature.name) -> None:
            inputs.progress((place + done) / len(found), f"probing {name}")

        decoded[feature.name] = _decoded(inputs, params, feature, report)
    quantities = _quantities(decoded, chosen, params.upper_bound)
    own, view = decoded[chosen.name], view_name(inputs.embedding_set, params.view)
    return Result(
        diagnostic=SPEC.name,
        run=inputs.run,
        quantities=quantities,
        views=views(decoded, chosen, inputs.run),
        findings=(
            *findings(decoded, inputs.embedding_set, chosen),
            *against_bound(quantities["suppression_score"], own, chosen.name, params.upper_bound),
        ),
        caveats=inputs.plain_caveats(
            own.n,
            int((~inputs.embedding_set.usable_rows[view]).sum()),
            normalised=params.scaling == "unit",
            centred=params.scaling == "standardised",
            seed=params.seed,
            notes=(
                f"view looked at: {view}; feature of the numbers: {chosen.name}, {own.n:,} samples, "
                f"{own.n_test:,} of them held out",
                f"values of fewer than {LEAST} samples are left out of a column; columns of more than {MOST_VALUES} "
                "values are no features",
                f"logistic regression, C = {params.regularisation:g}, rows {params.scaling}, "
                f"{params.shuffles} shuffles",
                *(() if params.upper_bound > 0 else ("no upper bound was given: there is no suppression score",)),
                *(() if all(entry.converged for entry in decoded.values()) else ("a fit stopped at its limit",)),
            ),
        ),
        params=params.as_dict(),
    )


def _decoded(
    inputs: SetInputs,
    params: FeatureSuppressionParams,
    feature: Feature,
    report: Callable[[float], None],
) -> Decoded:
    view = view_name(inputs.embedding_set, params.view)

    def make() -> Decoded:
        kept = stratified_sample(feature.codes, params.most_samples, params.seed)
        rows = probe_rows(inputs.embedding_set, view, feature.rows[kept], params.scaling)
        return decode(
            rows, feature.codes[kept], draws=params.shuffles, seed=params.seed, regularisation=params.regularisation,
            scaling=params.scaling, report=report,
        )  # fmt: skip

    key = ("feature probe", params.view, feature.name, params.most_samples, params.shuffles, params.seed,
           params.regularisation, params.scaling)  # fmt: skip
    return inputs.remember(key, make)


def _quantities(decoded: dict[str, Decoded], chosen: Feature, upper_bound: float) -> dict[str, Quantity]:
    own = decoded[chosen.name]
    skills = [entry.skill for entry in decoded.values()]
    score, missing = None, "give the accuracy that raw inputs or a supervised encoder reach as upper bound"
    ends: Interval | None = None
    if upper_bound > own.chance:
        score = (own.accuracy - own.chance) / (upper_bound - own.chance)
        ends = own.beyond_chance(upper_bound)
    elif upper_bound > 0:
        missing = f"give an upper bound above chance ({own.chance:.3g})"
    held = "held-out samples"
    values: dict[str, tuple[float | None, Interval | None, int, str, float | None, str]] = {
        "accuracy": (own.accuracy, own.interval, own.n_test, held, own.chance, "most frequent value"),
        "balanced_accuracy": (own.balanced_accuracy, _balanced(own), own.n_test, held, None, ""),
        "skill": (own.skill, own.beyond_chance(1.0), own.n_test, held, 0.0, "chance"),
        "p_value": (own.p_value, None, len(own.null), "shuffles", TEST_LEVEL, "level of the test"),
        "suppression_score": (score, ends, own.n_test, held, 1.0, "not suppressed"),
        "features": (float(len(decoded)), None, len(decoded), "columns", None, ""),
        "highest_skill": (max(skills), None, len(decoded), "columns", None, ""),
        "lowest_skill": (min(skills), None, len(decoded), "columns", None, ""),
    }
    made = {}
    for spec in SPEC.quantities:
        value, interval, count, unit, reference, label = values[spec.name]
        made[spec.name] = Quantity(
            spec.name, spec.label, value, spec.unit, interval, count, unit, spec.range, reference, label,
            missing if value is None else "",
        )  # fmt: skip
    return made


def _balanced(own: Decoded) -> Interval:
    counts = group_counts(own.codes == own.predicted, own.codes, int(own.codes.max()) + 1)
    return mean_of_proportions(counts.hits, counts.counts)


SPEC = DiagnosticSpec(
    name="feature_suppression",
    title="Feature suppression",
    question="Which known features can be read from the embedding?",
    section="Groups",
    page="groups/suppression",
    needs="set",
    tells="cause",
    params=FeatureSuppressionParams,
    compute=compute,
    quick=False,
    seconds=seconds,
    quantities=(
        QuantitySpec("accuracy", "Accuracy of the probe", "Share of held-out samples whose value of the chosen feature "
                     "a linear probe names.", "share", (0.0, 1.0), "higher"),
        QuantitySpec("balanced_accuracy", "Balanced accuracy of the probe", "Mean over values of the share of their "
                     "held-out samples that is named.", "share", (0.0, 1.0), "higher"),
        QuantitySpec("skill", "Skill", "Share of the way from chance (always the most frequent value) to certainty; "
                     "below 0 where it is worse than that.", "share", None, "higher"),
        QuantitySpec("p_value", "p of the probe", "Share of shuffled columns, the true one among them, that a probe "
                     "reads as well.", "probability", (0.0, 1.0), "lower"),
        QuantitySpec("suppression_score", "Suppression score", "(accuracy - chance) / (upper bound - chance): 1 where "
                     "all that could be read is read, 0 where the feature is suppressed.", "share", None, "higher"),
        QuantitySpec("features", "Features", "Columns of 2 to 50 values that were probed.", "columns"),
        QuantitySpec("highest_skill", "Highest skill of a feature", "Skill of the feature that is read best.", "share"),
        QuantitySpec("lowest_skill", "Lowest skill of a feature", "Skill of the feature that is read least.", "share"),
    ),
    definition=(
        "Views share several features, and a contrastive loss may be satisfied by the simplest of them: the others are "
        "suppressed. For every column of few values a linear probe is fitted to three quarters of the samples and "
        "judged on the rest, and again with the column shuffled. What could be read at all (from raw inputs, or by a "
        "supervised encoder) is the upper bound that the suppression score needs; it is not in the embeddings, so you "
        "give it."
    ),
    formula=(
        r"\mathrm{skill} = \frac{\mathrm{acc} - \mathrm{chance}}{1 - \mathrm{chance}}, \qquad"
        r" \mathrm{score} = \frac{\mathrm{acc} - \mathrm{chance}}{\mathrm{upper\ bound} - \mathrm{chance}}"
    ),
    reading=(
        "Suppression is one feature read well and another, that the inputs show as clearly, at chance. A feature at "
        "chance alone may simply not be in the inputs. Where features depend on each other (parity on the digit), the "
        "coarser one is read from the finer: that is no suppression of it."
    ),
    traps=(
        "With many dimensions a probe fits any column: only held-out samples and shuffled columns count, and the "
        "smallest p that 19 shuffles can give is 0.05. Several features tested at once are several chances of a small "
        "p. A linear probe reads only what is linear: not read is not the same as not there. Values of few samples are "
        "left out."
    ),
    sources=(_thresholds.XUE, downstream.LANDIS_KOCH),
    thresholds=(_thresholds.SUPPRESSED, downstream.SKILL,),
)  # fmt: skip
