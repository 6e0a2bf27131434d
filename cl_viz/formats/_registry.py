"""The registry of dump formats: every module of this folder that does not begin with an underscore."""

from __future__ import annotations

from cl_viz.core.registry import Registry
from cl_viz.core.specs import FormatSpec

FORMATS: Registry[FormatSpec] = Registry("cl_viz.formats", FormatSpec)


def formats_sentence() -> str:
    """Return the formats with their suffixes, for messages."""
    parts = []
    for spec in FORMATS.values():
        suffixes = f" ({' '.join(spec.suffixes)})" if spec.suffixes else ""
        parts.append(f"{spec.label}{suffixes}")
    return "; ".join(parts)
