"""Names of means and deviations of pixels."""

from __future__ import annotations

from cl_viz.core.normalisation import LABELS, NAMED


def test_every_name_has_a_label_and_three_channels_with_a_deviation_above_0() -> None:
    assert list(LABELS) == list(NAMED)
    for mean, deviation in NAMED.values():
        assert len(mean) == len(deviation) == 3
        assert min(deviation) > 0
