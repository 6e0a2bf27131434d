"""How a series looks, and how it is named: by meaning where one run is shown, by run where there are several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cl_viz.core.view import Meaning, Series
from cl_viz.figures.frame import Canvas, numbers, plain
from cl_viz.figures.theme import DASHES, Theme, run_colour

DIRECT_LABELS = 4
"""Up to this many curves of one run are labelled on the curve."""

_MEANING_WORDS: Mapping[Meaning, str] = {
    "positive": "positives",
    "negative": "negatives",
    "false_negative": "false negatives",
}
_EXTRA_DASHES = ("solid", "dot", "dashdot", "longdash", "dash")
_REFERENCE_DASHES = ("dash", "dot", "dashdot", "longdash")


@dataclass(frozen=True)
class Stroke:
    """Colour and dash of one series.

    Attributes
    ----------
    colour, dash : str
    legend : str
        Entry of the legend; empty where an earlier series of the run stands for it.
    group : str
        Series of one group are hidden together.
    rank : int
        Place in the legend: runs or meanings first, then styles, then references.
    """

    colour: str
    dash: str
    legend: str
    group: str
    rank: int = 1


def is_several(series: tuple[Series, ...]) -> bool:
    """Whether the series belong to more than one run; reference curves belong to none."""
    return len({entry.run for entry in series if entry.meaning != "reference"}) > 1


def line_colours(series: tuple[Series, ...], theme: Theme, colours: Mapping[str, int]) -> dict[str, str]:
    """Return the colour of each run of the series; empty for a single run, whose lines need none."""
    if not is_several(series):
        return {}
    return {run: run_colour(number, theme) for run, number in _numbering(series, colours).items()}


def _numbering(series: tuple[Series, ...], colours: Mapping[str, int]) -> dict[str, int]:
    """Return the number of each run's colour; runs without one are numbered after those that have one."""
    numbering = dict(colours)
    for entry in series:
        if entry.meaning != "reference" and entry.run not in numbering:
            numbering[entry.run] = max(numbering.values(), default=-1) + 1
    return numbering


def strokes(
    series: tuple[Series, ...], theme: Theme, colours: Mapping[str, int], *, dashed: bool = True
) -> list[Stroke]:
    """Return the stroke of each series.

    Parameters
    ----------
    series : tuple of Series
    theme : Theme
    colours : Mapping[str, int]
        Number of each run's colour; runs that are not in it are numbered after those that are.
    dashed : bool
        Whether a dash can tell series apart; points have none.
    """
    if not is_several(series):
        return _by_meaning(series, theme, colours, dashed)
    numbering = _numbering(series, colours)
    others = list(dict.fromkeys(entry.name for entry in series if entry.meaning == "other"))
    taken = {DASHES[entry.meaning] for entry in series if entry.meaning not in ("other", "reference")}
    free = [dash for dash in _EXTRA_DASHES if dash not in taken]
    found, named = [], set()
    for entry in series:
        if entry.meaning == "reference":
            found.append(_reference(entry, theme, numbering))
            continue
        dash = DASHES[entry.meaning]
        if entry.meaning == "other":
            dash = free[others.index(entry.name) % len(free)]
        legend = "" if entry.run in named else entry.run
        named.add(entry.run)
        found.append(Stroke(run_colour(numbering[entry.run], theme), dash, legend, plain(entry.run)))
    return found


def _by_meaning(series: tuple[Series, ...], theme: Theme, colours: Mapping[str, int], dashed: bool) -> list[Stroke]:
    """One run: colour is meaning; several series without one have its colour and dashes, or the run colours in turn."""
    unnamed = [index for index, entry in enumerate(series) if entry.meaning == "other"]
    alone = len(unnamed) == len([entry for entry in series if entry.meaning != "reference"])
    references = list(dict.fromkeys(entry.name for entry in series if entry.meaning == "reference"))
    # Of a run that has a colour, the colours of other runs would be taken for theirs.
    own = dashed and alone and len(unnamed) <= len(_EXTRA_DASHES)
    found = []
    for index, entry in enumerate(series):
        if entry.meaning == "reference":
            # All are grey: the dash tells them apart.
            dash = _REFERENCE_DASHES[references.index(entry.name) % len(_REFERENCE_DASHES)]
            found.append(replace(_reference(entry, theme), dash=dash))
            continue
        if entry.meaning != "other":
            colour = theme.meanings[entry.meaning]
        elif len(unnamed) > 1 and own and entry.run in colours:
            dash = _EXTRA_DASHES[unnamed.index(index)]
            found.append(Stroke(run_colour(colours[entry.run], theme), dash, entry.name, plain(entry.name)))
            continue
        elif len(unnamed) > 1:
            colour = run_colour(unnamed.index(index), theme)
        else:
            # Beside curves with a meaning, the colour of a run could be taken for a meaning.
            of_run = alone and entry.run in colours
            colour = run_colour(colours[entry.run], theme) if of_run else theme.meanings["other"]
        found.append(Stroke(colour, "solid", entry.name, plain(entry.name)))
    return found


def _reference(entry: Series, theme: Theme, numbering: Mapping[str, int] | None = None) -> Stroke:
    """Return the stroke of a reference: grey; with several runs that of one of them has its colour and its name."""
    if numbering is None or entry.run not in numbering:
        return Stroke(theme.meanings["reference"], "dash", entry.name, f"reference: {plain(entry.name)}", rank=3)
    colour = run_colour(numbering[entry.run], theme)
    return Stroke(colour, "dash", f"{entry.name}, {entry.run}", plain(entry.run), rank=3)


def styles(series: tuple[Series, ...], found: list[Stroke]) -> dict[str, str]:
    """Return the dash of each style that the series of several runs have; empty where there are not several."""
    dashes: dict[str, str] = {}
    for entry, stroke in zip(series, found, strict=True):
        if entry.meaning != "reference":
            dashes.setdefault(entry.name if entry.meaning == "other" else _MEANING_WORDS[entry.meaning], stroke.dash)
    return dashes if is_several(series) and len(dashes) > 1 else {}


def add_style_legend(canvas: Canvas, series: tuple[Series, ...], found: list[Stroke], theme: Theme) -> None:
    """With several runs, say what the line styles stand for."""
    for word, dash in styles(series, found).items():
        canvas.add(
            "scatter",
            x=numbers(np.array([np.nan])),
            y=numbers(np.array([np.nan])),
            mode="lines",
            name=plain(word),
            legendgroup=f"style: {word}",
            legendrank=2,
            line={"color": theme.muted, "dash": dash, "width": 2},
            hoverinfo="skip",
        )
