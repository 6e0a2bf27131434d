"""The dashboard's parts that need no page: text made safe, controls' values, bounded stores, chips."""

from __future__ import annotations

import base64
import threading
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest

from cl_viz.core.errors import ClVizError, InputError
from cl_viz.core.params import ParamInfo
from cl_viz.core.result import Source
from cl_viz.dashboard import errors, layout, opening
from cl_viz.dashboard.bounded_store import BoundedStore
from cl_viz.dashboard.encoding_job import Recipe
from cl_viz.dashboard.finding_lines import brief
from cl_viz.dashboard.forms import log_options
from cl_viz.dashboard.sidebar import chip
from cl_viz.dashboard.table_columns import number_format
from cl_viz.dashboard.text import cite, cite_briefly, escape, mark, without_folders
from cl_viz.figures.theme import ThemeName, contrast


@pytest.mark.parametrize("character", list("\\`*_{}[]()#+-.!|~>$:<&^=@"))
def test_every_mark_of_markdown_is_escaped(character: str) -> None:
    assert "\\" + character in escape(f"a {character}b{character}")


def test_a_plain_name_is_escaped_to_itself_as_labels_are_read_out_with_their_escapes() -> None:
    assert escape("mnist-rare_4 seed 0.5") == "mnist-rare_4 seed 0.5"
    for marked in ("- list", "_emphasis_", "__strong__", "a -- b", "2. list", "-a-", "a_ b_", "..."):
        assert "\\" in escape(marked)


def test_escaped_text_keeps_its_letters_and_stays_on_one_line() -> None:
    shown = escape("two\nlines :smile: http://x").replace("\\", "").replace("\u2060", "")
    assert shown == "two lines :smile: http://x"
    assert ":smile" not in escape(":smile:")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_on_the_primary_colour_can_be_read(
    theme: ThemeName, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tomllib.loads((checkout / ".streamlit" / "config.toml").read_text())["theme"]
    monkeypatch.setattr(layout.st, "get_option", lambda name: config[name.split(".")[1]]["primaryColor"])
    assert contrast(layout.ink_on_primary(theme), config[theme]["primaryColor"]) >= 4.5


@pytest.mark.parametrize("level", ["bad", "watch", "unknown", "good"])
def test_a_level_is_word_icon_and_colour(level: str) -> None:
    text = mark(level)  # type: ignore[arg-type]
    assert level in text
    assert ":material/" in text
    assert "-badge" in text


def test_sources_link_only_to_plain_addresses() -> None:
    good = Source("Zhu et al. 2021, A title", "https://arxiv.org/abs/2108.02982")
    assert cite(good).endswith("(https://arxiv.org/abs/2108.02982)")
    assert cite_briefly(good).startswith("[Zhu et al\\. 2021](")
    three = Source("Papyan, Han and Donoho 2020, Prevalence of neural collapse", "https://arxiv.org/abs/2008.08186")
    assert cite_briefly(three).startswith("[Papyan, Han and Donoho 2020](")
    for url in ("", "javascript:alert(1)", "https://x/ (y)"):
        assert "](" not in cite(Source("Somebody, somewhere", url))


def test_logarithmic_choices_hold_ends_default_and_usual_values() -> None:
    options = log_options(ParamInfo("temperature", 0.1, "help", low=0.005, high=10.0, log=True))
    assert options[0] == "0.005"
    assert options[-1] == "10"
    assert {"0.07", "0.1", "0.5", "1"} <= set(options)
    values = [float(option) for option in options]
    assert values == sorted(set(values))


def test_a_bounded_store_forgets_what_was_used_least_recently() -> None:
    store: BoundedStore[int] = BoundedStore(2)
    store.put("a", 1)
    store.put("b", 2)
    assert store.get("a") == 1
    store.put("c", 3)
    assert [store.get(key) for key in "abc"] == [1, None, 3]


def test_a_bounded_store_survives_several_threads() -> None:
    store: BoundedStore[int] = BoundedStore(8)

    def work(start: int) -> None:
        for index in range(300):
            store.put((start + index) % 20, index)
            store.get(index % 20)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(store.get(key) is not None for key in range(20)) == 8


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1577.999, 741.2, 0.0], "%.0f"),
        ([12.3, 45.6], "%.1f"),
        ([0.508, -0.9, np.nan, np.inf], "%.3f"),
        ([0.997, 1.002, 1.03], "%.3f"),
        ([0.002, 0.4], "%.3f"),
        ([0.006, 0.005], "%.5f"),
        ([1e-9, 2e-9], "%.2e"),
        ([0.0, np.nan], "%.3f"),
        ([], "%.3f"),
    ],
)
def test_a_column_of_a_table_shows_three_digits_of_a_middling_value(values: list[float], wanted: str) -> None:
    assert number_format(np.array(values)) == wanted


def test_a_chip_is_a_picture_of_its_colour() -> None:
    picture = base64.b64decode(chip("#0072b2", 4).removeprefix("data:image/png;base64,"))
    assert picture.startswith(b"\x89PNG")
    start = picture.index(b"IDAT") + 4
    assert zlib.decompress(picture[start : picture.index(b"IEND") - 8])[1:4] == bytes.fromhex("0072b2")


