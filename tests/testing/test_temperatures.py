"""The sets of known temperatures are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.diagnostics._dense import temperature as dense
from cl_viz.testing import orthogonal_pairs, planted_false_negatives


@pytest.mark.parametrize("score", [-0.5, 0.0, 0.9])
def test_orthogonal_pairs(score: float) -> None:
    positives, negatives = dense.two_view_negatives(*orthogonal_pairs(7, score).views.values())
    np.testing.assert_allclose(positives, score, atol=1e-12)
    np.testing.assert_allclose(negatives[np.isfinite(negatives)], 0.0, atol=1e-12)
    assert (np.isfinite(negatives).sum(axis=1) == 12).all()


@pytest.mark.parametrize("score", [0.0, 0.4])
def test_planted_false_negatives(score: float) -> None:
    target = planted_false_negatives(3, 4, score)
    labels = target.role("label")
    same = labels[:, None] == labels[None]
    negatives = dense.cross_negatives(*target.views.values())[1]
    off = np.isfinite(negatives)
    np.testing.assert_allclose(negatives[same & off], score, atol=1e-12)
    np.testing.assert_allclose(negatives[~same], 0.0, atol=1e-12)
    assert dense.tolerance(target.views["view_1"], labels) == pytest.approx(score, abs=1e-12)
