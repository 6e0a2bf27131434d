"""Views of digits: random affine changes, noise and erasing, and tints; seeded, vectorised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.core.params import Params, param

HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")
_SIDE = 28


@dataclass(frozen=True)
class DigitAugmentation(Params):
    """Strength of the random changes; each digit of a batch is changed on its own."""

    rotation: float = param(12.0, "Largest rotation either way.", low=0.0, high=180.0, unit="degrees")
    shear: float = param(0.15, "Largest horizontal shear either way.", low=0.0, high=1.0)
    scale: float = param(0.12, "Largest relative change of size either way.", low=0.0, high=0.8)
    shift: float = param(2.0, "Largest shift either way, in x and in y.", low=0.0, high=14.0, unit="pixels")
    contrast: float = param(0.3, "Largest relative loss of brightness.", low=0.0, high=1.0)
    noise: float = param(0.05, "Standard deviation of the Gaussian noise added to each pixel.", low=0.0, high=1.0)
    erase: int = param(0, "Side of the square that is blanked at a random place; 0 blanks none.", low=0, high=_SIDE)


def augment(images: Tensor, augmentation: DigitAugmentation, generator: torch.Generator) -> Tensor:
    """Return one random view of each image.

    Parameters
    ----------
    images : Tensor of float32, shape (B, 1, 28, 28), values in 0..1
    augmentation : DigitAugmentation
    generator : torch.Generator
        On the CPU; the views depend on it alone.

    Returns
    -------
    Tensor of float32, shape (B, 1, 28, 28), values in 0..1
    """
    count = len(images)

    def either_way(largest: float) -> Tensor:
        return (2 * torch.rand(count, generator=generator) - 1) * largest

    angle = either_way(math.radians(augmentation.rotation))
    stretch = 1 + either_way(augmentation.scale)
    shear = either_way(augmentation.shear)
    shifts = [either_way(2 * augmentation.shift / _SIDE) for _ in range(2)]
    rows = [
        torch.stack([torch.cos(angle) / stretch, shear - torch.sin(angle) / stretch, shifts[0]], dim=1),
        torch.stack([torch.sin(angle) / stretch, torch.cos(angle) / stretch, shifts[1]], dim=1),
    ]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(images, grid, align_corners=False)
    dimmed = moved * (1 - torch.rand(count, 1, 1, 1, generator=generator) * augmentation.contrast)
    noisy = dimmed + augmentation.noise * torch.randn(images.shape, generator=generator)
    return torch.clamp(noisy * _erasing_mask(count, augmentation.erase, generator), 0, 1)


def _erasing_mask(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return ones with a square of zeros at a random place of each image, shape (count, 1, 28, 28)."""
    corner = torch.rand(2, count, 1, generator=generator) * (_SIDE - side)
    position = torch.arange(_SIDE)[None, :]
    inside_row, inside_column = ((position >= start) & (position < start + side) for start in corner)
    kept: Tensor = ~(inside_row[:, None, :, None] & inside_column[:, None, None, :])
    return kept.float()


def random_tints(count: int, generator: torch.Generator) -> Tensor:
    """Draw an ink hue and a paper colour for each image.

    Returns
    -------
    Tensor of float32, shape (count, 6), values in 0..1
        Red, green, blue of the ink (fully saturated, any hue), then of the paper (dark, any colour).
    """
    hue = 6 * torch.rand(count, 1, generator=generator)
    offsets = torch.tensor([[0.0, 4.0, 2.0]])
    ink = ((torch.remainder(hue + offsets, 6) - 3).abs() - 1).clamp(0, 1)
    paper = 0.5 * torch.rand(count, 3, generator=generator)
    return torch.cat([ink, paper], dim=1)


def tint(images: Tensor, tints: Tensor) -> Tensor:
    """Colour grey images: full ink where a pixel is 1, paper where it is 0.

    Parameters
    ----------
    images : Tensor, shape (B, 1, 28, 28)
    tints : Tensor, shape (B, 6)
        As drawn by `random_tints`.

    Returns
    -------
    Tensor, shape (B, 3, 28, 28)
    """
    ink, paper = tints[:, :3, None, None], tints[:, 3:, None, None]
    return paper + (ink - paper) * images


def hue_names(tints: Tensor) -> NDArray[np.str_]:
    """Name the ink's hue by the nearest of six; shape (B,)."""
    red, green, blue = tints[:, :3].T
    angle = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue)
    sector: NDArray[np.int64] = torch.remainder(torch.round(angle / (math.pi / 3)), 6).long().numpy()
    return np.array(HUES, dtype=np.str_)[sector]


def augmentation_from(values: dict[str, Any]) -> DigitAugmentation:
    """Build from a card's mapping; raises `InputError` on unknown names or values out of range."""
    made = DigitAugmentation.make(values)
    assert isinstance(made, DigitAugmentation)
    return made
