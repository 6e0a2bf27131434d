"""What every kind of data offers: rows that can be read one by one, and columns that are known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cl_viz.core.embedding_set import Column, Role
from cl_viz.core.encoder import Modality
from cl_viz.core.pictures import Unreadable, picture_in, picture_of_array

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["ArrayImages", "EncodingData", "FileImages", "Images", "Texts", "Unreadable"]


@dataclass(frozen=True, eq=False)
class FileImages:
    """Image files.

    Attributes
    ----------
    files : Column of str, shape (N,)
        Paths, relative to `folder`.
    folder : Path
        No file outside it is read, links followed.
    """

    files: Column
    folder: Path

    def read(self, row: int) -> Image.Image:
        """Return the picture upright, in grey or colour; raises `Unreadable` with the reason."""
        return picture_in(self.files[row], [self.folder])

    def key(self, row: int) -> str:
        """Return what the random changes of a row are seeded with: where it stands in the data does not matter."""
        return str(self.files[row])


@dataclass(frozen=True, eq=False)
class ArrayImages:
    """Images in one array, possibly mapped.

    Attributes
    ----------
    array : NDArray, shape (N, H, W) or (N, H, W, C)
        uint8, or floating point.
    scale : float
        What entries are multiplied with to lie in 0..255.
    """

    array: NDArray[Any]
    scale: float = 1.0

    def read(self, row: int) -> Image.Image:
        """Return the picture; raises `Unreadable` where it holds NaN or infinities."""
        return picture_of_array(self.array[row], self.scale)

    def key(self, row: int) -> str:
        """Return the row as text."""
        return str(row)


@dataclass(frozen=True, eq=False)
class Texts:
    """A column of texts."""

    column: Column

    def read(self, row: int) -> str:
        """Return the text; raises `Unreadable` where there is none."""
        value = self.column[row]
        text = "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
        if not text.strip():
            raise Unreadable("no text")
        return text


Images = FileImages | ArrayImages


@dataclass(frozen=True, eq=False)
class EncodingData:
    """Data that a checkpoint can be run on.

    Attributes
    ----------
    name : str
    source : str
        Path, or ``"sample:digits"``.
    kind : str
        In words, for example ``"folder of images"``.
    n : int
        Rows.
    inputs : Mapping[str, Images or Texts]
        What can be embedded, by column.
    columns : Mapping[str, Column]
        Everything else that is known of the rows, and the texts and paths themselves.
    roles : Mapping[Role, str]
    fingerprint : str
        Changes when the data does. Of a folder: names, sizes and times of its files; of a file: its content.
    pairs : tuple of (str, str)
        Columns that stand beside each other as two views, by their names: anchor and positive, for example.
    notes : tuple of str
        What was guessed or left out.
    """

    name: str
    source: str
    kind: str
    n: int
    inputs: Mapping[str, Images | Texts]
    columns: Mapping[str, Column]
    roles: Mapping[Role, str]
    fingerprint: str
    pairs: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def of(self, modality: Modality) -> tuple[str, ...]:
        """Return the columns of one modality."""
        wanted = Texts if modality == "text" else (FileImages, ArrayImages)
        return tuple(name for name, entry in self.inputs.items() if isinstance(entry, wanted))
