"""Diagnostics: one file per question; inputs in, `Result` out."""

from cl_viz.diagnostics._running import DIAGNOSTICS, check, diagnose, estimate, unknown_result

__all__ = ["DIAGNOSTICS", "check", "diagnose", "estimate", "unknown_result"]
