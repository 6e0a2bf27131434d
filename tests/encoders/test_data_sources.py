"""Data that checkpoints are run on: folders, tables, arrays; and what somebody may have put into them."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import cl_viz
from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders._data import Unreadable, open_data
from cl_viz.encoders._data.table import MOST_COLUMNS


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (9, 7)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, 1).save(path)
    return path


def reason(data: object, row: int, column: str = "image") -> str:
    with pytest.raises(Unreadable) as error:
        data.inputs[column].read(row)  # type: ignore[attr-defined]
    return str(error.value)


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims a size; what follows is nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


# -- folders -------------------------------------------------------------------------------------------------------


def test_class_folders_are_labels_and_what_stands_above_them_is_the_group(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/2.png", "test/cat/3.png", ".hidden/x.png"):
        picture(tmp_path / name)
    (tmp_path / "train" / "notes.txt").write_text("no picture")
    data = open_data(tmp_path)
    assert list(data.columns["image"]) == ["test/cat/3.png", "train/cat/1.png", "train/dog/2.png"]
    assert list(data.columns["label"]) == ["cat", "cat", "dog"]
    assert list(data.columns["group"]) == ["test", "train", "train"]
    assert data.roles == {"image": "image", "label": "label", "group": "group"}


def test_images_alone_have_no_label_and_mixed_folders_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "1.png"), picture(tmp_path / "2.jpg")
    assert "label" not in open_data(tmp_path).columns
    picture(tmp_path / "cat" / "3.png")
    with pytest.raises(FormatError, match="2 images lie beside class folders"):
        open_data(tmp_path)


def test_a_folder_that_changes_is_other_data(tmp_path: Path) -> None:
    picture(tmp_path / "1.png"), picture(tmp_path / "2.png")
    before = open_data(tmp_path).fingerprint
    assert open_data(tmp_path).fingerprint == before
    picture(tmp_path / "2.png", size=(3, 3))
    assert open_data(tmp_path).fingerprint != before


def test_pictures_of_every_mode_become_grey_or_colour(tmp_path: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
        suffix = "jpg" if mode == "CMYK" else "png"
        picture(tmp_path / f"{mode.replace(';', '')}.{suffix}", mode)
    data = open_data(tmp_path)
    assert data.n == 8
    for row in range(data.n):
        found = data.inputs["image"].read(row)
        assert found.mode in ("L", "RGB")  # type: ignore[union-attr]
        assert found.size == (9, 7)  # type: ignore[union-attr]


def test_what_cannot_be_shown_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(bomb(100_000, 100_000))
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.png").write_bytes(picture(tmp_path / "whole.png", size=(200, 200)).read_bytes()[:60])
    outside = picture(tmp_path.parent / f"{tmp_path.name}-outside.png")
    (tmp_path / "d.png").symlink_to(outside)
    (tmp_path / "e.png").symlink_to(tmp_path / "e.png")
    (tmp_path / "f.png").write_bytes(bomb(8_000, 8_000))
    data = open_data(tmp_path)
    assert reason(data, 0) == "more than 60,000,000 pixels"
    assert "cannot be read" in reason(data, 1)
    assert "cannot be read" in reason(data, 2)
    assert "leads out of the folder" in reason(data, 3)
    assert reason(data, 4)
    assert reason(data, 5) == "8,000 x 8,000 pixels, more than 60,000,000"


def test_a_folder_without_images_says_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"holds 0 images.*\.png"):
        open_data(tmp_path)
    with pytest.raises(FormatError, match=r"no such file or folder.*sample:digits"):
        open_data(tmp_path / "absent")
    (tmp_path / "film.mp4").write_text("x")
    with pytest.raises(FormatError, match=r"\.mp4"):
        open_data(tmp_path / "film.mp4")


# -- tables --------------------------------------------------------------------------------------------------------


def test_columns_of_texts_and_of_paths_are_told_apart(tmp_path: Path) -> None:
    picture(tmp_path / "pictures" / "1.png")
    path = tmp_path / "table.csv"
    path.write_text("caption,image,label\na cat,pictures/1.png,cat\na dog,pictures/2.png,dog\n")
    data = open_data(path)
    assert data.of("text") == ("caption", "label")
    assert data.of("image") == ("image",)
    assert data.roles["text"] == "caption"
    assert data.roles["label"] == "label"
    assert data.inputs["image"].read(0).size == (9, 7)  # type: ignore[union-attr]
    assert reason(data, 1) == "no such file"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "jsonl"])
def test_every_kind_of_table_gives_the_same_texts(tmp_path: Path, suffix: str) -> None:
    path, texts = tmp_path / f"table.{suffix}", ["one", "two words", "drei, vier"]
    if suffix == "parquet":
        pq.write_table(pa.table({"text": texts, "label": [1, 2, 3]}), path)
    elif suffix == "jsonl":
        path.write_text("\n".join(json.dumps({"text": t, "label": n}) for n, t in enumerate(texts)))
    else:
        mark = "," if suffix == "csv" else "\t"
        path.write_text("\n".join([f"text{mark}label", *[f'"{t}"{mark}{n}' for n, t in enumerate(texts)]]))
    data = open_data(path)
    assert [data.inputs["text"].read(row) for row in range(3)] == texts
    assert data.roles["label"] == "label"


def test_a_path_of_a_table_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    secret = picture(tmp_path / "secret.png")
    inside = tmp_path / "data"
    inside.mkdir()
    (inside / "link.png").symlink_to(secret)
    entries = ["../secret.png", str(secret), "link.png", "a/../../secret.png", "nul\0.png", "", "/etc/passwd.png",
               "x" * 5000 + ".png"]  # fmt: skip
    pq.write_table(pa.table({"image": entries}), inside / "table.parquet")
    data = open_data(inside / "table.parquet")
    reasons = [reason(data, row) for row in range(len(entries))]
    assert all("leads out" in reasons[row] for row in (0, 1, 2, 3, 6)), reasons
    assert {reasons[row] for row in (4, 5, 7)} == {"no path on this machine"}


def test_missing_texts_are_skipped_and_listed(two_tower_checkpoint: Path, tmp_path: Path) -> None:
    texts = ["seven", None, "   ", "one: thin", "", "nine"]
    pq.write_table(pa.table({"text": texts, "score": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}), tmp_path / "t.parquet")
    found = cl_viz.encode(two_tower_checkpoint, tmp_path / "t.parquet", out=tmp_path / "run")
    np.testing.assert_array_equal(found.columns()["row"], [0, 3, 5])
    np.testing.assert_allclose(found.columns()["score"], [0.1, 0.4, 0.6])
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    assert card["skipped"] == [[1, "", "no text"], [2, "", "no text"], [4, "", "no text"]]


def test_a_table_where_nothing_can_be_read_is_refused(two_tower_checkpoint: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([None, None, "seven"], pa.string())}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="1 of 3 rows could be read: row 0: no text"):
        cl_viz.encode(two_tower_checkpoint, tmp_path / "t.parquet", out=tmp_path / "run")


@pytest.mark.parametrize("content", ["text,label\n", "text\n", "a,b\n1,2\n3,4\n"])
def test_tables_without_rows_or_texts_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(FormatError):
        open_data(tmp_path / "t.csv")


def test_a_table_of_very_many_columns_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text(",".join(f"c{n}" for n in range(100_000)) + "\n" + ",".join("x" * 100_000))
    with pytest.raises(FormatError, match=f"columns or more.*at most {MOST_COLUMNS:,}"):
        open_data(tmp_path / "wide.csv")
    pq.write_table(pa.table({f"c{n}": ["x", "y"] for n in range(MOST_COLUMNS + 1)}), tmp_path / "wide.parquet")
    with pytest.raises(FormatError, match=f"at most {MOST_COLUMNS:,}"):
        open_data(tmp_path / "wide.parquet")


def test_texts_that_are_no_unicode_and_very_long_survive_the_way_to_disk(
    two_tower_checkpoint: Path, tmp_path: Path
) -> None:
    rows = [{"text": "seven " + "x" * 100_000}, {"text": "one \ud800 <b>bold</b>"}, {"text": "nine\n\n| a | b |"}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = cl_viz.encode(two_tower_checkpoint, tmp_path / "t.jsonl", out=tmp_path / "run")
    assert found.n == 3
    assert str(found.role("text")[2]) == "nine\n\n| a | b |"
    assert str(found.role("text")[1]).startswith("one ")


# -- arrays --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["uint8", "unit", "bytes in float", "uint16"])
def test_pixels_of_every_kind_are_the_same_picture(tmp_path: Path, kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3)).astype(np.uint8)
    pixels[0, 0, 0] = 255
    stored: np.ndarray = {
        "uint8": pixels, "unit": pixels / np.float32(255), "bytes in float": pixels.astype(np.float64),
        "uint16": pixels.astype(np.uint16) * 257,
    }[kind]  # type: ignore[assignment]  # fmt: skip
    np.save(tmp_path / "images.npy", stored)
    data = open_data(tmp_path / "images.npy")
    np.testing.assert_array_equal(np.asarray(data.inputs["image"].read(3)), pixels[3])


def test_labels_beside_an_array_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "train.npy", np.zeros((4, 8, 8), dtype=np.uint8))
    np.save(tmp_path / "train_labels.npy", np.array([3, 1, 2, 1]))
    data = open_data(tmp_path / "train.npy")
    np.testing.assert_array_equal(data.columns["label"], [3, 1, 2, 1])
    assert data.roles == {"label": "label"}


def test_arrays_of_another_shape_say_what_to_do(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((4, 8), dtype=np.uint8))
    with pytest.raises(FormatError, match=r"shape \(4, 8\)"):
        open_data(tmp_path / "flat.npy")
    np.save(tmp_path / "first.npy", np.zeros((4, 3, 8, 8), dtype=np.uint8))
    with pytest.raises(FormatError, match=r"transpose\(0, 2, 3, 1\)"):
        open_data(tmp_path / "first.npy")
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8), dtype=np.uint8))
    with pytest.raises(FormatError):
        open_data(tmp_path / "none.npy")


def test_rows_of_nan_are_skipped(two_tower_checkpoint: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((5, 28, 28)).astype(np.float32)
    images[2, 3, 3] = np.nan
    np.save(tmp_path / "images.npy", images)
    found = cl_viz.encode(two_tower_checkpoint, tmp_path / "images.npy", views="plain")
    np.testing.assert_array_equal(found.columns()["row"], [0, 1, 3, 4])
