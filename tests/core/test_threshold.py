"""Where a number becomes worth watching, where bad, and how that is told."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cl_viz.core.result import Source
from cl_viz.core.threshold import Condition, Threshold


def threshold(**said: Any) -> Threshold:
    return Threshold(**{"what": "share", "why": "It counts.", "source": Source("Author 2020"), **said})


@pytest.mark.parametrize(
    ("worse", "watch", "bad", "levels"),
    [
        ("higher", 0.5, 0.9, {0.4: "good", 0.5: "watch", 0.8: "watch", 0.9: "bad", math.inf: "bad"}),
        ("lower", 0.5, 0.1, {0.6: "good", 0.5: "watch", 0.2: "watch", 0.1: "bad", -math.inf: "bad"}),
        ("higher", 0.5, None, {0.4: "good", 0.5: "watch", math.inf: "watch"}),
        ("lower", 0.5, None, {0.6: "good", 0.5: "watch", -math.inf: "watch"}),
    ],
)
def test_limits_belong_to_what_lies_beyond_them(
    worse: str, watch: float, bad: float | None, levels: dict[float, str]
) -> None:
    found = threshold(worse=worse, watch=watch, bad=bad)
    assert {value: found.level(value) for value in levels} == levels


def test_the_limits_are_told_with_their_side_and_who_set_them() -> None:
    above = threshold(worse="higher", watch=0.5, bad=0.9)
    assert above.told() == "watch at 0.5 or more, bad at 0.9 or more (a rule of thumb). It counts."
    below = threshold(worse="lower", watch=0.05, from_source=True)
    assert below.told() == "watch at 0.05 or less, never bad by itself (its source). It counts."


def test_limits_may_lie_on_the_good_side() -> None:
    above = threshold(worse="higher", watch=0.0, bad=0.5, included=False)
    assert [above.level(value) for value in (0.0, 1e-300, 0.5, 0.6)] == ["good", "watch", "watch", "bad"]
    assert above.limits() == "watch above 0, bad above 0.5"
    below = threshold(worse="lower", watch=0.5, included=False)
    assert [below.level(value) for value in (0.5, 0.49)] == ["good", "watch"]
    assert below.limits() == "watch below 0.5, never bad by itself"


@pytest.mark.parametrize(
    ("worse", "included", "met", "told"),
    [
        ("higher", True, (1.0, 2.0), "at 1 or more"),
        ("higher", False, (2.0,), "above 1"),
        ("lower", True, (0.0, 1.0), "at 1 or less"),
        ("lower", False, (0.0,), "below 1"),
    ],
)
def test_a_condition_says_where_other_limits_count(worse: Any, included: bool, met: Any, told: str) -> None:
    found = Condition(
        what="share", worse=worse, included=included, limit=1.0, why="Chance.", source=Source("Author 2020")
    )
    assert tuple(value for value in (0.0, 1.0, 2.0, math.nan) if found.met(value)) == met
    assert found.told() == f"the other limits count only {told} (a rule of thumb). Chance."


@pytest.mark.parametrize(("worse", "watch", "bad"), [("higher", 0.5, 0.4), ("lower", 0.5, 0.6)])
def test_bad_lies_beyond_watch(worse: str, watch: float, bad: float) -> None:
    with pytest.raises(ValueError, match=r"share: the limit of .bad. lies before that of .watch."):
        threshold(worse=worse, watch=watch, bad=bad)
