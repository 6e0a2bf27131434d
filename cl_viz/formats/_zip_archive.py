"""Zip archives that are not trusted: what the first bytes say, and whether the directory can be true."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.formats._limits import check_extent

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_MAGIC = b"PK\x03\x04"
_MOST_MEMBERS = 100_000


def first_member(head: bytes) -> str:
    """Return the name of the first member as the first bytes of a zip archive give it; '' where it is none."""
    if not head.startswith(_MAGIC) or len(head) < _LOCAL_HEADER.size:
        return ""
    length = _LOCAL_HEADER.unpack_from(head)[9]
    return head[_LOCAL_HEADER.size : _LOCAL_HEADER.size + length].decode("utf-8", "replace")


def check_archive(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    """Return the members of an archive whose directory agrees with the length of the file.

    Raises
    ------
    FormatError
        If there is no member, or one is encrypted.
    UnsafeFileError
        If a member lies outside the file, is listed twice, or members overlap (one stored block claimed often).
    """
    members = archive.infolist()
    size = path.stat().st_size
    if not members or len(members) > _MOST_MEMBERS:
        raise FormatError(
            f"the archive lists {len(members):,} members", where=str(path), allowed=f"1 to {_MOST_MEMBERS:,}"
        )
    if len({member.filename for member in members}) < len(members):
        raise UnsafeFileError("the archive lists a member twice", where=str(path), remedy="write the file again")
    for member in members:
        what = f"member {member.filename!r}"
        check_extent(path, what, member.header_offset + _LOCAL_HEADER.size + member.compress_size, size)
        if member.flag_bits & 1:
            raise FormatError(f"{what} is encrypted", where=str(path), remedy="save it without a password")
        if member.compress_type == zipfile.ZIP_STORED and member.file_size != member.compress_size:
            raise UnsafeFileError(
                f"{what} is stored uncompressed, yet claims {member.file_size:,} bytes of {member.compress_size:,}",
                where=str(path),
                remedy="write the file again",
            )
    check_extent(path, "the archive", sum(member.compress_size for member in members), size)
    return members


def data_offset(path: Path, member: zipfile.ZipInfo) -> int:
    """Return where the bytes of an uncompressed member begin in the file."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        fields = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    offset = member.header_offset + _LOCAL_HEADER.size + int(fields[9]) + int(fields[10])
    check_extent(path, f"member {member.filename!r}", offset + member.compress_size, path.stat().st_size)
    return offset
