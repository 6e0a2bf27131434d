"""Small files that stand where a large one should be: a Git LFS pointer, a web page saved instead of a download."""

from __future__ import annotations

import re
from pathlib import Path

from cl_viz.core.errors import FormatError

_HEAD_BYTES = 512
_POINTER = b"version https://git-lfs.github.com/spec/"
_SIZE = re.compile(rb"^size (\d{1,18})$", re.MULTILINE)
_PAGE = re.compile(rb"\s*<(?:!doctype html|html)\b", re.IGNORECASE)


def refuse_stand_in(path: Path) -> None:
    """Raise `FormatError` where a file is only a pointer to its content, or a web page; nothing for what is neither."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return
    if head.startswith(_POINTER):
        size = _SIZE.search(head)
        held = f" of {int(size[1]):,} bytes" if size else ""
        raise FormatError(
            f"this is a Git LFS pointer: the file{held} itself was not fetched",
            where=str(path),
            remedy="run `git lfs pull` in its repository, or download the file itself",
        )
    if _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        raise FormatError(
            "this is a web page, and no embeddings or weights",
            where=str(path),
            remedy="download the file itself: a page was saved in its place, one that asks to log in for example",
        )
