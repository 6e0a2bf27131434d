"""Nothing is praised in embeddings that have collapsed to one point or one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cl_viz.core.result import Finding, Result, format_number
from cl_viz.core.validation import row_blocks
from cl_viz.diagnostics._thresholds.collapse import TOTAL_VARIANCE
from cl_viz.engine.inputs import Inputs, SetInputs, StepInputs
from cl_viz.engine.rows import choose_rows

FACTS_OF_THE_FILE = {"data_quality"}
"""Diagnostics whose good news is about the file, and stays so whatever the encoder does."""
LABELS_READ = {
    "class_separation", "cluster_agreement", "feature_suppression", "label_retrieval", "linear_probe",
    "neighbor_accuracy", "subclass_collapse",
}  # fmt: skip
"""Diagnostics whose good news is that labels are read: two classes may well lie at the ends of one line."""
FRAMES_OF_CLASSES = {"class_cosines", "classifier_duality", "neural_collapse", "neural_collapse_curves"}
"""Diagnostics of the frame of the class means: K classes need K - 1 directions, so a line is all that two can fill. The
simplex equiangular tight frame of two classes, at which neural collapse ends, is two opposite points on a line."""
_MOST = 256
"""Rows of a view, drawn with seed 0, from which the variance beside one line is told."""


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


def variance_beside_a_line(inputs: SetInputs) -> float:
    """Return the variance of the unit rows that their first principal direction leaves, the largest over views.

    On the uniform sphere it is 1 - 1 / D; 0 where all rows lie on one line.
    """
    return inputs.remember("variance beside a line", lambda: _variance_beside_a_line(inputs))


def _variance_beside_a_line(inputs: SetInputs) -> float:
    embedding_set, found = inputs.embedding_set, [0.0]
    for view, array in embedding_set.views.items():
        usable = np.flatnonzero(embedding_set.usable_rows[view])
        if len(usable) < 2:
            continue
        drawn = usable[choose_rows(len(usable), _MOST, 0)]
        rows = np.asarray(array[drawn], dtype=np.float64) / embedding_set.quality[view].norms[drawn][:, None]
        rows -= rows.mean(axis=0)
        spread = np.linalg.svd(rows, compute_uv=False)
        found.append(float(np.square(spread[1:]).sum()) / len(drawn))
    return max(found)


def without_praise(result: Result, inputs: Inputs) -> Result:
    """Return the result with its good findings qualified where the unit rows, at the last step, are a point or a line.

    The limit of both is that of the complete collapse in the ranks and the spectrum; it is read only where there is
    good news to qualify.
    """
    if isinstance(inputs, StepInputs):
        inputs = inputs.at(inputs.steps[-1])
    good = any(finding.level == "good" for finding in result.findings)
    if not good or not isinstance(inputs, SetInputs) or result.diagnostic in FACTS_OF_THE_FILE:
        return result
    said, advice = _collapse(inputs, line_counts=_line_counts(result.diagnostic, inputs))
    if not said:
        return result
    return replace(result, findings=tuple(_qualified(finding, said, advice) for finding in result.findings))


def _line_counts(diagnostic: str, inputs: SetInputs) -> bool:
    """Whether good news of a diagnostic says little of rows on one line."""
    if diagnostic in LABELS_READ:
        return False
    codes = inputs.embedding_set.codes("label")
    return diagnostic not in FRAMES_OF_CLASSES or codes is None or len(np.unique(codes[0][0][codes[0][0] >= 0])) != 2


def _collapse(inputs: SetInputs, *, line_counts: bool) -> tuple[str, str]:
    """Return what the unit rows have collapsed to, and what to do; two empty texts where they have not."""
    n, dim = inputs.embedding_set.n, inputs.embedding_set.dim
    if n < 2:
        return "", ""
    variance = max(0.0, unit_variance(inputs))
    if TOTAL_VARIANCE.level(variance) == "bad":
        found = f"unit rows are nearly one point (total variance {format_number(variance)}, uniform sphere: 1)"
        return found, "Mend the complete collapse first."
    # Two rows always lie on one line.
    if n < 3 or not line_counts:
        return "", ""
    beside = variance_beside_a_line(inputs)
    if TOTAL_VARIANCE.level(beside) == "bad":
        sphere = format_number(1 - 1 / dim)
        found = (
            f"unit rows lie nearly on one line (variance beside it {format_number(beside)}, uniform sphere: {sphere})"
        )
        return found, "Mend the collapse to one dimension first."
    return "", ""


def _qualified(finding: Finding, collapse: str, advice: str) -> Finding:
    if finding.level != "good":
        return finding
    return replace(finding, level="watch", message=f"{finding.message} This says little: {collapse}.", advice=advice)
