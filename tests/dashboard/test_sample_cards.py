"""Cards of samples: what is read and what is refused, text that stays text, and the cards as a page shows them."""

from __future__ import annotations

import base64
import io
import os
import struct
import wave
import zlib
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.pictures import Unreadable, find_file
from cl_viz.dashboard.sample_cards import cut, draw_grid, make_card
from cl_viz.dashboard.sample_media import LIMITS, entry_bytes, sound, thumbnail

HOSTILE = "<script>alert(1)</script> ![x](http://evil/x.png) **bold** :smile:"


def png(width: int = 40, height: int = 20, shade: int = 128) -> bytes:
    target = io.BytesIO()
    Image.new("L", (width, height), shade).save(target, "PNG")
    return target.getvalue()


def wav() -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return target.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def size_of(picture: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture)) as image:
        return image.size


@pytest.fixture
def opened(tmp_path: Path) -> Path:
    """An opened folder with a picture, beside a folder that is not opened."""
    folder, other = tmp_path / "opened", tmp_path / "other"
    (folder / "images").mkdir(parents=True)
    other.mkdir()
    (folder / "images" / "one.png").write_bytes(png())
    (other / "secret.png").write_bytes(png(shade=7))
    return folder


def test_pictures_inside_the_folder_are_shown_by_relative_and_by_whole_path(opened: Path) -> None:
    for path in ("images/one.png", "images/../images/one.png", str(opened / "images" / "one.png")):
        assert size_of(thumbnail(path, [opened])) == (80, 40)


@pytest.mark.parametrize(
    "path",
    ["../other/secret.png", "images/../../other/secret.png", "../../../../../../../../etc/passwd", "/etc/passwd"],
)
def test_paths_that_lead_out_are_refused(opened: Path, path: str) -> None:
    with pytest.raises(Unreadable, match="leads out of the folder"):
        entry_bytes(path, [opened])
    with pytest.raises(Unreadable, match="leads out"):
        entry_bytes(str(opened.parent / "other" / "secret.png"), [opened])


def test_links_are_followed_before_the_place_is_judged(opened: Path) -> None:
    (opened / "file.png").symlink_to(opened.parent / "other" / "secret.png")
    (opened / "folder").symlink_to(opened.parent / "other")
    (opened / "inside.png").symlink_to(opened / "images" / "one.png")
    for path in ("file.png", "folder/secret.png"):
        with pytest.raises(Unreadable, match="leads out"):
            thumbnail(path, [opened])
    assert thumbnail("inside.png", [opened]) == thumbnail("images/one.png", [opened])


def test_a_folder_whose_name_begins_alike_is_another_folder(opened: Path) -> None:
    twin = opened.parent / "opened-not"
    twin.mkdir()
    (twin / "a.png").write_bytes(png())
    with pytest.raises(Unreadable, match="leads out"):
        find_file("../opened-not/a.png", [opened])


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("gone.png", "no such file"),
        ("images", "no such file"),
        ("http://example.org/a.png", "no path"),
        ("file:///etc/passwd", "no path"),
        ("a\0b", "no path"),
        ("", "missing"),
        (None, "missing"),
        (float("nan"), "missing"),
        ("data:image/png,abc", "not base64"),
        ("data:image/png;base64,!!!", "damaged"),
        (
            "data:image/svg+xml;base64," + base64.b64encode(b"<svg onload='alert(1)'/>").decode(),
            "cannot be read as an image",
        ),
        (b"%PDF-1.7", "cannot be read as an image"),
        ({"bytes": None, "path": None}, "missing"),
    ],
)
def test_what_cannot_be_shown_says_why(opened: Path, entry: object, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        thumbnail(entry, [opened])


def test_nothing_is_read_where_no_folder_is_open(opened: Path) -> None:
    with pytest.raises(Unreadable, match="no folder is open"):
        thumbnail(str(opened / "images" / "one.png"), [])


def test_devices_and_huge_files_are_not_read(opened: Path) -> None:
    os.mkfifo(opened / "pipe.png")
    with pytest.raises(Unreadable):
        thumbnail("pipe.png", [opened])
    with (opened / "huge.png").open("wb") as file:
        file.truncate(LIMITS.file_bytes + 1)
    with pytest.raises(Unreadable, match="larger than"):
        thumbnail("huge.png", [opened])


@pytest.mark.parametrize("side", [6_500, 12_000, 60_000])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(opened: Path, side: int) -> None:
    content = bomb(side)
    assert len(content) < 1000
    (opened / "bomb.png").write_bytes(content)
    address = "data:image/png;base64," + base64.b64encode(content).decode()
    for entry in ("bomb.png", address, content):
        with pytest.raises(Unreadable, match="more than 40,000,000"):
            thumbnail(entry, [opened])


def test_a_picture_is_shrunk_or_enlarged_by_whole_numbers() -> None:
    assert size_of(thumbnail(png(1000, 500), (), side=160)) == (160, 80)
    assert size_of(thumbnail(png(28, 28), (), side=160)) == (112, 112)
    assert size_of(thumbnail(png(150, 150), (), side=160)) == (150, 150)


@pytest.mark.parametrize(
    ("array", "size"),
    [
        (np.zeros((28, 28), np.uint8), (112, 112)),
        (np.zeros((3, 60, 120), np.float32), (120, 60)),
        (np.zeros((130, 140, 4), np.int64), (140, 130)),
        (np.ones((130, 130, 1), np.bool_), (130, 130)),
        (np.full((120, 130, 3), np.nan), (130, 120)),
    ],
)
def test_arrays_are_pictures(array: np.ndarray, size: tuple[int, int]) -> None:
    assert size_of(thumbnail(array, ())) == size


def test_values_of_an_array_keep_their_order() -> None:
    array = np.tile(np.linspace(-2, 3, 130), (120, 1))
    with Image.open(io.BytesIO(thumbnail(array, ()))) as image:
        row = np.asarray(image)[0]
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row.astype(int)) >= 0).all()


