"""Diagnostics: one file per question; inputs in, `Result` out."""

from __future__ import annotations

from cl_viz.core.registry import Registry
from cl_viz.core.specs import DiagnosticSpec

DIAGNOSTICS: Registry[DiagnosticSpec] = Registry("cl_viz.diagnostics", DiagnosticSpec)
