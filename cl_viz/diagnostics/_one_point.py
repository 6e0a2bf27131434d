"""Nothing is praised in embeddings that have collapsed to one point: what holds there holds of any rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cl_viz.core.result import Finding, Result, format_number
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._thresholds.collapse import TOTAL_VARIANCE
from cl_viz.engine.inputs import Inputs, SetInputs, StepInputs

FACTS_OF_THE_FILE = {"data_quality"}
"""Diagnostics whose good news is about the file, and stays so whatever the encoder does."""


def unit_variance(inputs: SetInputs) -> float:
    """Return the total variance of the unit rows, the largest over views: 1 on the uniform sphere, 0 at one point."""
    return inputs.remember("variance of unit rows", lambda: _unit_variance(inputs))


def _unit_variance(inputs: SetInputs) -> float:
    embedding_set, found = inputs.embedding_set, [0.0]
    for view, array in embedding_set.views.items():
        usable, norms = embedding_set.usable_rows[view], embedding_set.quality[view].norms
        total, count = np.zeros(embedding_set.dim), int(usable.sum())
        for rows in row_blocks(array):
            keep = usable[rows]
            if keep.any():
                total += (1 / norms[rows][keep]) @ np.asarray(array[rows][keep], dtype=np.float64)
        if count:
            mean = total / count
            found.append(1.0 - float(mean @ mean))
    return max(found)


def without_praise(result: Result, inputs: Inputs) -> Result:
    """Return the result with its good findings qualified where the unit rows, at the last step, are one point.

    The variance is the criterion of the complete collapse in the ranks and the spectrum; it is read only where there is
    good news to qualify.
    """
    if isinstance(inputs, StepInputs):
        inputs = inputs.at(inputs.steps[-1])
    good = any(finding.level == "good" for finding in result.findings)
    if not good or not isinstance(inputs, SetInputs) or result.diagnostic in FACTS_OF_THE_FILE:
        return result
    variance = max(0.0, unit_variance(inputs))
    if inputs.embedding_set.n < 2 or TOTAL_VARIANCE.level(variance) != "bad":
        return result
    return replace(result, findings=tuple(_qualified(finding, variance) for finding in result.findings))


def _qualified(finding: Finding, variance: float) -> Finding:
    if finding.level != "good":
        return finding
    said = f"{finding.message} This says little: unit rows are nearly one point (total variance "
    return replace(
        finding,
        level="watch",
        message=f"{said}{format_number(variance)}, uniform sphere: 1).",
        advice="Mend the complete collapse first.",
    )
