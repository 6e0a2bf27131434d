"""The stochastic block model as a panel: what a contrastive loss makes of a rare block, at any connectivity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from cl_viz.core.result import Source, format_number
from cl_viz.core.view import Axis, Heatmap, Lines, Series, told
from cl_viz.dashboard import drawn_figures, errors, panels, state
from cl_viz.dashboard.progress import Progress
from cl_viz.dashboard.text import cite
from cl_viz.figures import csv_text, render
from cl_viz.simulate.stochastic_block_model import (
    Weights,
    block_mean_cosines,
    collapse_curves,
    embed_graph,
    sample_graph,
    three_blocks,
)

Floats = NDArray[np.float64]

ALPHAS = (0.05, 0.1, 0.2, 0.4)
"""Connectivities of the authors' figure."""
SHARES = tuple(2.0**-power / 3 for power in range(8, -1, -1))
COLLAPSED = 0.95
"""Cosine from which the words say that two blocks are one; a convention."""
_STEPS = 1000
"""Of the authors' descent."""
_GRAPH_BLOCK = 96
_GRAPH_STEPS = 800
_JOB = "stochastic block model"
_WORDS = {"script": "published figure", "graph": "simulated graphs"}

SOURCE = Source(
    "Maity et al. 2024, An Investigation of Representation and Allocation Harms in Contrastive Learning",
    "https://arxiv.org/abs/2310.01583",
)


@st.cache_data(show_spinner=False, max_entries=256)
def curves(shares: tuple[float, ...], alphas: tuple[float, ...], temperature: float, weights: Weights) -> Floats:
    """Return the cosines after the authors' number of steps, shape (P, A, 3, 3)."""
    return collapse_curves(shares, alphas, temperature=temperature, weights=weights, steps=_STEPS)


@st.cache_data(show_spinner=False, max_entries=32)
def graph_cosines(share: float, alpha: float, temperature: float, seed: int, _progress: Progress) -> Floats:
    """Return the mean cosines between blocks of a sampled graph whose vectors were optimised one by one."""
    first = max(3, round(2 * _GRAPH_BLOCK * share / (1 - share)))
    adjacency, blocks = sample_graph((first, _GRAPH_BLOCK, _GRAPH_BLOCK), three_blocks(alpha), seed)
    vectors = embed_graph(adjacency, temperature=temperature, steps=_GRAPH_STEPS, seed=seed, progress=_progress)
    return block_mean_cosines(vectors, blocks)


def show() -> None:
    """Draw the panel: teaching sentence, controls, curves, cosines of the chosen point, and a graph on demand."""
    st.header("Does a rare class have to collapse onto another?", anchor=False)
    st.markdown(
        "No. In a model of three blocks, block 1 is joined with block 2 and with nothing else. As block 1 gets rare "
        "its vectors are drawn to those of block 2, but they become one only where the two are connected enough: "
        "collapse needs rarity and connectivity."
    )
    alpha, share, temperature, weights = _controls()
    alphas = tuple(sorted({*ALPHAS, alpha}))
    found = curves(SHARES, alphas, temperature, weights)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _draw(curve_view(alphas, found), "curves")
    with right:
        point = curves((share,), (alpha,), temperature, weights)[0, 0]
        _draw(point_view(point, alpha, share), "point")
    _graph(share, alpha, temperature)
    st.caption(
        f"The vectors are those after {_STEPS:,} steps of the authors' descent on the loss in its limit of many nodes; "
        "near the connectivity from which blocks become one they are still short of the optimum. "
        "*Published figure* weighs pairs of blocks as the "
        "authors' script does, by the share of the own block; *simulated graphs* weighs them by the share of the other "
        "block, as nodes of a graph do. The two agree for equal shares; graphs follow the second, where at "
        "temperature 1 a vanishing block needs a connectivity above 0.497 to collapse."
    )
    # A caption would fade the link.
    st.markdown(f":small[Source: {cite(SOURCE)}]")


