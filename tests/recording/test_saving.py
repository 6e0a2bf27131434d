"""`save_run`: what is written is what is opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run, Snapshot


def _set(seed: int, rows: int = 30, dim: int = 5) -> EmbeddingSet:
    generator = np.random.default_rng(seed)
    views = {view: generator.normal(size=(rows, dim)).astype(np.float32) for view in ("first", "second")}
    texts = [f"text {row}, with a comma" for row in range(rows)]
    return EmbeddingSet.from_arrays(views, label=np.arange(rows) % 3, text=texts, name="mine")


def _same(found: EmbeddingSet, expected: EmbeddingSet) -> None:
    assert found.view_names == expected.view_names
    for view, rows in expected.views.items():
        np.testing.assert_array_equal(found.views[view], rows)
    assert dict(found.roles) == dict(expected.roles)
    for role in expected.roles:
        np.testing.assert_array_equal(found.role(role), expected.role(role))


def test_one_set_keeps_its_card_and_its_pairs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    views = {"image": generator.normal(size=(10, 4)), "text": generator.normal(size=(30, 4))}
    pairs = np.stack([np.arange(30) // 3, np.arange(30)], axis=1)
    embedding_set = EmbeddingSet.from_arrays(views, pairs=pairs, name="captions")
    card = {"loss": "clip", "temperature": 0.07, "views": 2, "dump": "elsewhere.npz"}
    folder = cl_viz.save_run(Run.from_set(embedding_set, card=card), tmp_path / "saved")
    opened = cl_viz.open_run(folder)
    assert opened.name == "captions"
    assert (opened.card["loss"], opened.card["temperature"]) == ("clip", 0.07)
    _same(opened.get(), embedding_set)
    np.testing.assert_array_equal(opened.get().links("image", "text"), embedding_set.links("image", "text"))
    # A folder that is moved takes its embeddings along.
    assert cl_viz.open_run(folder.rename(tmp_path / "moved")).get().sizes == (10, 30)


@pytest.mark.parametrize(
    ("steps", "layers"),
    [((0, 100), ("projector", "backbone")), ((0, 100), (None,)), ((None,), ("projector", "backbone"))],
)
def test_steps_and_layers_are_opened_again(
    tmp_path: Path, steps: tuple[int | None, ...], layers: tuple[str | None, ...]
) -> None:
    dims = {"projector": 4, "backbone": 9, None: 6}
    sets = {
        Snapshot(step, layer): _set(hash((step, layer)) % 99, dim=dims[layer]) for step in steps for layer in layers
    }
    labelled = next(iter(sets.values()))
    sets = {key: EmbeddingSet.from_arrays(found.views, metadata=labelled.columns(), roles=labelled.roles)
            for key, found in sets.items()}  # fmt: skip
    opened = cl_viz.open_run(cl_viz.save_run(Run("mine", sets, card={"temperature": 0.2}), tmp_path / "saved"))
    assert (opened.name, opened.card["temperature"]) == ("mine", 0.2)
    assert opened.steps == tuple(step or 0 for step in steps)
    assert opened.layers == tuple(layer or "embedding" for layer in layers)
    for key, expected in sets.items():
        _same(opened.get(key.step or 0, key.layer or "embedding"), expected)


def test_a_trained_run_is_kept(tmp_path: Path) -> None:
    run = cl_viz.sample_runs(["mnist-two-towers"])[0]
    last = {Snapshot(step, layer): run.get(step, layer) for step, layer in run.snapshots[-2:]}
    opened = cl_viz.open_run(cl_viz.save_run(Run(run.name, last, card=run.card), tmp_path / "kept"))
    assert opened.card["loss"] == run.card["loss"]
    _same(opened.get(), run.get())


def test_what_is_no_run_is_refused_and_nothing_is_written_over(tmp_path: Path) -> None:
    run = Run.from_set(_set(0))
    cl_viz.save_run(run, tmp_path / "saved")
    with pytest.raises(InputError, match="there is a run already"):
        cl_viz.save_run(run, tmp_path / "saved")
    other = Run("mine", {Snapshot(0): _set(0), Snapshot(1): _set(1, rows=31)})
    with pytest.raises(InputError, match=r"at step 0 there are \(30, 30\) rows.*\(31, 31\)"):
        cl_viz.save_run(other, tmp_path / "other")
    with pytest.raises(InputError, match="a fact of the card"):
        cl_viz.save_run(Run.from_set(_set(0), card={"loss": object()}), tmp_path / "facts")
    assert not (tmp_path / "facts").exists()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        cl_viz.save_run(run, tmp_path / "file" / "below")
    assert not (tmp_path / "other").exists()
