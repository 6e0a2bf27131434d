"""The pairs behind a question: what is asked, where the pairs lie among all scores, and the pairs themselves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import MissingInputError
from cl_viz.core.result import format_number
from cl_viz.core.view import Axis, Histogram, Reference, Series
from cl_viz.dashboard import cache, drawn_figures, figure_buttons, forms, pair_marks, panels, sample_cards, state
from cl_viz.dashboard.loss_work import Work, answers
from cl_viz.dashboard.pair_links import KINDS, QUESTIONS
from cl_viz.dashboard.text import escape
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.engine import FoundPairs, PairQuery, estimate_pairs, find_pairs
from cl_viz.engine.found_pairs import RELATION_WORDS
from cl_viz.engine.pair_sketch import Relation
from cl_viz.figures import render

SCORES = DIAGNOSTICS["score_distribution"]
_CONTROLS = {info.name: info for info in SCORES.params.describe()}
_HELP = {
    "hardest-negatives": "Negatives with the highest scores: what the loss pushes hardest.",
    "false-negatives": "Negatives of the same label, highest scores first; without labels, negatives that are among "
    "each other's 10 nearest.",
    "weakest-positives": "Positives with the lowest scores: what the encoder fails to bring together.",
    "duplicates": "Different samples of one view with a score of 0.999 or more.",
    "interval": "Pairs whose score lies between two numbers: a draw of them, or an end.",
    "classes": "Pairs of two labels, the highest scores first.",
}
_ORDERS = {"random": "A draw", "highest": "Highest", "lowest": "Lowest"}
_SORTED = ("As asked", "Highest score", "Lowest score", "Lowest rank")
_COUNTS = (24, 100, 500, 2000)
_PAGE = 12
_ACROSS = 2
_APART = 0.03
"""Scores that are closer have one line in the figure."""


@dataclass(frozen=True)
class Asked:
    """What the controls ask, and of what.

    Attributes
    ----------
    opened : OpenRun
    embedding_set : EmbeddingSet
    step, layer : optional
    question : str
    arguments : dict
        Of `cl_viz.find_pairs`.
    """

    opened: state.OpenRun
    embedding_set: EmbeddingSet
    step: int | None
    layer: str | None
    question: Any
    arguments: dict[str, Any]


def controls(runs: list[state.OpenRun]) -> Asked:
    """Draw the controls; return what they ask."""
    question = st.segmented_control(
        "Question",
        list(QUESTIONS),
        default="hardest-negatives",
        required=True,
        format_func=QUESTIONS.__getitem__,
        key="question",
        bind="query-params",
        help="  \n".join(f"**{QUESTIONS[name]}**: {text}" for name, text in _HELP.items()),
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        opened = _run_control(runs)
        layer = forms.layer_control([opened])
        arguments = _range_controls(str(question))
        for name in ("positives", "negatives"):
            forms.control(_CONTROLS[name], [opened])
        with st.popover("More", icon=":material/tune:", help="Training step, how many pairs, seed"):
            step = forms.step_control([opened])
            arguments["m"] = int(_count_control())
            if arguments.get("order") == "random":
                arguments["seed"] = int(
                    st.number_input("Seed of the draw", 0, 1_000_000, 0, key="seed", bind="query-params")
                )
    embedding_set = opened.run.get(step, layer)
    if question == "classes":
        arguments |= _class_controls(embedding_set)
    arguments |= {name: str(st.session_state.get(name) or usual) for name, usual in _USUAL_ROLES.items()}
    return Asked(opened, embedding_set, step, layer, question, arguments)


_USUAL_ROLES = {"positives": "auto", "negatives": "cross"}


def _run_control(runs: list[state.OpenRun]) -> state.OpenRun:
    if len(runs) == 1:
        return runs[0]
    reference = state.reference_run()
    names = [opened.name for opened in runs]
    usual = names.index(reference.name) if reference is not None and reference.name in names else 0
    chosen = st.selectbox("Run", names, index=usual, key="pairs_of", bind="query-params", width=220)
    return runs[names.index(chosen)] if chosen in names else runs[usual]


def _range_controls(question: str) -> dict[str, Any]:
    """Draw which kind of pair, between which scores, in which order; for a range of scores."""
    if question != "interval":
        return {}
    kind = st.selectbox(
        "Pairs", list(KINDS), format_func=KINDS.__getitem__, key="kind", bind="query-params", width=190,
        help="Which pairs are looked at.",
    )  # fmt: skip
    common: dict[str, Any] = {"step": 0.01, "format": "%.4f", "bind": "query-params", "width": 130}
    low = st.number_input("From", -1.0, 1.0, 0.5, key="low", help="Least score, cosine.", **common)
    high = st.number_input("To", -1.0, 1.0, 1.0, key="high", help="The score they stay below; 1 is inside.", **common)
    order = st.selectbox(
        "Which", list(_ORDERS), format_func=_ORDERS.__getitem__, key="order", bind="query-params", width=120,
        help="A seeded draw without replacement, or an end of the range.",
    )  # fmt: skip
    return {"kind": kind, "low": float(low), "high": float(high), "order": order}


def _count_control() -> int:
    return st.select_slider(
        "Pairs to keep", _COUNTS, value=100, key="m", width=forms.SLIDER_WIDTH, help="At most so many are kept."
    )


def _class_controls(embedding_set: EmbeddingSet) -> dict[str, Any]:
    """Draw the two classes, and which of their pairs; a set without labels has none."""
    codes = embedding_set.codes("label")
    if codes is None:
        return {"classes": None}
    names = list(codes[1])
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        found = [
            st.selectbox(
                label, names, index=min(place, len(names) - 1), key=key, bind="query-params", width=220,
                format_func=lambda name: sample_cards.cut(name, 60),
            )
            for place, (label, key) in enumerate((("First class", "class_a"), ("Second class", "class_b")))
        ]  # fmt: skip
        views = ["", *embedding_set.view_names]
        view = st.selectbox(
            "Pairs", views, key="within", bind="query-params", width=220,
            format_func=lambda name: f"Within {sample_cards.cut(name, 60)}" if name else "Negatives",
            help="Negatives, or all pairs of different samples within one view, also of one label.",
        )  # fmt: skip
    chosen: dict[str, Any] = {"classes": (found[0], found[1])}
    return {**chosen, "kind": "other_samples", "view": view} if view else chosen


def find(asked: Asked) -> FoundPairs | None:
    """Return the pairs, found once; what takes long is asked for first. None where they cannot be had yet."""
    query = PairQuery.of(asked.embedding_set, asked.question, **asked.arguments)
    work: Work[FoundPairs] = Work(
        asked.opened.name,
        ("pairs", asked.embedding_set.fingerprint, query),
        lambda: estimate_pairs(asked.embedding_set, query).seconds,
        lambda progress: find_pairs(asked.embedding_set, query, progress=progress),
    )
    return answers("Pairs", [work]).get(asked.opened.name)


def headline(found: FoundPairs) -> str:
    """Return what was found, as the title of the figure."""
    words = found.query.in_words()
    samples = " + ".join(f"{n:,}" for n in dict.fromkeys(found.n_used))
    if not len(found):
        ends = "" if found.query.everywhere else f" with scores from {found.query.low:g} to {found.query.high:g}"
        return f"There are no {words}{ends} (N = {samples} samples)"
    which = {"highest": "The highest", "lowest": "The lowest", "random": "A draw of"}[found.query.order]
    if len(found) == found.count:
        which = "All"
    low, high = format_number(float(found.score.min())), format_number(float(found.score.max()))
    same = int((found.relation == Relation.SAME_LABEL).sum())
    labelled = found.query.kind == "negatives" and bool((found.relation == Relation.DIFFERENT_LABEL).any() or same)
    share = f"; {same:,} of them share a label" if labelled else ""
    return f"{which} {len(found):,} of {found.count:,} {words}: scores {low} to {high}{share} (N = {samples})"


def figure(asked: Asked, found: FoundPairs) -> None:
    """Draw where the pairs lie among all scores."""
    params = {name: asked.arguments[name] for name in _USUAL_ROLES if asked.arguments[name] != _USUAL_ROLES[name]}
    view = None
    with suppress(MissingInputError):
        view = cache.result(asked.opened, SCORES.name, params, asked.step, asked.layer).views.get("distribution")
    if not isinstance(view, Histogram):
        # Without positives there is no comparison of two distributions: the pairs' own is shown.
        view = _own_distribution(asked, found)
    view = replace(view, title=_short(headline(found)), references=_ends(found))
    drawn = render(view, state.theme(), run_colours={asked.opened.name: asked.opened.colour}, wide=True)
    drawn_figures.chart(drawn, "figure pairs", headline(found), panels.MAIN_HEIGHT, wide=True)


def _own_distribution(asked: Asked, found: FoundPairs) -> Histogram:
    edges = np.linspace(-1.0, 1.0, 101)
    share = np.histogram(found.score, edges)[0] / max(1, len(found))
    series = Series("pairs", edges, share, "negative", asked.opened.name, n=len(found))
    return Histogram("", Axis("Score", "cosine", (-1.0, 1.0)), Axis("Pairs below", "share", (0.0, 1.0)), (series,))


def _short(title: str) -> str:
    return sample_cards.cut(title, 150)


def _ends(found: FoundPairs) -> tuple[Reference, ...]:
    if not len(found):
        return ()
    low, high = float(found.score.min()), float(found.score.max())
    if high - low < _APART:
        return (Reference("the pairs below", (low + high) / 2),)
    return (Reference("from here", low), Reference("to here", high))


def listing(asked: Asked, found: FoundPairs) -> None:
    """Draw the pairs, a page of them at a time, and what can be done with those that are marked."""
    if not len(found):
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        chosen = st.selectbox("Sort", _SORTED, key="sort", width=160, help="The pairs kept, sorted.")
        places = _order(found, str(chosen))
        n_pages = -(-len(places) // _PAGE)
        page = st.number_input(
            f"Page, of {n_pages:,}", 1, n_pages, 1, key=f"page {len(places)}", width=140, help=f"{_PAGE} pairs a page."
        )
        shown = [int(place) for place in places[(int(page) - 1) * _PAGE : int(page) * _PAGE]]
        st.button(
            "Mark these",
            key="mark all",
            icon=":material/done_all:",
            on_click=pair_marks.mark,
            args=(asked.embedding_set, found, shown),
            help="Mark every pair of this page. Marks last as long as this session, and are exported as a mining list.",
        )
    cards = []
    for start in range(0, len(shown), _ACROSS):
        for cell, place in zip(st.columns(_ACROSS, gap="small"), shown[start : start + _ACROSS], strict=False):
            with cell, st.container(border=True, gap="xxsmall"):
                cards += _pair(asked, found, place, int(np.flatnonzero(places == place)[0]) + 1)
    sample_cards.offer_folder(cards, asked.opened)
    _marked(asked, found)


def _order(found: FoundPairs, how: str) -> NDArray[np.int64]:
    keys = {
        "Highest score": -found.score,
        "Lowest score": found.score,
        "Lowest rank": np.minimum(found.first_rank, found.second_rank),
    }
    return np.argsort(keys[how], kind="stable") if how in keys else np.arange(len(found))


def _pair(asked: Asked, found: FoundPairs, place: int, number: int) -> list[sample_cards.SampleCard]:
    """Draw one pair: its facts in a line, then both samples side by side."""
    folders = sample_cards.opened_folders(asked.opened)
    with st.container(horizontal=True, gap="small", vertical_alignment="center", horizontal_alignment="distribute"):
        facts = (
            f"**{number}** · score **{found.score[place]:.4f}** · {RELATION_WORDS[Relation(found.relation[place])]} · "
            f"rank {found.first_rank[place]:,} and {found.second_rank[place]:,}"
        )
        st.markdown(facts, width="content")
        pair_marks.checkbox(asked.embedding_set, found, place, number)
    sides = found.sides(place)
    several = len(found.views) > 1
    cards = [
        sample_cards.make_card(
            asked.embedding_set, row, view, folders=folders, notes={"view": view} if several else None, side=120
        )
        for view, row in sides
    ]
    sample_cards.draw_pair(*cards)
    return cards


def _marked(asked: Asked, found: FoundPairs) -> None:
    """Draw what was marked, as files to take away and as Python."""
    frame = pair_marks.mining_list(found.fingerprint)
    name = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in asked.opened.name)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        st.markdown(f"**{len(frame):,}** pair{'' if len(frame) == 1 else 's'} marked", width="content")
        if len(frame):
            for suffix, (content, kind) in pair_marks.exports(frame).items():
                st.download_button(
                    suffix.upper() if suffix != "parquet" else "Parquet",
                    content,
                    f"pairs-{name}.{suffix}",
                    kind,
                    key=f"export {suffix}",
                    icon=":material/download:",
                    type="tertiary",
                    on_click="ignore",
                    help="Views, rows, ids and labels of both samples, score, relation, ranks and question.",
                )
            st.button(
                "Clear", key="clear marks", icon=":material/close:", type="tertiary",
                on_click=pair_marks.clear, args=(found.fingerprint,),
            )  # fmt: skip
        with st.popover("Python", type="tertiary", icon=":material/code:"):
            st.caption("The same pairs in a notebook, and the list of marks read again:")
            snapshot = {"step": asked.step, "layer": asked.layer}
            given = {key: value for key, value in {**asked.arguments, **snapshot}.items() if value is not None}
            st.code(
                pair_marks.lines_of_python(asked.opened, found, given, f"pairs-{name}.parquet"),
                language="python",
                wrap_lines=True,
            )
        with st.popover("Link", type="tertiary", icon=":material/link:"):
            st.caption("This address restores what you see, on a server with the same runs:")
            st.code(figure_buttons.address(), language=None, wrap_lines=True)
        with st.popover("How to read this", type="tertiary", icon=":material/menu_book:"):
            explanation()


def caveats(found: FoundPairs) -> None:
    """Draw what the pairs rest on."""
    used = ", ".join(f"{n:,} of {view}" for view, n in zip(found.views, found.n_used, strict=True))
    draw = f" · draw without replacement, seed {found.query.seed}" if found.query.order == "random" else ""
    st.caption(
        f"Rows used: {escape(used)} · rows normalised, not centred · all pairs looked at, counts exact · scores in "
        f"float64 after tiles in {found.precision} on {escape(found.device)}{draw}"
    )


def explanation() -> None:
    """Explain the questions, ranks and ties."""
    st.markdown("\n".join(f"- **{QUESTIONS[name]}**: {escape(text)}" for name, text in _HELP.items()))
    st.markdown(
        "The rank of a pair, for each of its samples: 1 and one more for every negative of that sample, in the other "
        "sample's view, that scores higher. A positive of rank 1 stands above all negatives. Of equal scores the "
        "smaller rows come first. A high score alone does not make a negative false: look at the samples."
    )
