"""The bundle: complete, small, described by cards that agree with the recipes, and reproducible."""

import json
import textwrap

import numpy as np
import pytest

from cl_viz.encoders import open_run, sample_folder, sample_run_names
from cl_viz.encoders._digit_data import load_digits
from cl_viz.encoders.tiny import TinyEncoder, build, recognise
from cl_viz.simulate.train import train
from sample_models import text_dump
from sample_models.recipes import BY_NAME, RECIPES
from sample_models.train import DATA, main, make_run, refresh_card

HOME = sample_folder()
RUNS = HOME / "runs"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path / "cache"))


def _card(name):
    return json.loads((RUNS / name / "card.json").read_text())


def test_every_recipe_is_bundled_and_nothing_else():
    assert set(sample_run_names()) == {*BY_NAME, text_dump.RUN}
    assert [name for name in sample_run_names() if _card(name)["open_by_default"]] == [
        recipe.name for recipe in RECIPES if recipe.open_by_default
    ]


def test_the_bundle_is_small():
    sizes = [file.stat().st_size for file in HOME.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    assert sum(sizes) < 25e6
    assert (HOME / text_dump.DUMP).stat().st_size < 6e6


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_card_agrees_with_the_recipe(recipe, tmp_path):
    (tmp_path / "data").symlink_to(HOME / "data")
    folder = tmp_path / "runs" / recipe.name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text((RUNS / recipe.name / "card.json").read_text())
    refresh_card(recipe, tmp_path)
    assert json.loads((folder / "card.json").read_text()) == _card(recipe.name)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_snapshot_is_there_from_start_to_end(recipe):
    card = _card(recipe.name)
    steps = [entry["step"] for entry in card["checkpoints"]]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, card["steps"])
    assert len(steps) == len(recipe.config.snapshot_shares)
    for entry in card["checkpoints"]:
        path = RUNS / recipe.name / entry["file"]
        assert recognise(path)
        assert build(path).network.architecture == recipe.config.architecture
    assert card["balanced_twin"] in (None, *BY_NAME)


@pytest.mark.parametrize("name", ["mnist-healthy", "mnist-two-towers", "mnist-colour-shortcut"])
def test_training_again_gives_the_committed_checkpoints(name):
    recipe = BY_NAME[name]
    data = load_digits(HOME / DATA)
    rows = data.training_rows
    images = np.random.default_rng(0).random((50, recipe.config.architecture.channels, 28, 28), dtype=np.float32)
    checkpoints = _card(name)["checkpoints"][:3]
    snapshots = train(recipe.config, data.images[rows], data.digits[rows])
    # Checkpoints are stored in half precision, which differs by 5e-4. Processors and thread counts differ in the order
    # of their sums besides, and every step multiplies that; another seed is further away than the embeddings are long.
    for entry, snapshot, tolerance in zip(checkpoints, snapshots, (0.01, 0.01, 0.2), strict=False):
        assert snapshot.step == entry["step"]
        again = TinyEncoder(snapshot.network).encode(images, "view_1")["projector"]
        committed = build(RUNS / name / entry["file"]).encode(images, "view_1")["projector"]
        assert np.linalg.norm(again - committed) <= tolerance * np.linalg.norm(committed)


def test_the_fast_variant_makes_every_run(tmp_path, capsys):
    assert main(["--all", "--fast", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert "mnist-two-towers" in capsys.readouterr().out
    for recipe in RECIPES:
        run = open_run(tmp_path / "runs" / recipe.name)
        assert len(run.steps) == 2
    for name in ("mnist-healthy", "mnist-colour-shortcut", "mnist-two-towers", "mnist-supervised-parity"):
        shown = open_run(tmp_path / "runs" / name).get()
        assert shown.n == 1000
        assert all(quality.usable.all() for quality in shown.quality.values())
    rare = open_run(tmp_path / "runs" / "mnist-rare-4-seed-0").card
    assert rare["training_samples_by_digit"][4] <= 4
    assert not list((tmp_path / "runs").glob(".*"))


def test_the_fast_variant_never_replaces_the_bundle():
    with pytest.raises(SystemExit, match="--out"):
        main(["--all", "--fast"])


def test_a_run_is_the_same_whenever_it_is_made(tmp_path):
    contents = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "data").symlink_to(HOME / "data")
        folder = make_run(BY_NAME["mnist-rare-4-seed-1"], tmp_path / place, fast=True)
        contents.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3


def test_the_docstrings_are_two_views_of_one_text():
    shown = open_run(RUNS / text_dump.RUN).get()
    assert shown.view_names == ("summary", "body")
    assert 2000 <= shown.n <= 4000
    assert (shown.dim, shown.dtype) == (384, np.float16)
    assert shown.aligned
    assert dict(shown.roles) == {"label": "module", "text": "text"}
    assert len(set(shown.role("label"))) > 30
    first, second = (np.asarray(view, dtype=np.float64) for view in shown.views.values())
    found = (first @ second.T).argmax(axis=1) == np.arange(shown.n)
    assert found.mean() > 0.2


def test_docstrings_are_collected_without_importing(tmp_path):
    (tmp_path / "danger.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "test_left_out.py").write_text(_functions("left", 20))
    (tmp_path / "small.py").write_text(_functions("small", 3))
    (tmp_path / "good.py").write_text(_functions("good", 20))
    found = text_dump.collect(tmp_path)
    assert {entry.module for entry in found} == {"good"}
    assert len(found) == 20
    assert found[3] == ("good", "good.f3", "Summary number 3 of good.", "Body of good, long enough to be kept, line 3.")


def _functions(name, count):
    return "".join(
        textwrap.dedent(f'''
            def f{number}():
                """Summary number {number}
                of {name}.

                Body of {name}, long enough to be kept, line {number}.
                """
        ''')
        for number in range(count)
    )
