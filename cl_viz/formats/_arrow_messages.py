"""What compressed Arrow messages claim to unpack to, read from their metadata before anything is unpacked.

The layout of the metadata is the flatbuffers encoding of `Message.fbs` in the Arrow columnar format, version 1.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from cl_viz.formats._limits import check_expansion

# Kinds of Message.header, and the places of fields in their tables.
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_MESSAGE_KIND, _MESSAGE_HEADER = 1, 2
_DICTIONARY_DATA = 1
_BATCH_BUFFERS, _BATCH_COMPRESSION = 2, 3
_BUFFER = struct.Struct("<qq")


def check_messages(pa: Any, source: Any, path: Path) -> int:
    """Sum what the compressed buffers of all messages claim, and refuse a bomb.

    Parameters
    ----------
    pa : module
        pyarrow.
    source : pyarrow.NativeFile
        Standing at the first message.
    path : Path
        For messages.

    Returns
    -------
    int
        Number of record batches.

    Raises
    ------
    UnsafeFileError
        If they would unpack to far more than the file holds.
    """
    reader = pa.ipc.MessageReader.open_stream(source)
    batches = claimed = 0
    for message in reader:
        metadata = bytes(message.metadata)
        (root,) = struct.unpack_from("<I", metadata)
        kind_at = _field(metadata, root, _MESSAGE_KIND)
        kind = metadata[kind_at] if kind_at else 0
        if kind not in (_DICTIONARY_BATCH, _RECORD_BATCH):
            continue
        batches += kind == _RECORD_BATCH
        batch = _follow(metadata, _field(metadata, root, _MESSAGE_HEADER))
        if kind == _DICTIONARY_BATCH:
            batch = _follow(metadata, _field(metadata, batch, _DICTIONARY_DATA))
        if _field(metadata, batch, _BATCH_COMPRESSION):
            claimed += _claimed(metadata, batch, message.body)
    check_expansion(path, "the table", claimed, path.stat().st_size)
    return batches


def _claimed(metadata: bytes, batch: int, body: Any) -> int:
    """Return the bytes the buffers of one batch unpack to; each begins with that number, -1 where it is not packed."""
    at = _field(metadata, batch, _BATCH_BUFFERS)
    if not at:
        return 0
    vector = _follow(metadata, at)
    (count,) = struct.unpack_from("<I", metadata, vector)
    total = 0
    for index in range(count):
        offset, length = _BUFFER.unpack_from(metadata, vector + 4 + index * _BUFFER.size)
        if length >= 8 and offset >= 0:
            (unpacked,) = struct.unpack("<q", bytes(body[offset : offset + 8]))
            total += max(unpacked, 0)
    return total


def _field(metadata: bytes, table: int, index: int) -> int:
    """Return where a field of a flatbuffers table lies, 0 where it is absent."""
    (back,) = struct.unpack_from("<i", metadata, table)
    layout = table - back
    (size,) = struct.unpack_from("<H", metadata, layout)
    if 4 + 2 * index >= size:
        return 0
    (offset,) = struct.unpack_from("<H", metadata, layout + 4 + 2 * index)
    return table + offset if offset else 0


def _follow(metadata: bytes, at: int) -> int:
    (offset,) = struct.unpack_from("<I", metadata, at)
    return at + int(offset)
