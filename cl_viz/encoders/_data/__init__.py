"""What a checkpoint is run on: image folders, tables, arrays of images, the bundled digits; one file per kind."""

from __future__ import annotations

from pathlib import Path

from cl_viz.core.errors import FormatError
from cl_viz.encoders._data.bundled_digits import SAMPLE_DIGITS, open_digits
from cl_viz.encoders._data.contract import ArrayImages, EncodingData, FileImages, Images, Texts, Unreadable
from cl_viz.encoders._data.image_array import open_image_array
from cl_viz.encoders._data.image_folder import open_image_folder
from cl_viz.encoders._data.table import TABLE_SUFFIXES, open_table

__all__ = [
    "SAMPLE_DIGITS", "ArrayImages", "EncodingData", "FileImages", "Images", "Texts", "Unreadable", "open_data",
]  # fmt: skip

ALLOWED = (
    f"a folder of images (class folders are labels), a table ({', '.join(TABLE_SUFFIXES)}) with a column of texts or "
    f"of image paths, an array of images (.npy), or {SAMPLE_DIGITS}"
)


def open_data(source: str | Path) -> EncodingData:
    """Look at data without reading its images.

    Parameters
    ----------
    source : path or str
        A folder, a file, or ``"sample:digits"``.

    Raises
    ------
    FormatError
        If it is missing, damaged, empty, or none of the kinds.
    """
    if str(source) == SAMPLE_DIGITS:
        return open_digits()
    path = Path(source).expanduser()
    if not path.exists():
        raise FormatError(
            "there is no such file or folder", where=str(path), allowed=ALLOWED,
            remedy=f"check the spelling; relative paths start at {Path.cwd()}",
        )  # fmt: skip
    if path.is_dir():
        return open_image_folder(path)
    if path.suffix.lower() in TABLE_SUFFIXES:
        return open_table(path)
    if path.suffix.lower() == ".npy":
        return open_image_array(path)
    raise FormatError(f"nothing is known of data in {path.suffix or 'a file without suffix'}", where=str(path),
                      allowed=ALLOWED)  # fmt: skip
