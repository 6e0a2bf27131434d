"""What a CI server reads: JUnit XML, and the annotations of GitHub Actions."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from cl_viz.core.result import LEVELS, Finding, Level, Result
from cl_viz.reporting.changes import Change


def fails(finding: Finding, level: Level | None) -> bool:
    """Whether a finding is at `level` (``"bad"`` or ``"watch"``) or worse; none is where no level is given."""
    return level is not None and LEVELS.index(finding.level) <= LEVELS.index(level)


def junit_xml(runs: Sequence[Sequence[Result]], level: Level | None, worse: Sequence[Change] = ()) -> str:
    """Return findings as JUnit XML: a suite a run, a case a finding, and a failed case for each change for the worse.

    Parameters
    ----------
    runs : sequence of sequence of Result
    level : Level or None
        Findings at this level or worse fail; unknown ones are skipped.
    worse : sequence of Change
        Changes against a baseline.
    """
    root = ElementTree.Element("testsuites", name="cl_viz")
    for results in runs:
        if results:
            run = results[0].run
            _suite(root, run, results, level, [change for change in worse if change.run == run])
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def github_annotations(runs: Sequence[Sequence[Result]], level: Level | None, worse: Sequence[Change] = ()) -> str:
    """Return findings that are bad or to watch, and changes for the worse, as lines that GitHub Actions shows."""
    lines = []
    for results in runs:
        for result in results:
            for finding in result.findings:
                if finding.level in ("bad", "watch"):
                    kind = "error" if fails(finding, level) else "warning"
                    lines.append(_annotation(kind, f"{result.run}: {finding.diagnostic}", finding.message))
    lines += [_annotation("error", f"{change.run}: {change.quantity}", str(change)) for change in worse]
    return "".join(f"{line}\n" for line in lines)


def _suite(
    root: ElementTree.Element, run: str, results: Sequence[Result], level: Level | None, worse: Sequence[Change]
) -> None:
    findings = [finding for result in results for finding in result.findings]
    failures = sum(fails(finding, level) for finding in findings) + len(worse)
    skipped = sum(finding.level == "unknown" for finding in findings)
    counts = {"tests": len(findings) + len(worse), "failures": failures, "skipped": skipped}
    facts = {"name": _xml(run), **{key: str(value) for key, value in counts.items()}}
    suite = ElementTree.SubElement(root, "testsuite", facts)
    for finding in findings:
        case = _case(suite, finding.diagnostic, finding.quantity or finding.diagnostic)
        if fails(finding, level):
            ElementTree.SubElement(case, "failure", type=finding.level, message=_xml(finding.message))
        elif finding.level == "unknown":
            ElementTree.SubElement(case, "skipped", message=_xml(finding.message))
    for change in worse:
        case = _case(suite, "baseline", change.quantity)
        ElementTree.SubElement(case, "failure", type="worse", message=_xml(str(change)))


def _case(suite: ElementTree.Element, group: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=f"cl_viz.{group}", name=_xml(name))


def _xml(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(letter for letter in text if letter in "\t\n\r" or ord(letter) >= 32)


def _annotation(kind: str, title: str, message: str) -> str:
    def quoted(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    # In a property colons and commas are signs too.
    return f"::{kind} title={quoted(title).replace(':', '%3A').replace(',', '%2C')}::{quoted(message)}"