def _controls() -> tuple[float, float, float, Weights]:
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        alpha = st.slider(
            "Connectivity α",
            0.05,
            0.9,
            0.4,
            0.05,
            key="block_alpha",
            bind="query-params",
            width=150,
            help="Probability that a node of block 1 and a node of block 2 are joined; within a block it is 0.95.",
        )
        names = [_share_name(value) for value in SHARES]
        share = st.select_slider(
            "Share of block 1",
            names,
            value=names[4],
            key="block_share",
            bind="query-params",
            width=150,
            help="Blocks 2 and 3 have half of the rest each.",
        )
        temperature = st.slider(
            "Temperature",
            0.2,
            2.0,
            1.0,
            0.1,
            key="block_temperature",
            bind="query-params",
            width=150,
            help="Temperature of the loss; the authors take 1.",
        )
        weights = st.segmented_control(
            "Weights as in",
            list(_WORDS),
            default="script",
            required=True,
            key="block_weights",
            bind="query-params",
            format_func=lambda value: _WORDS[value],
            help="How pairs of blocks are weighed: as in the authors' figure, or as in their simulated graphs.",
        )
    return alpha, SHARES[names.index(share)], temperature, cast(Weights, weights)


def _share_name(share: float) -> str:
    return f"{100 * share:.2g} %"


def curve_view(alphas: Sequence[float], found: Floats) -> Lines:
    """Return the cosine of blocks 1 and 2 against the share of block 1, one curve a connectivity."""
    ends = found[0, :, 0, 1]
    one = [f"{alpha:g}" for alpha, end in zip(alphas, ends, strict=True) if end >= COLLAPSED]
    apart = [f"{alpha:g}" for alpha, end in zip(alphas, ends, strict=True) if end < COLLAPSED]
    if one and apart:
        title = f"Rare block 1 becomes block 2 at α = {', '.join(one)}, not at {', '.join(apart)}"
    else:
        title = f"Rare block 1 {'becomes block 2 at every' if one else 'stays apart from block 2 at every'} α shown"
    return Lines(
        title,
        Axis("Share of block 1", "of all nodes", log=True),
        Axis("Cosine of blocks 1 and 2", "cosine", (-1.0, 1.0)),
        tuple(Series(f"α = {alpha:g}", np.array(SHARES), found[:, place, 0, 1]) for place, alpha in enumerate(alphas)),
    )


def point_view(cosines: Floats, alpha: float, share: float) -> Heatmap:
    """Return the cosines between the three blocks at one connectivity and share."""
    blocks = ("1", "2", "3")
    return Heatmap(
        f"Cosine of blocks 1 and 2: {format_number(float(cosines[0, 1]))} at α = {alpha:g}, share {_share_name(share)}",
        Axis("Block"),
        Axis("Block"),
        cosines,
        blocks,
        blocks,
        Axis("Cosine", "cosine", (-1.0, 1.0)),
        centre=0.0,
    )


def _draw(view: Lines | Heatmap, name: str) -> None:
    drawn_figures.chart(render(view, state.theme()), f"block {name}", told(view), panels.SIDE_HEIGHT)
    st.download_button(
        "CSV", csv_text(view), f"blocks-{name}.csv", "text/csv", key=f"block csv {name}", icon=":material/table:",
        type="tertiary", on_click="ignore", help="The numbers behind this figure",
    )  # fmt: skip


def _graph(share: float, alpha: float, temperature: float) -> None:
    """Offer a graph with a vector for every node, to compare with the limit."""
    with st.expander("Try it on a graph of about 200 nodes", icon=":material/hub:"):
        seed = st.number_input("Seed of the graph", 0, 10_000, 0, key="block_seed", width=150)
        if not st.button("Draw a graph and embed it", key="block_graph", icon=":material/play_arrow:"):
            return
        with errors.boundary(_JOB), Progress("Stochastic block model", _JOB) as progress:
            found = graph_cosines(share, alpha, temperature, int(seed), progress)
            own = float(found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]))
            limit = {
                weights: float(curves((share,), (alpha,), temperature, cast(Weights, weights))[0, 0, 0, 1])
                for weights in _WORDS
            }
            st.markdown(
                f"Cosine of the mean vectors of blocks 1 and 2: **{format_number(own)}** on the graph, against "
                f"{format_number(limit['graph'])} in the limit of simulated graphs and "
                f"{format_number(limit['script'])} in that of the published figure (N = "
                f"{2 * _GRAPH_BLOCK + max(3, round(2 * _GRAPH_BLOCK * share / (1 - share))):,} nodes, seed {seed})."
            )
