"""Captions of digits: the digit's name and five attributes measured on the image, as words and word numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Words of each attribute, from its lowest quartile among the training digits to its highest.
ATTRIBUTES: dict[str, tuple[str, str, str, str]] = {
    "stroke": ("hairline", "thin", "thick", "bold"),
    "slant": ("leaning back", "upright", "slanted", "strongly slanted"),
    "width": ("slim", "narrow", "wide", "broad"),
    "weight": ("bottom-heavy", "low", "high", "top-heavy"),
    "side": ("left-heavy", "leftish", "rightish", "right-heavy"),
}
WORDS = ("", *NAMES, *(word for words in ATTRIBUTES.values() for word in words))
"""The vocabulary; number 0 is padding."""

_NUMBER_OF = {word: number for number, word in enumerate(WORDS) if word}
# The longest first, so that "strongly slanted" is one phrase and not "slanted".
_KNOWN = re.compile(r"\b(?:" + "|".join(re.escape(word) for word in sorted(_NUMBER_OF, key=len, reverse=True)) + r")\b")


@dataclass(frozen=True, eq=False)
class CaptionRule:
    """Where the attributes change their word.

    Attributes
    ----------
    thresholds : NDArray[np.float64], shape (5, 3)
        Quartiles of the five attributes among the training digits.
    """

    thresholds: NDArray[np.float64]

    @classmethod
    def fit(cls, images: NDArray[np.uint8]) -> CaptionRule:
        """Take the quartiles of `images`, shape (N, 28, 28)."""
        return cls(np.quantile(_attributes(images), [0.25, 0.5, 0.75], axis=0).T)

    def word_numbers(self, images: NDArray[np.uint8], digits: NDArray[np.integer]) -> NDArray[np.int64]:
        """Return the caption of each image as word numbers, shape (N, 6): name, then the five attributes."""
        measured = _attributes(images)
        columns = [1 + np.asarray(digits, dtype=np.int64)]
        for place, (values, edges) in enumerate(zip(measured.T, self.thresholds, strict=True)):
            columns.append(1 + len(NAMES) + 4 * place + np.digitize(values, edges))
        return np.stack(columns, axis=1)


def caption_texts(word_numbers: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return captions such as ``"seven: bold, upright, narrow, high, leftish"``, shape (N,)."""
    return np.array([f"{WORDS[row[0]]}: {', '.join(WORDS[number] for number in row[1:])}" for row in word_numbers])


def caption_numbers(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return texts as word numbers, shape (N, W): the words and phrases of captions that occur, in order, then padding.

    Anything else in a text is passed over; a text without a known word is all padding.
    """
    found = [[_NUMBER_OF[match] for match in _KNOWN.findall(text.lower())] for text in texts]
    width = max([1, *map(len, found)])
    return np.array([row + [0] * (width - len(row)) for row in found], dtype=np.int64).reshape(len(found), width)


def _attributes(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure ink per outline, slant, width, and the skewness of ink in y and in x; shape (N, 5)."""
    ink = images.astype(np.float64) / 255
    rows, columns = np.mgrid[: ink.shape[1], : ink.shape[2]].astype(np.float64)
    total = ink.sum(axis=(1, 2))
    total = np.where(total > 0, total, 1.0)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        averaged: NDArray[np.float64] = (ink * values).sum(axis=(1, 2)) / total
        return averaged

    y = rows - mean(rows[None])[:, None, None]
    x = columns - mean(columns[None])[:, None, None]
    spread_y, spread_x = np.sqrt(mean(y**2)) + 1e-9, np.sqrt(mean(x**2)) + 1e-9
    outline = np.abs(np.diff(ink, axis=1)).sum(axis=(1, 2)) + np.abs(np.diff(ink, axis=2)).sum(axis=(1, 2)) + 1e-9
    slant = -mean(x * y) / spread_y**2
    return np.stack(
        [total / outline, slant, spread_x / spread_y, mean(y**3) / spread_y**3, -mean(x**3) / spread_x**3], axis=1
    )
