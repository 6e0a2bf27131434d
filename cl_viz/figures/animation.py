"""A figure that moves: frames with play, pause and a slider. It never starts by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cl_viz.core.lesson import Animation
from cl_viz.core.view import View
from cl_viz.figures.frame import plain
from cl_viz.figures.rendering import render
from cl_viz.figures.theme import THEMES, ThemeName, known_theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

_FRAME_MS = 120


def animate(
    animation: Animation, theme: ThemeName | None = None, *, slider: bool = True, wide: bool = False
) -> go.Figure:
    """Draw an animation at its last moment, with buttons to play and pause.

    Parameters
    ----------
    animation : Animation
    theme : {"light", "dark"}, optional
    slider : bool
        Whether there is a slider; without it the host has one of its own, for example one that keys can move.
    wide : bool
        See `render`.

    Returns
    -------
    plotly.graph_objects.Figure
    """
    theme = known_theme(theme)
    drawn = render(animation.moments[-1], theme, wide=wide)
    drawn.frames = [
        _frame(shown, label, theme, wide) for shown, label in zip(animation.moments, animation.labels, strict=True)
    ]
    # Labels of upright lines stand above the plot; the buttons stand above them.
    lifted = max((note.yshift or 0 for note in drawn.layout.annotations if note.yanchor == "bottom"), default=0)
    layout: dict[str, Any] = {
        "updatemenus": [_buttons(theme, 6 + (20 + int(lifted)) * (lifted > 0))],
        "margin": {"t": drawn.layout.margin.t + 34},
    }
    if slider:
        layout["sliders"] = [_slider(animation, theme)]
        layout["margin"]["b"] = drawn.layout.margin.b + 70
    drawn.update_layout(layout)
    return drawn


def at_moment(drawn: go.Figure, moment: int, *, play: bool) -> go.Figure:
    """Return an animation's figure at one of its moments.

    Parameters
    ----------
    drawn : plotly.graph_objects.Figure
        From `animate` without a slider; it is left as it is.
    moment : int
        Index of the moment that is shown. Playing goes from the first moment to this one.
    play : bool
        Whether there are buttons to play and pause; without them nothing moves, for people who asked their system
        for reduced motion.
    """
    import plotly.graph_objects as go

    frame = drawn.frames[moment]
    # Every part was checked when it was made.
    found = go.Figure(data=frame.data, layout=drawn.layout, frames=drawn.frames[: moment + 1], _validate=False)
    found.layout.title.text = frame.layout.title.text
    if not play:
        found.frames, found.layout.updatemenus = (), ()
    return found


def _frame(shown: View, label: str, theme: ThemeName, wide: bool) -> dict[str, Any]:
    drawn = render(shown, theme, wide=wide)
    return {
        "name": label,
        "data": [trace.to_plotly_json() for trace in drawn.data],
        "layout": {"title": {"text": drawn.layout.title.text}},
        "traces": list(range(len(drawn.data))),
    }


def _buttons(theme: ThemeName, above: int) -> dict[str, Any]:
    moving = {
        "frame": {"duration": _FRAME_MS, "redraw": True}, "transition": {"duration": 0}, "mode": "immediate",
        "fromcurrent": False,
    }  # fmt: skip
    standing = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    return {
        "type": "buttons", "direction": "left", "showactive": False, "x": 1, "xanchor": "right", "y": 1,
        "yanchor": "bottom", "pad": {"t": 0, "r": 0, "b": above}, "bgcolor": THEMES[theme].background,
        "bordercolor": THEMES[theme].muted, "font": {"color": THEMES[theme].text},
        "buttons": [
            {"label": "Play", "method": "animate", "args": [None, moving]},
            {"label": "Pause", "method": "animate", "args": [[None], standing]},
        ],
    }  # fmt: skip


def _slider(animation: Animation, theme: ThemeName) -> dict[str, Any]:
    at_once = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    return {
        "active": len(animation.labels) - 1, "y": 0, "yanchor": "top", "pad": {"t": 52}, "len": 1.0,
        "currentvalue": {"prefix": f"{plain(animation.unit)} ", "font": {"color": THEMES[theme].text}},
        "font": {"color": THEMES[theme].muted},
        "steps": [
            {"label": plain(label), "method": "animate", "args": [[label], at_once]} for label in animation.labels
        ],
    }  # fmt: skip