def test_paths_of_the_command_line_go_before_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(opening.OPEN_VARIABLE, "/env")
    monkeypatch.setattr("sys.argv", ["app.py"])
    assert opening.start_paths() == ["/env"]
    monkeypatch.setattr("sys.argv", ["app.py", "/given"])
    assert opening.start_paths() == ["/given"]


@pytest.mark.parametrize(("address", "allowed"), [("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)])
def test_paths_are_opened_only_where_the_server_listens_to_this_machine(
    address: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening.st, "get_option", lambda _: address)
    assert opening.paths_allowed() is allowed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("/data/one.npz", "one.npz"),
        ("/one.npz, column 'a/b'", "one.npz, column 'a/b'"),
        ("/data/my runs/one.npz: no arrays", "one.npz: no arrays"),
        ("/data/runs/", "runs/"),
        ("~/runs/one.npz", "one.npz"),
        ("~me/one.npz", "one.npz"),
        ("step_5.safetensors on /home/me/pictures", "step_5.safetensors on pictures"),
        ("runs/x on /home/me/x and /data/y", "runs/x on x and y"),
        ("load('/home/me/x.npz') or 'a/b'", "load('x.npz') or 'a/b'"),
        (r"C:\Users\me\x.npz", "x.npz"),
        (r"load('C:\\Users\\me\\x.npz')", "load('x.npz')"),
        ("D:/runs/x.npz", "x.npz"),
        (r"\\server\share\x.npz", "x.npz"),
        ("file:///home/me/x.npz", "x.npz"),
        ("/data/x.npz has 3/4 of its rows", "x.npz has 3/4 of its rows"),
        ("relative paths start at /work/place", "relative paths start at place"),
        *((same, same) for same in ("runs/x.npz", "and/or, 1 / 2, ~1/2, f(x)/g", "https://a.org/b/c", "./x", "a:b")),
    ],
)
def test_of_every_absolute_path_the_last_name_is_left(text: str, wanted: str) -> None:
    assert without_folders(text) == wanted


@pytest.mark.parametrize("name", ["old, broken", "v. 2", "a: b", "it's 'new' x", "run.1 b", "a; b, c. d"])
def test_folders_with_marks_in_their_names_are_left_out_where_they_are_there(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name / "deeper, too"
    folder.mkdir(parents=True)
    told = "one.npz: no arrays. Allowed: a/b, or a, b/c.npz"
    assert without_folders(f"{folder}/{told}") == told
    assert without_folders(f"'{folder}/one.npz' and file://{folder}/two.npz") == "'one.npz' and two.npz"
    assert without_folders(f"in {folder}, and/or x") == "in deeper, too, and/or x"


@pytest.mark.parametrize("allowed", [True, False])
def test_an_error_says_where_files_lie_on_this_machine_only(allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "paths_allowed", lambda: allowed)
    shown: list[str] = []
    monkeypatch.setattr(errors.st, "error", lambda text, icon: shown.append(text.replace("\\", "")))
    error = ClVizError(
        "/secret/a.npz does not exist",
        where="/secret/place/b.npz",
        allowed="a file in /secret/c",
        remedy="relative paths start at /secret/work",
    )
    errors.show(error)
    assert ("secret" in shown[0]) is allowed
    assert all(name in shown[0] for name in ("a.npz", "b.npz", "file in", "work"))


@pytest.mark.parametrize("allowed", [True, False])
def test_an_encoding_in_python_says_where_files_lie_on_this_machine_only(
    allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "paths_allowed", lambda: allowed)
    told = Recipe("/models/one.pt", "/data/my pictures", {"seed": 1}).expression("/runs/out")
    wanted = "cl_viz.encode('/models/one.pt', '/data/my pictures', seed=1, out='/runs/out')"
    assert told == (wanted if allowed else "cl_viz.encode('one.pt', 'my pictures', seed=1, out='out')")


def test_what_visitors_type_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "paths_allowed", lambda: True)
    assert opening.typed_path("/data/a.npz") == "/data/a.npz"
    monkeypatch.setattr(opening, "paths_allowed", lambda: False)
    with pytest.raises(InputError, match="this machine alone"):
        opening.typed_path("/data/a.npz")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        (
            "Negatives take 79.3 % [77.6, 81.0] of the push (they are 9.91 % of the negatives, N = 1,000).",
            "Negatives take 79.3 % [77.6, 81.0] of the push (N = 1,000)",
        ),
        (
            "Negatives all score alike: mean 1.000 (random directions: 0; N = 1,000). The embeddings have collapsed.",
            "Negatives all score alike: mean 1.000 (N = 1,000)",
        ),
        ("As Zhu et al. 2021 say, 0.5 is chance.", "As Zhu et al. 2021 say, 0.5 is chance"),
        ("Unknown: there is no role 'label'.", "Unknown: there is no role 'label'"),
    ],
)
def test_a_finding_in_brief_keeps_its_number_its_interval_and_its_n(message: str, wanted: str) -> None:
    assert brief(message) == wanted
