"""The menu: sections are the folders of `pages/`, pages their files, both in the order of the field's questions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "start": ("checkup", "data", "checkpoint"),
    "scores": ("distributions", "pairs", "feature_transformation"),
    "temperature": ("hardness", "individual_temperatures"),
    "geometry": ("alignment_uniformity", "collapse", "neural_collapse", "modality_gap"),
    "groups": ("representation_harm", "allocation_harm", "suppression", "downstream"),
    "runs": ("map", "over_training", "compare"),
    "losses": ("loss_lab", "train"),
    "learn": (
        "lessons",
        "what_a_loss_sees",
        "temperature",
        "batch_size",
        "alignment_and_uniformity",
        "three_collapses",
        "false_and_hard_negatives",
        "who_is_harmed",
        "two_modalities",
    ),
}
"""Order of sections and, within them, of pages; pages that are not named here follow by name."""

_TITLES = {"alignment_uniformity": "Alignment & uniformity", "loss_lab": "Loss Lab"}
_ICONS = {
    "checkup": ":material/checklist:",
    "data": ":material/database:",
    "checkpoint": ":material/memory:",
    "distributions": ":material/area_chart:",
    "pairs": ":material/join:",
    "alignment_uniformity": ":material/blur_circular:",
    "collapse": ":material/stacked_line_chart:",
    "over_training": ":material/timeline:",
    "compare": ":material/compare_arrows:",
    "map": ":material/scatter_plot:",
    "hardness": ":material/thermostat:",
    "individual_temperatures": ":material/person_pin:",
    "feature_transformation": ":material/transform:",
    "loss_lab": ":material/science:",
    "train": ":material/model_training:",
    "representation_harm": ":material/merge:",
    "allocation_harm": ":material/balance:",
    "downstream": ":material/query_stats:",
    "suppression": ":material/filter_alt_off:",
    "modality_gap": ":material/join_inner:",
    "neural_collapse": ":material/hub:",
    "lessons": ":material/school:",
    "what_a_loss_sees": ":material/counter_1:",
    "temperature": ":material/counter_2:",
    "batch_size": ":material/counter_3:",
    "alignment_and_uniformity": ":material/counter_4:",
    "three_collapses": ":material/counter_5:",
    "false_and_hard_negatives": ":material/counter_6:",
    "who_is_harmed": ":material/counter_7:",
    "two_modalities": ":material/counter_8:",
}

_FIRST = "start"
"""Address that Streamlit keeps for the page the app opens on; it shows the empty one."""


def page_path(page: str) -> str:
    """Return the file of a page given as ``section/page``, as Streamlit's links want it."""
    return f"pages/{page}.py"


def find_pages(folder: Path) -> dict[str, list[Path]]:
    """Return the files of the pages that exist, by section, in menu order."""
    sections = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))]
    sections.sort(key=lambda path: (_place(path.name, tuple(SECTIONS)), path.name))
    found = {}
    for section in sections:
        files = [file for file in section.glob("*.py") if not file.name.startswith("_")]
        order = SECTIONS.get(section.name, ())
        if files:
            found[section.name] = sorted(files, key=lambda file: (_place(file.stem, order), file.stem))
    return found


def menu(folder: Path) -> st.Page:
    """Draw the menu and return the page that was chosen; the first page is the one the app opens on.

    It answers to the name of its file too, as every page does.
    """
    found = find_pages(folder)
    pages = {
        page_title(section): [st.Page(file, title=page_title(file.stem), icon=_ICONS.get(file.stem)) for file in files]
        for section, files in found.items()
    }
    section, files = next(iter(found.items()))
    name = files[0].stem
    # Streamlit keeps the name of the first page's file for it, but answers only to the empty address.
    first = st.Page(files[0], title=page_title(name), icon=_ICONS.get(name), default=True, url_path=_FIRST)
    same = st.Page(files[0], title=page_title(name), url_path=name, visibility="hidden")
    pages[page_title(section)][0] = first
    pages[page_title(section)].append(same)
    return st.navigation(pages, expanded=True)


def _place(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def page_title(name: str) -> str:
    """Return the title of a section or page, as the menu shows it."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())
