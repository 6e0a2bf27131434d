"""Checkpoints: one file per family; recognise, build, encode."""

from __future__ import annotations

from cl_viz.core.registry import Registry
from cl_viz.core.specs import EncoderSpec

ENCODERS: Registry[EncoderSpec] = Registry("cl_viz.encoders", EncoderSpec)
