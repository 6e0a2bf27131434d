"""Samples as people know them: thumbnail, text or sound, with label and group; in a grid, or two side by side."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from cl_viz.core.embedding_set import EmbeddingSet, Role
from cl_viz.core.pictures import Unreadable
from cl_viz.dashboard import state
from cl_viz.dashboard.opening import paths_allowed, whole_path
from cl_viz.dashboard.sample_media import (
    Sound,
    is_missing,
    names_sound,
    sound,
    thumbnail,
    thumbnail_address,
)
from cl_viz.dashboard.text import escape

MOST_CARDS = 60
"""Cards of one grid; more are for pages or a table."""
_TEXTS_IN_A_LINE = 5
"""Cards a line where they show texts alone, which would be broken within words in narrower ones."""
_LONGEST_TEXT = 280
_LONGEST_VALUE = 60
_MOST_WITHOUT_ROLE = 3
_NAMED: tuple[Role, ...] = ("label", "subclass", "group")
_SOUND_COLUMNS = ("audio", "audio_path", "audiopath", "sound", "wav", "clip")


@dataclass(frozen=True)
class SampleCard:
    """What is shown of one sample.

    Attributes
    ----------
    view : str
    row : int
    title : str
        The id where there is one, and the row.
    lines : tuple of (name, value)
        Label, subclass, group; then what the caller adds. Plain text, cut to a length.
    text : str
        The sample's text, cut; empty where it has none.
    picture : bytes or None
        PNG.
    sound : Sound or None
    absent : str
        Why there is no picture or sound where the set has a column of them; else empty.
    """

    view: str
    row: int
    title: str
    lines: tuple[tuple[str, str], ...] = ()
    text: str = ""
    picture: bytes | None = field(default=None, repr=False)
    sound: Sound | None = field(default=None, repr=False)
    absent: str = ""

    @property
    def alt(self) -> str:
        """What the card shows, in words, for those who do not see it."""
        facts = ", ".join(f"{name} {value}" for name, value in self.lines)
        return ". ".join(part for part in (self.title, facts, self.text) if part)


def opened_folders(opened: state.OpenRun | None = None) -> tuple[Path, ...]:
    """Return the folders whose pictures and sounds may be shown.

    Those are folders that were opened as runs, the folders of files that were opened as runs, and folders that were
    opened for their pictures; the run's own come first, because relative paths start there. Opening a file in the
    home folder or at the root of the disk does not open all of that.
    """
    runs = [] if opened is None else [opened]
    runs += [entry for entry in state.open_runs().values() if entry is not opened]
    places = [Path(entry.key) for entry in runs if entry.origin == "path"]
    folders = [place if os.path.isdir(place) else _folder_of(place) for place in places]
    return tuple(dict.fromkeys([folder for folder in folders if folder is not None] + state.media_folders()))


def _folder_of(file: Path) -> Path | None:
    folder = Path(os.path.realpath(file)).parent
    wide = {Path(folder.anchor), Path(os.path.realpath(os.path.expanduser("~")))}
    return None if folder in wide else folder


def make_card(
    embedding_set: EmbeddingSet,
    row: int,
    view: str | None = None,
    *,
    folders: Sequence[Path] = (),
    notes: Mapping[str, str] | None = None,
    side: int = 160,
) -> SampleCard:
    """Gather what is shown of a sample.

    Parameters
    ----------
    embedding_set : EmbeddingSet
    row : int
        Of the view.
    view : str, optional
        By default the first.
    folders : sequence of Path
        See `opened_folders`.
    notes : mapping, optional
        More lines: name to value.
    side : int
        Largest side of a thumbnail, pixels.
    """
    view = view or embedding_set.view_names[0]
    found = {role: embedding_set.role(role, view) for role in (*_NAMED, "text", "image", "id")}
    values = {role: column[row] for role, column in found.items() if column is not None and not is_missing(column[row])}
    lines = [(embedding_set.roles[role], cut(values[role], _LONGEST_VALUE)) for role in _NAMED if role in values]
    if not {"text", "image"} & set(embedding_set.roles):
        lines += [(name, cut(value, _LONGEST_VALUE)) for name, value in _without_role(embedding_set, view, row)]
    lines += [(name, cut(value, _LONGEST_VALUE)) for name, value in (notes or {}).items()]
    title = f"Row {row:,}" + (f" · {cut(values['id'], _LONGEST_VALUE)}" if "id" in values else "")
    picture, heard, absent = _media(embedding_set, view, row, folders, side)
    text = cut(values["text"], _LONGEST_TEXT) if "text" in values else ""
    return SampleCard(view, row, title, tuple(lines), text, picture, heard, absent)


def _without_role(embedding_set: EmbeddingSet, view: str, row: int) -> list[tuple[str, object]]:
    """Return the first columns that play no role: where neither text nor picture is known, they may tell the sample."""
    taken = set(embedding_set.roles.values())
    columns = [
        (name, column)
        for name, column in embedding_set.columns(view).items()
        if name not in taken and name.strip().lower() not in _SOUND_COLUMNS and column.ndim == 1
    ]
    return [(name, column[row]) for name, column in columns[:_MOST_WITHOUT_ROLE] if not is_missing(column[row])]


def cut(value: object, longest: int = _LONGEST_TEXT) -> str:
    """Return a value as text on one line, cut to a length, without characters that turn or hide what follows."""
    whole = str(value)
    kept = "".join(
        " " if letter.isspace() else letter
        for letter in whole[: 4 * longest]
        if letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn")
    )
    flat = " ".join(kept.split())
    if len(flat) <= longest and len(whole) <= 4 * longest:
        return flat
    return f"{flat[:longest].rstrip()}… ({len(whole):,} characters)"


def _media(
    embedding_set: EmbeddingSet, view: str, row: int, folders: Sequence[Path], side: int
) -> tuple[bytes | None, Sound | None, str]:
    """Return the picture and the sound of a sample, and why neither is there where one should be."""
    picture: bytes | None = None
    heard: Sound | None = None
    reasons: list[str] = []
    image = embedding_set.role("image", view)
    audio = _sound_column(embedding_set, view)
    entries = [(column[row], column is audio) for column in (image, audio) if column is not None]
    for entry, from_sounds in entries:
        kind = "sound" if from_sounds or names_sound(entry) else "picture"
        try:
            if kind == "sound":
                heard = sound(entry, folders)
            else:
                picture = thumbnail(entry, folders, side)
        except Unreadable as refusal:
            reasons.append(f"No {kind}: {refusal}.")
    return picture, heard, " ".join(reasons)


def _sound_column(embedding_set: EmbeddingSet, view: str) -> NDArray[np.generic] | None:
    columns = embedding_set.columns(view)
    named = {name.strip().lower(): name for name in columns if columns[name].dtype.kind in "UO"}
    found = next((named[name] for name in _SOUND_COLUMNS if name in named), None)
    return None if found is None or found == embedding_set.roles.get("image") else columns[found]


def draw_card(card: SampleCard) -> None:
    """Draw one sample in the container at hand."""
    st.markdown(f":small[**{escape(card.title)}**]")
    if card.picture is not None:
        st.image(card.picture, width="content", alt=card.alt)
    if card.sound is not None:
        st.audio(card.sound.content, format=card.sound.media_type, alt=card.alt)
    if card.absent:
        st.caption(f":material/hide_image: {escape(card.absent)}")
    if card.text:
        st.markdown(escape(card.text))
    if card.lines:
        # A line break of Markdown is two blanks at the end of a line.
        st.caption("  \n".join(f"{escape(name)}: **{escape(value)}**" for name, value in card.lines))


def draw_grid(
    opened: state.OpenRun | None,
    embedding_set: EmbeddingSet,
    rows: Sequence[int] | NDArray[np.integer],
    *,
    view: str | None = None,
    columns: int = 6,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Draw samples as a grid of cards.

    Parameters
    ----------
    opened : OpenRun or None
        The run they belong to: relative paths start at its folder.
    embedding_set : EmbeddingSet
    rows : sequence of int
        Of the view; at most `MOST_CARDS` are drawn, and what is left out is said.
    view : str, optional
        By default the first.
    columns : int
        Cards a line; fewer where there is text and no picture.
    notes : mapping, optional
        More lines: name to one value a row.
    """
    folders = opened_folders(opened)
    shown = [int(row) for row in rows[:MOST_CARDS]]
    made = [
        make_card(embedding_set, row, view, folders=folders, notes={k: v[place] for k, v in (notes or {}).items()})
        for place, row in enumerate(shown)
    ]
    if any(card.text for card in made) and not any(card.picture for card in made):
        columns = min(columns, _TEXTS_IN_A_LINE)
    for start in range(0, len(made), columns):
        for cell, card in zip(st.columns(columns, gap="small"), made[start : start + columns], strict=False):
            with cell, st.container(border=True, gap="xxsmall"):
                draw_card(card)
    if len(rows) > len(shown):
        st.caption(f"The first {len(shown):,} of {len(rows):,} samples.")
    offer_folder(made, opened)


