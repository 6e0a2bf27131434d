"""The temperature that a question is asked at: the run's own, else one that is assumed, the same everywhere."""

from __future__ import annotations

from cl_viz.core.params import param

ASSUMED_TEMPERATURE = 0.1
"""What SimCLR was best at on ImageNet; results say that it is assumed."""


def training_temperature(help: str, *, high: float = 10.0) -> float:
    """Declare a temperature that a run's card gives; `help` says what it weighs."""
    return param(
        ASSUMED_TEMPERATURE,
        f"{help}; by default the run card's own.",
        low=0.005,
        high=high,
        log=True,
        card_key="temperature",
    )
