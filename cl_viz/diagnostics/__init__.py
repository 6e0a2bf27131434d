"""Diagnostics: one file per question; inputs in, `Result` out."""

from cl_viz.diagnostics._running import DIAGNOSTICS, check, diagnose, unknown_result

__all__ = ["DIAGNOSTICS", "check", "diagnose", "unknown_result"]
