"""Images to train a tiny encoder on: the bundled digits, or a small folder of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.errors import FormatError
from cl_viz.core.pictures import SUFFIXES, Limits, Unreadable, picture_in
from cl_viz.core.progress import ProgressCallback, silent
from cl_viz.encoders._digit_data import load_digits
from cl_viz.encoders._open import sample_folder

if TYPE_CHECKING:
    from PIL import Image

PathLike = str | os.PathLike[str]

DIGITS = "digits"
"""Name of the bundled images."""
SIDE = 28
FEWEST_IMAGES = 20
MOST_IMAGES = 20_000
LIMITS = Limits(file_bytes=20 << 20, pixels=25_000_000, side=8)
_MOST_ENTRIES = 200_000
_EVALUATED_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Images with labels and a split.

    Attributes
    ----------
    name : str
    images : NDArray[np.uint8], shape (N, 28, 28) grey or (N, 28, 28, 3) red, green, blue
    labels : NDArray[np.int64], shape (N,)
        Index into `label_names`; all 0 where there are none.
    label_names : tuple of str
        Empty where the images have no labels.
    is_evaluation : NDArray[np.bool_], shape (N,)
        Images that are never trained on.
    files : tuple of str
        Path of each image below the folder; empty for the digits.
    skipped : tuple of (str, str)
        Files that were left out, each with the reason.
    source : str
        ``"digits"`` or the folder.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    label_names: tuple[str, ...]
    is_evaluation: NDArray[np.bool_]
    files: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    source: str = DIGITS

    @property
    def has_labels(self) -> bool:
        """Whether the images have labels."""
        return bool(self.label_names)

    @property
    def channels(self) -> int:
        """Colour channels: 1 or 3."""
        return 1 if self.images.ndim == 3 else 3

    @property
    def n_training(self) -> int:
        """Images that are trained on."""
        return int((~self.is_evaluation).sum())

    @property
    def n_evaluation(self) -> int:
        """Images that are embedded and measured."""
        return int(self.is_evaluation.sum())


def bundled_digits() -> TrainingImages:
    """Return the bundled digits: 4,000 to train on, 1,000 to evaluate."""
    data = load_digits(sample_folder() / "data" / "mnist_5k.npz")
    names = tuple(str(digit) for digit in range(10))
    return TrainingImages(DIGITS, data.images, data.digits, names, data.is_evaluation)


def read_image_folder(folder: PathLike, *, seed: int = 0, progress: ProgressCallback = silent) -> TrainingImages:
    """Read a folder of images; its folders are the labels.

    ``folder/cat/1.png`` is an image with the label ``cat``; images that lie in the folder itself, without any class
    folders, have no label. Images are cut to their central square and scaled to 28 x 28; they stay grey where all of
    them are. One in five of each class is kept for evaluation. A file that cannot be used is left out, with the
    reason; a link that leads out of the folder is never followed.

    Parameters
    ----------
    folder : path
    seed : int
        Seed of the split.
    progress : callable

    Returns
    -------
    TrainingImages

    Raises
    ------
    FormatError
        If there is no such folder, it holds fewer than 20 usable images or more than 20,000, or class folders and
        images stand side by side.
    MissingDependencyError
        If pillow is not installed.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise FormatError("there is no such folder", where=str(place), allowed="a folder of images")
    found = list(_image_files(place))
    if len(found) > MOST_IMAGES:
        raise FormatError(
            f"the folder holds {len(found):,} images", where=str(place), allowed=f"at most {MOST_IMAGES:,}",
            remedy="choose a folder with a part of them",
        )  # fmt: skip
    direct = sum(len(Path(file).parts) == 1 for file in found)
    if 0 < direct < len(found):
        raise FormatError(
            f"{direct:,} images lie beside class folders", where=str(place),
            allowed="class folders with images, or images alone", remedy="move them into a folder of their class",
        )  # fmt: skip
    images, files, skipped = _read_all(place, found, progress)
    if len(images) < FEWEST_IMAGES:
        reasons = (
            f"; {len(skipped):,} could not be used, the first: {skipped[0][0]}: {skipped[0][1]}" if skipped else ""
        )
        raise FormatError(
            f"{len(images)} usable images{reasons}", where=str(place),
            allowed=f"at least {FEWEST_IMAGES} images ({', '.join(SUFFIXES)}), in class folders or alone",
        )  # fmt: skip
    labels, names = _labels(files)
    return TrainingImages(
        name=place.resolve().name, images=_stacked(images), labels=labels, label_names=names,
        is_evaluation=_split(labels, seed), files=tuple(files), skipped=tuple(skipped), source=str(place),
    )  # fmt: skip


def _image_files(place: Path) -> Iterator[str]:
    """Yield the paths of images below a folder, at most one folder deep, sorted."""
    entries = 0
    for pattern in ("*", "*/*"):
        for file in sorted(place.glob(pattern)):
            entries += 1
            if entries > _MOST_ENTRIES:
                raise FormatError(
                    f"more than {_MOST_ENTRIES:,} entries", where=str(place), remedy="choose a smaller folder"
                )
            hidden = any(part.startswith(".") for part in file.relative_to(place).parts)
            if not hidden and file.suffix.lower() in SUFFIXES and not file.is_dir():
                yield str(file.relative_to(place))


def _read_all(
    place: Path, found: list[str], progress: ProgressCallback
) -> tuple[list[NDArray[np.uint8]], list[str], list[tuple[str, str]]]:
    images, files, skipped = [], [], []
    for index, name in enumerate(found):
        try:
            images.append(_small(picture_in(name, [place], LIMITS)))
            files.append(name)
        except Unreadable as reason:
            skipped.append((name, str(reason)))
        progress((index + 1) / len(found), f"image {index + 1:,} of {len(found):,}")
    return images, files, skipped


def _small(image: Image.Image) -> NDArray[np.uint8]:
    """Return the central square of a picture as uint8, shape (28, 28), or (28, 28, 3) where it has colours."""
    from PIL import Image

    square = min(image.size)
    left, top = ((size - square) // 2 for size in image.size)
    scaled = image.resize((SIDE, SIDE), Image.Resampling.BOX, box=(left, top, left + square, top + square))
    pixels: NDArray[np.uint8] = np.asarray(scaled, dtype=np.uint8)
    same = pixels.ndim == 3 and bool((pixels == pixels[:, :, :1]).all())
    return pixels[:, :, 0] if same else pixels


def _stacked(images: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    if all(image.ndim == 2 for image in images):
        return np.stack(images)
    return np.stack([np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image for image in images])


def _labels(files: list[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    folders = [Path(file).parent.name for file in files]
    names = tuple(sorted(set(folders)))
    if names == ("",):
        return np.zeros(len(files), dtype=np.int64), ()
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[folder] for folder in folders], dtype=np.int64), names


def _split(labels: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Keep one in five of each class for evaluation; where classes are too small for that, one in five of all."""
    generator = np.random.default_rng(seed)
    kept = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        kept[rows[: round(_EVALUATED_SHARE * len(rows))]] = True
    if kept.sum() < _EVALUATED_SHARE * len(labels) / 2:
        kept[:] = False
        kept[generator.permutation(len(labels))[: round(_EVALUATED_SHARE * len(labels))]] = True
    return kept
