"""From a path to what it holds: which format it is, and its arrays and columns."""

from __future__ import annotations

from pathlib import Path

from cl_viz.core.errors import FormatError
from cl_viz.core.specs import FormatSpec, RawDump
from cl_viz.core.stand_ins import refuse_stand_in
from cl_viz.formats._guard import check_present
from cl_viz.formats._registry import FORMATS, formats_sentence

_HEAD_BYTES = 512


def recognise(path: Path) -> FormatSpec:
    """Return the format of a file or folder: by suffix, confirmed by content; by content where the suffix is unknown.

    Raises
    ------
    FormatError
        If the path is missing, empty or a stand-in for the file, the content is not what the suffix says, or no format
        knows it.
    """
    check_present(path)
    refuse_stand_in(path)
    head = _head(path)
    suffix = "" if path.is_dir() else path.suffix.lower()
    named = [spec for spec in FORMATS.values() if suffix and suffix in spec.suffixes]
    by_content = [spec for spec in FORMATS.values() if spec.sniff(path, head)]
    for spec in named:
        if spec in by_content:
            return spec
    if named:
        raise _mismatch(path, named[0], by_content, head)
    if by_content:
        return by_content[0]
    raise FormatError(
        f"the suffix {path.suffix!r} is unknown, and the content is not that of a known format (it begins with "
        f"{head[:8]!r})",
        where=str(path),
        allowed=formats_sentence(),
        remedy="save the embeddings in one of these",
    )


def read_dump(path: Path) -> tuple[FormatSpec, RawDump]:
    """Recognise and read a file or folder.

    Raises
    ------
    FormatError, UnsafeFileError
        See `recognise` and the reader of the format.
    """
    spec = recognise(path)
    return spec, spec.read(path)


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise FormatError(f"the file cannot be opened: {error.strerror}", where=str(path)) from error


def _mismatch(path: Path, named: FormatSpec, by_content: list[FormatSpec], head: bytes) -> FormatError:
    if by_content:
        found, suffix = by_content[0], (by_content[0].suffixes or ("",))[0]
        return FormatError(
            f"the suffix says {named.label}, the content is a {found.label}",
            where=str(path),
            allowed=f"{named.suffixes[0]} for {named.label}, {suffix} for {found.label}",
            remedy=f"rename the file to {path.with_suffix(suffix).name}",
        )
    return FormatError(
        f"the content is not a {named.label}: it begins with {head[:8]!r}",
        where=str(path),
        allowed=f"a complete {named.label}",
        remedy="check that this is the file you meant; if it was cut off while it was copied, copy it again",
    )
