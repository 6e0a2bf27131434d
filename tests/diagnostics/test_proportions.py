"""Wilson's interval against its closed form."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from cl_viz.diagnostics._proportions import wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (480, 500)])
def test_wilson_is_its_closed_form(successes: int, trials: int) -> None:
    z, share = NormalDist().inv_cdf(0.975), successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((max(0, centre - half), min(1, centre + half)), abs=1e-12)
