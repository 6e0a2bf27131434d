"""`save`: the suffix chooses the writer."""

from __future__ import annotations

import os
from pathlib import Path

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import FormatError
from cl_viz.formats._registry import FORMATS


def save(embedding_set: EmbeddingSet, path: str | os.PathLike[str]) -> Path:
    """Write an embedding set; the suffix of `path` chooses the format.

    The file is written beside its place and moved there at the end: it is never half-written.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    path : path

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    FormatError
        If no format writes that suffix.
    InputError
        If the format cannot hold what the set has (several views, columns, pairs); the message names those that can.
    """
    place = Path(path)
    for spec in FORMATS.values():
        if spec.write is not None and place.suffix.lower() in spec.suffixes:
            spec.write(embedding_set, place)
            return place
    writable = [suffix for spec in FORMATS.values() if spec.write is not None for suffix in spec.suffixes]
    raise FormatError(
        f"nothing is written as {place.suffix or 'a file without suffix'}",
        where=str(place),
        allowed=", ".join(writable),
    )
