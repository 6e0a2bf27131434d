"""Sets of a known spectrum have it, and frames are the frames they are named after."""

from __future__ import annotations

import numpy as np
import pytest

from cl_viz.testing import around_means, cone, exact_spectrum, orthogonal_frame, rank_sphere, rotation, simplex_frame


def test_a_rank_sphere_has_its_rank() -> None:
    rows = rank_sphere(300, 20, 4)
    assert np.linalg.matrix_rank(rows, tol=1e-10) == 4
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(300))
    noisy = np.linalg.eigvalsh(np.cov(rank_sphere(2000, 20, 4, noise=0.01), rowvar=False))[::-1]
    assert noisy[3] / noisy[4] == pytest.approx(1 / (4 * 0.01**2), rel=0.3)


def test_an_exact_spectrum_is_exact() -> None:
    wanted = np.array([5.0, 2.0, 1.0, 0.1])
    rows = exact_spectrum(50, wanted)
    assert np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1] == pytest.approx(wanted, rel=1e-10)


def test_a_cone_has_its_mean() -> None:
    rows = cone(5000, 16, 0.8)
    assert np.linalg.norm(rows.mean(axis=0)) == pytest.approx(0.8, abs=0.01)
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(5000))


def test_frames_have_their_cosines() -> None:
    off = ~np.eye(5, dtype=bool)
    for frame, cosine in ((simplex_frame(5, 8), -0.25), (orthogonal_frame(5, 8), 0.0)):
        assert (frame @ frame.T)[off] == pytest.approx(np.full(20, cosine), abs=1e-12)
        assert np.linalg.norm(frame, axis=1) == pytest.approx(np.ones(5))


def test_rows_stand_around_their_means() -> None:
    means = orthogonal_frame(3, 6)
    made = around_means(means, [40, 50, 60], spread=0.3, seed=2)
    labels = made.role("label")
    assert np.bincount(labels).tolist() == [40, 50, 60]
    gaps = np.square(made.views["view_1"] - (means @ rotation(6, 2))[labels]).sum(axis=1)
    assert np.sqrt(gaps.mean()) == pytest.approx(0.3, rel=0.1)
