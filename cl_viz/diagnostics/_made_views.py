"""Views that cl_viz made itself, by augmentations that need not be those of the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWN_VIEWS = (
    "These views were made for the encoding, by SimCLR's published augmentations: with two views as in your training "
    "this says how well they agree."
)
"""What to do about views that lie far apart, where nothing says that training ever asked for them to agree."""


def views_are_made(card: Mapping[str, Any]) -> bool:
    """Whether the views of a run were augmented when it was encoded, by its card."""
    return "augmentation" in card and "view_recipe" in card