def draw_pair(left: SampleCard, right: SampleCard) -> None:
    """Draw two samples side by side in the container at hand."""
    for cell, card in zip(st.columns(2, gap="small"), (left, right), strict=True):
        with cell, st.container(gap="xxsmall"):
            draw_card(card)


def thumbnails(
    opened: state.OpenRun | None,
    embedding_set: EmbeddingSet,
    rows: Sequence[int] | NDArray[np.integer],
    view: str | None = None,
) -> list[str]:
    """Return the pictures of some rows as data addresses for an image column of a table; empty where there is none."""
    column = embedding_set.role("image", view)
    if column is None:
        return [""] * len(rows)
    folders = opened_folders(opened)
    return [thumbnail_address(column[int(row)], folders) for row in rows]


def offer_folder(cards: Sequence[SampleCard], opened: state.OpenRun | None) -> None:
    """Offer to open a folder of pictures or sounds where some of the cards lack theirs; only on this machine."""
    if not paths_allowed() or not any("folder" in card.absent or "no such file" in card.absent for card in cards):
        return
    key = f"media_folder {'' if opened is None else opened.name}"

    def take() -> None:
        place = Path(whole_path(str(st.session_state.get(key, "")).strip()))
        if place.is_dir():
            state.add_media_folder(place)

    st.text_input(
        "Open a folder of pictures or sounds",
        key=key,
        placeholder="/data/images",
        on_change=take,
        help="Only files inside opened folders are shown. Relative paths are looked for in each of them.",
    )
    given = str(st.session_state.get(key, "")).strip()
    if given and not os.path.isdir(whole_path(given)):
        st.caption(f"No folder {escape(given)} on this machine.")
