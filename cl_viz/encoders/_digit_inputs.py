"""What an encoder of digits is fed: two views of each digit, made alike in training and evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cl_viz.encoders._digit_captions import CaptionRule
from cl_viz.encoders._digit_views import DigitAugmentation, augment, random_tints, tint

InputKind = Literal["grey", "tinted", "captioned"]
INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)
VIEW_NAMES: Mapping[InputKind, tuple[str, str]] = {
    "grey": ("view_1", "view_2"),
    "tinted": ("view_1", "view_2"),
    "captioned": ("image", "text"),
}


@dataclass(frozen=True, eq=False)
class DigitInputs:
    """Digits that can be asked for two views of any rows.

    Attributes
    ----------
    kind : {"grey", "tinted", "captioned"}
        Two augmented images; the same with one tint for both; one augmented image and its caption.
    images : Tensor of float32, shape (N, 1, 28, 28), values in 0..1
    augmentation : DigitAugmentation
    tints : Tensor, shape (N, 6), or None
    word_numbers : Tensor of int64, shape (N, 6), or None
    """

    kind: InputKind
    images: Tensor
    augmentation: DigitAugmentation
    tints: Tensor | None = None
    word_numbers: Tensor | None = None

    @classmethod
    def make(
        cls,
        kind: InputKind,
        images: NDArray[np.uint8],
        digits: NDArray[np.integer],
        augmentation: DigitAugmentation,
        *,
        seed: int,
        caption_rule: CaptionRule | None = None,
    ) -> DigitInputs:
        """Prepare images, tints and captions.

        Parameters
        ----------
        kind : InputKind
        images : NDArray[np.uint8], shape (N, 28, 28)
        digits : NDArray of int, shape (N,)
        augmentation : DigitAugmentation
        seed : int
            Seed of the tints.
        caption_rule : CaptionRule, optional
            Fitted on these images where not given.
        """
        prepared = torch.from_numpy(images.astype(np.float32) / np.float32(255))[:, None]
        tints = words = None
        if kind == "tinted":
            tints = random_tints(len(images), torch.Generator().manual_seed(seed))
        if kind == "captioned":
            words = torch.from_numpy((caption_rule or CaptionRule.fit(images)).word_numbers(images, digits))
        return cls(kind, prepared, augmentation, tints, words)

    def views(self, rows: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw both views of `rows`, an int64 tensor of shape (B,); the random changes come from `generator`."""
        first, second = VIEW_NAMES[self.kind]
        images = self.images[rows]
        one = augment(images, self.augmentation, generator)
        if self.word_numbers is not None:
            return {first: one, second: self.word_numbers[rows]}
        two = augment(images, self.augmentation, generator)
        if self.tints is not None:
            one, two = tint(one, self.tints[rows]), tint(two, self.tints[rows])
        return {first: one, second: two}
