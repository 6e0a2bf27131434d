"""Embedding dumps: one file per format; sniff, read, write.

`load` turns a file, a folder of shards or what is in memory into an `EmbeddingSet`, `save` writes one, and `inspect`
says what a file holds and what would be guessed from it, without assembling anything. Nothing in a file is ever
executed, and sizes are checked against headers before memory is taken.
"""

from __future__ import annotations

from cl_viz.formats._inspection import Inspection, inspect
from cl_viz.formats._loading import RoleValue, Source, as_set, load
from cl_viz.formats._registry import FORMATS
from cl_viz.formats._saving import save

__all__ = ["FORMATS", "Inspection", "RoleValue", "Source", "as_set", "inspect", "load", "save"]
