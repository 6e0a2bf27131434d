"""Points inside drawn outlines, against a point-by-point rule."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cl_viz.core.errors import InputError
from cl_viz.figures.polygon import MOST_CORNERS, inside, thinned

SQUARE = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])


def crossings(outline: NDArray[np.float64], x: float, y: float) -> bool:
    """The even-odd rule as it is written in books."""
    odd = False
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            odd = not odd
    return odd


@pytest.mark.parametrize("corners", [3, 4, 17, 200])
def test_it_agrees_with_the_even_odd_rule_also_where_the_outline_crosses_itself(
    corners: int, rng: np.random.Generator
) -> None:
    outline, points = rng.normal(size=(corners, 2)), rng.normal(size=(300, 2))
    assert inside([outline], points).tolist() == [crossings(outline, x, y) for x, y in points]


def test_corners_of_equal_height_points_without_a_place_and_several_outlines() -> None:
    points = np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5], [np.nan, 0.5], [0.5, np.inf], [5.5, 5.5]])
    assert inside([SQUARE], points).tolist() == [True, False, False, False, False, False]
    assert inside([SQUARE, SQUARE + 5], points).tolist() == [True, False, False, False, False, True]
    assert inside([], points).sum() == 0


@pytest.mark.parametrize("outline", [SQUARE[:2], np.full((4, 2), np.nan), np.zeros(3)])
def test_what_is_no_outline_is_said(outline: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="an outline of shape"):
        inside([outline], SQUARE)


def test_thinning_keeps_the_shape(rng: np.random.Generator) -> None:
    angle = np.sort(rng.uniform(0, 2 * np.pi, 1000))
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    kept = thinned(circle)
    assert len(kept) == MOST_CORNERS
    points = rng.uniform(-1.2, 1.2, size=(4000, 2))
    assert np.mean(inside([kept], points) != inside([circle], points)) < 0.01
    assert np.array_equal(thinned(SQUARE), SQUARE)
