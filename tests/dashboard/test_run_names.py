"""Long names of runs in narrow places."""

from __future__ import annotations

import pytest

from cl_viz.dashboard.run_names import tip, told_apart

STEM = "simclr-resnet50-imagenet100"


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["first", "second"], ["first", "second"]),
        ([f"{STEM}-temperature-0.15"], [f"{STEM}-temperature-0.15"]),
        ([f"{STEM}-t-0.15-strong", f"{STEM}-t-0.25-strong"], ["…0.15…", "…0.25…"]),
        ([f"{STEM}-a", f"{STEM}-a-2"], ["…a", "…a-2"]),
        ([f"{STEM}", f"{STEM} (2)"], ["…imagenet100", "…imagenet100 (2)"]),
        (["moco-of-another-beginning-here", f"{STEM}"], ["moco-of-another-beginning-here", STEM]),
    ],
)
def test_long_names_are_shortened_to_what_tells_them_apart(names: list[str], wanted: list[str]) -> None:
    assert list(told_apart(names).items()) == list(zip(names, wanted, strict=True))


def test_a_shortened_name_can_be_pointed_at() -> None:
    assert tip("first", "first") is None
    assert tip(f"{STEM}-0.1", "…0.1") == f"{STEM}-0.1"
