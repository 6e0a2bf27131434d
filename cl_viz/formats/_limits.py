"""What a header may claim: sizes are checked against the file before any memory is taken."""

from __future__ import annotations

import os
from pathlib import Path

from cl_viz.core.errors import InputError, UnsafeFileError

LIMIT_VARIABLE = "CL_VIZ_MAX_UNPACKED_BYTES"

# Content that unpacks to no more than this is never refused: even hostile, it cannot exhaust a machine.
HARMLESS_BYTES = 256 << 20
# Floating-point embeddings hardly compress; collapsed ones (all rows equal) do, but are seldom large.
LARGEST_RATIO = 20


def check_expansion(path: Path, what: str, claimed: int, held: int) -> None:
    """Refuse content that would unpack to far more than the file holds.

    Parameters
    ----------
    path : Path
    what : str
        The part of the file, for the message.
    claimed, held : int
        Bytes after unpacking as declared, bytes in the file.

    Raises
    ------
    UnsafeFileError
        If `claimed` is above 256 MiB and above 20 times `held`. The environment variable
        ``CL_VIZ_MAX_UNPACKED_BYTES`` replaces both numbers by one limit in bytes.
    """
    setting = os.environ.get(LIMIT_VARIABLE)
    limit = _limit_bytes(setting) if setting else max(HARMLESS_BYTES, LARGEST_RATIO * held)
    if claimed > limit:
        raise UnsafeFileError(
            f"{what} claims {format_bytes(claimed)} but holds {format_bytes(held)}; unpacking it could fill the memory",
            where=str(path),
            allowed=f"up to {format_bytes(limit)} here",
            remedy=f"if you trust the file, set {LIMIT_VARIABLE} to a larger number of bytes, or save it uncompressed",
        )


def check_extent(path: Path, what: str, needed: int, available: int) -> None:
    """Raise `UnsafeFileError` if a header claims more bytes than the file has left for it."""
    if needed > available:
        raise UnsafeFileError(
            f"the header of {what} claims {format_bytes(needed)}, the file holds {format_bytes(max(available, 0))}",
            where=str(path),
            allowed="a file as long as its header says",
            remedy="the file was cut off or damaged; write or copy it again",
        )


def format_bytes(count: int) -> str:
    """Return a number of bytes for people: exact when small, else in binary units."""
    if count < 1 << 20:
        return f"{count:,} bytes"
    size = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:,.0f} PiB"


def _limit_bytes(setting: str) -> int:
    try:
        return int(float(setting))
    except (ValueError, OverflowError):
        raise InputError(
            f"{LIMIT_VARIABLE} is {setting!r}", allowed="a number of bytes, for example 8e9", where="environment"
        ) from None