def test_an_array_that_is_no_picture_is_refused() -> None:
    with pytest.raises(Unreadable, match="not a picture"):
        thumbnail(np.zeros((2, 3, 4, 5)), ())


def test_a_picture_that_is_written_again_is_read_again(opened: Path) -> None:
    before = thumbnail("images/one.png", [opened])
    (opened / "images" / "one.png").write_bytes(png(60, 60, shade=1))
    assert thumbnail("images/one.png", [opened]) != before


def test_a_sound_is_what_its_bytes_say(opened: Path) -> None:
    (opened / "beep.wav").write_bytes(wav())
    (opened / "text.wav").write_text("root:x:0:0")
    assert sound("beep.wav", [opened]).media_type == "audio/wav"
    assert sound("data:audio/wav;base64," + base64.b64encode(wav()).decode(), ()).content == wav()
    with pytest.raises(Unreadable, match="not a WAV"):
        sound("text.wav", [opened])
    kinds = {b"fLaC0000": "audio/flac", b"OggS0000": "audio/ogg", b"ID3\4": "audio/mpeg", b"\xff\xfb\x90": "audio/mpeg"}
    for head, kind in kinds.items():
        assert sound(head, ()).media_type == kind


def sample_set(folder: Path) -> EmbeddingSet:
    columns = {
        "label": np.array([HOSTILE, "cat", "dog", "cat"], dtype=object),
        "caption": np.array([HOSTILE, "word " * 500, "a\u202eb\x00c", None], dtype=object),
        "image": np.array(["images/one.png", "../other/secret.png", "gone.png", "beep.wav"], dtype=object),
    }
    return EmbeddingSet.from_arrays(
        np.eye(4, dtype=np.float32), metadata=columns, roles={"label": "label", "text": "caption", "image": "image"}
    )


def test_a_card_holds_what_is_shown_and_why_something_is_not(opened: Path) -> None:
    (opened / "beep.wav").write_bytes(wav())
    whole = sample_set(opened)
    cards = [make_card(whole, row, folders=[opened], notes={"score": "0.5"}) for row in range(4)]
    assert [card.picture is not None for card in cards] == [True, False, False, False]
    assert [card.absent for card in cards] == [
        "",
        "No picture: the path leads out of the folder.",
        "No picture: no such file.",
        "",
    ]
    assert cards[3].sound is not None
    assert cards[1].text.endswith("(2,500 characters)")
    assert len(cards[1].text) < 320
    assert cards[2].text == "abc"
    assert cards[1].alt.startswith("Row 1. label cat, score 0.5. word word")


def test_columns_without_a_role_tell_a_sample_that_has_neither_text_nor_picture() -> None:
    columns = {"query_text": np.array(["why", "how"]), "place": np.array(["a", ""]), "k": np.arange(2), "l": np.ones(2)}
    plain = EmbeddingSet.from_arrays(np.eye(2), metadata=columns)
    assert make_card(plain, 0).lines == (("query_text", "why"), ("place", "a"), ("k", "0"))
    assert make_card(plain.with_roles(text="query_text"), 0).lines == ()


def test_text_is_cut_without_reading_all_of_it() -> None:
    assert cut("x" * 10_000_000, 10) == "xxxxxxxxxx… (10,000,000 characters)"


def test_cards_of_texts_alone_are_wide(opened: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    columns = st.columns
    monkeypatch.setattr(st, "columns", lambda count, **given: asked.append(count) or columns(count, **given))
    pictured = sample_set(opened)
    texts = pictured.with_roles(image=None)
    for shown in (pictured, texts):
        monkeypatch.setattr("cl_viz.dashboard.state.media_folders", lambda: [opened])
        draw_grid(None, shown, range(4), columns=10)
    assert asked == [10, 5]


def _page(folder: str) -> None:
    from pathlib import Path

    from cl_viz.dashboard import sample_cards, state
    from tests.dashboard.test_sample_cards import sample_set

    state.add_media_folder(Path(folder))
    whole = sample_set(Path(folder))
    sample_cards.draw_grid(None, whole, range(4), notes={"score": ["1", "2", "3", "4"]})
    first, second = (sample_cards.make_card(whole, row) for row in (0, 1))
    sample_cards.draw_pair(first, second)


def test_cards_on_a_page_show_hostile_text_letter_by_letter(opened: Path) -> None:
    (opened / "beep.wav").write_bytes(wav())
    app = AppTest.from_function(_page, args=(str(opened),), default_timeout=60).run()
    assert not app.exception
    texts = [element.value for element in (*app.markdown, *app.caption)]
    assert any("secret" not in text and "leads out of the folder" in text for text in texts)
    for text in texts:
        assert "<script>" not in text.replace("\\<", "")
        assert "](http" not in text
        assert "**bold**" not in text
