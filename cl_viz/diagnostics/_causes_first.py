"""The order in which findings of several diagnostics are told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from cl_viz.core.result import Finding, Result, worst_first
from cl_viz.core.specs import DiagnosticSpec, Tells
from cl_viz.diagnostics._running import DIAGNOSTICS


def causes_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by level, worst first, and those of one level by what explains what.

    A run that has collapsed fails everywhere; that it has collapsed comes first, that its classes do not stand apart
    comes late. What is said of all steps of a run comes after what is said of the step at hand. What these leave equal
    keeps its order.

    Parameters
    ----------
    findings : iterable of Finding
        Of one run; of diagnostics that are in the registry.

    Returns
    -------
    list of Finding
    """
    return worst_first(sorted(findings, key=lambda finding: _place(DIAGNOSTICS[finding.diagnostic])))


def all_findings(results: Iterable[Result]) -> list[Finding]:
    """Return the findings of the results of one run, worst first, causes before what comes of them."""
    return causes_first(finding for result in results for finding in result.findings)


def _place(spec: DiagnosticSpec) -> tuple[bool, int]:
    return spec.needs == "steps", get_args(Tells).index(spec.tells)
