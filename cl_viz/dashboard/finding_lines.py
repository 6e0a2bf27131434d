"""Findings as lines: a box of the worst ones, brief, and all of them in full on demand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import streamlit as st

from cl_viz.core.result import LEVELS, Finding
from cl_viz.dashboard.text import cite_briefly, escape, mark

_SHOWN = 3
_ROOM = 135
"""Letters of a finding that fit into a line of a window of 1280."""


def box(found: Sequence[tuple[Finding, str]], place: Callable[[Finding], str] = lambda _: "") -> None:
    """Draw findings, each with what it is about, worst first; names are left out where all are about the same.

    Parameters
    ----------
    found : sequence of (Finding, str)
        Findings, and what each is about; what is found of several is said once.
    place : callable, optional
        Where on the page a finding's figures are, if they are not in sight.
    """
    if not found:
        return
    owners: dict[Finding, list[str]] = {}
    for finding, run in found:
        owners.setdefault(finding, []).append(run)
    every = list(dict.fromkeys(run for _, run in found))
    lines = [
        (finding, _place(place(finding)) + _owner(list(dict.fromkeys(runs)), every))
        for finding, runs in sorted(owners.items(), key=lambda entry: LEVELS.index(entry[0].level))
    ]
    # With the name of a run in front, only small letters leave room for the sentence in its line.
    small = any(owner for _, owner in lines[:_SHOWN])
    with st.container(border=True, gap="xxsmall"):
        for finding, owner in lines[:_SHOWN]:
            text = owner + _sentence(brief(finding.message, _ROOM - len(owner)))
            st.markdown(f"{mark(finding.level)} " + (f":small[{text}]" if small else text))
        more = len(lines) - _SHOWN
        label = "In full, with what to try" if more <= 0 else f"{more} more, and all in full with what to try"
        with st.expander(label, type="compact"):
            for finding, owner in lines:
                in_full(finding, owner)


def _sentence(message: str) -> str:
    """Return a finding's sentence as Markdown in which an N is not torn apart where the line breaks."""
    return escape(message).replace(escape("N = 1")[:-1], "N\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


def _place(title: str) -> str:
    return f":gray[{escape(title)}:] " if title else ""


def brief(message: str, room: int = 200) -> str:
    """Return the first sentence of a finding without what stands in its brackets, but with the N it rests on.

    Of a sentence that is longer than `room`, only what stands before its semicolon is left.
    """
    sentence = re.split(r"\.\s+(?=[A-Z])", message, maxsplit=1)[0].rstrip(".")
    bracketed = re.findall(r"\s*\([^()]*\)", sentence)
    sample = next((re.search(r"N = [\d,]*\d", text) for text in bracketed if "N = " in text), None)
    for text in bracketed:
        sentence = sentence.replace(text, "", 1)
    if len(sentence) + len(sample.group() if sample else "") > room:
        sentence = sentence.split("; ", 1)[0]
    return f"{sentence} ({sample.group()})" if sample else sentence


def _owner(runs: Sequence[str], every: Sequence[str]) -> str:
    """Say whose a finding is: of one run, of a few, of all; nothing where there is one run alone."""
    if len(every) < 2:
        return ""
    if len(runs) > 2 and len(runs) == len(every):
        return f"**All {len(runs)} runs**: "
    return ", ".join(f"**{escape(run)}**" for run in runs) + ": "


def in_full(finding: Finding, owner: str = "") -> None:
    """Draw a finding in full: level, sentence, what to try, source; `owner` is Markdown that stands before it."""
    advice = f" *{escape(finding.advice)}*" if finding.advice else ""
    source = f" :small[{cite_briefly(finding.source)}]" if finding.source else ""
    st.markdown(f"{mark(finding.level)} {owner}{_sentence(finding.message)}{advice}{source}")
