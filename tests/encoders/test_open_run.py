"""Opening runs: computed when looked at, cached, and clear about what is wrong."""

import json
import shutil

import numpy as np
import pytest

import cl_viz
from cl_viz.core.errors import ClVizError, FormatError, InputError
from cl_viz.core.run import Snapshot
from cl_viz.encoders import _open, open_run, sample_folder, sample_run_names, sample_runs
from cl_viz.encoders._embedding_cache import cache_folder, cache_key, read_cached, write_cached


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    """A copy of one run, beside a copy of the images."""
    home = tmp_path / "sample_models"
    source = sample_folder()
    (home / "data").mkdir(parents=True)
    shutil.copy(source / "data" / "mnist_5k.npz", home / "data")
    shutil.copytree(source / "runs" / "mnist-healthy", home / "runs" / "mnist-healthy")
    return home / "runs" / "mnist-healthy"


def _rewrite(folder, **changes):
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))


def test_a_run_has_steps_layers_views_and_roles(folder):
    run = open_run(folder)
    assert run.name == "mnist-healthy"
    assert run.layers == ("projector", "backbone")
    assert run.steps[0] == 0
    assert len(run.steps) >= 5
    shown = run.get()
    assert shown.view_names == ("view_1", "view_2")
    assert (shown.n, shown.dim, shown.dtype) == (1000, 32, np.float32)
    assert shown.aligned
    assert dict(shown.roles) == {"label": "digit", "image": "image"}
    assert np.bincount(shown.role("label")).tolist() == [100] * 10
    assert str(shown.role("image")[0]).startswith("data:image/png;base64,")
    assert run.get(layer="backbone").dim == 64
    assert run.card["temperature"] == 0.2


def test_the_cache_changes_nothing_but_the_time(folder, monkeypatch):
    computed = open_run(folder).get()
    entries = list(cache_folder().glob("*.safetensors"))
    assert len(entries) == 1

    def fail(path):
        raise AssertionError(f"{path} was run again")

    with monkeypatch.context() as context:
        context.setattr(_open, "build", fail)
        cached = open_run(folder).get()
    assert cached.fingerprint == computed.fingerprint
    for content in (b"", b"rubbish", entries[0].read_bytes()[:-4], _flip_last(entries[0].read_bytes())):
        entries[0].write_bytes(content)
        assert open_run(folder).get().fingerprint == computed.fingerprint


def test_another_recipe_is_another_entry(folder):
    first = open_run(folder).get()
    _rewrite(folder, evaluation_seed=7)
    assert open_run(folder).get().fingerprint != first.fingerprint
    assert len(list(cache_folder().glob("*.safetensors"))) == 2


def test_a_cache_that_cannot_be_written_is_no_error(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CL_VIZ_CACHE", str(tmp_path / "file"))
    assert open_run(folder).get().n == 1000


def test_cache_entries_are_found_by_content(tmp_path):
    file = tmp_path / "a"
    file.write_bytes(b"one")
    key = cache_key((file,), {"seed": 1})
    arrays = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    write_cached(key, arrays)
    np.testing.assert_array_equal(read_cached(key)["x"], arrays["x"])
    file.write_bytes(b"two")
    assert cache_key((file,), {"seed": 1}) != key
    assert read_cached(cache_key((file,), {"seed": 1})) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": "sound"}, "sound"),
        ({"label": "shape"}, "shape"),
        ({"checkpoints": []}, "no checkpoints"),
        ({"checkpoints": [{"step": 0}]}, "lacks 'file'"),
        ({"checkpoints": [{"step": 0, "file": "../other/step_000000.safetensors"}]}, "leaves the folder"),
        ({"checkpoints": [{"step": 0, "file": "/etc/passwd"}]}, "leaves the folder"),
        ({"checkpoints": [{"step": 0, "file": "none.safetensors"}]}, "none.safetensors"),
        ({"data": "../../../etc/passwd"}, "leaves the folder"),
        ({"data": "data/none.npz"}, "none.npz"),
        ({"dump": "../../secrets.npz"}, "leaves the folder"),
        ({"augmentation": {"rotation": 999.0}}, "rotation"),
        ({"augmentation": {"blur": 1.0}}, "blur"),
        ({"augmentation": None}, "card"),
        ({"evaluation_seed": "x"}, "card"),
        ({"name": ""}, "name"),
    ],
)
def test_a_card_that_cannot_be_used_says_why(folder, changes, message):
    _rewrite(folder, **changes)
    with pytest.raises(FormatError, match=message):
        open_run(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a":' * 5000])
def test_a_damaged_card_is_an_error(folder, content):
    (folder / "card.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"card\.json"):
        open_run(folder)


def test_a_damaged_checkpoint_leaves_the_other_steps_alive(folder):
    broken = folder / "step_000000.safetensors"
    broken.write_bytes(broken.read_bytes()[:1000])
    run = open_run(folder)
    with pytest.raises(FormatError, match="step_000000"):
        run.get(step=0)
    assert run.get().n == 1000


def test_a_checkpoint_for_other_images_is_an_error(folder):
    _rewrite(folder, inputs="tinted")
    with pytest.raises(FormatError, match="tinted"):
        open_run(folder).get()


def test_anything_else_is_a_dump(tmp_path):
    path = tmp_path / "plain.npy"
    np.save(path, np.random.default_rng(0).normal(size=(10, 4)))
    run = open_run(path)
    assert run.snapshots == (Snapshot(),)
    assert run.get().n == 10
    with pytest.raises(ClVizError, match="nowhere"):
        open_run(tmp_path / "nowhere")


def test_a_single_checkpoint_is_a_run_with_its_step(folder):
    whole, single = open_run(folder), open_run(folder / "step_000300.safetensors")
    assert single.steps == (300,)
    assert single.card == whole.card
    assert single.get().fingerprint == whole.get(step=300).fingerprint


def test_a_checkpoint_without_card_is_run_on_the_bundled_digits(folder, tmp_path):
    whole = open_run(folder)
    for name in ("mnist-healthy", "mnist-colour-shortcut", "mnist-two-towers"):
        alone = tmp_path / f"{name}.safetensors"
        shutil.copy(sample_folder() / "runs" / name / "step_000300.safetensors", alone)
        run = open_run(alone)
        assert run.name == name
        assert run.get().n == 1000
        assert run.card["encoder"] == "tiny"
        assert run.steps == (None,)
    assert np.array_equal(
        open_run(tmp_path / "mnist-healthy.safetensors").get().views["view_1"], whole.get().views["view_1"]
    )


def test_three_runs_open_by_default():
    assert [run.name for run in cl_viz.sample_runs()] == list(sample_run_names()[:3])
    assert len(sample_runs()) == 3


def test_one_broken_sample_leaves_the_others_alive(folder, monkeypatch):
    shutil.copytree(folder, folder.parent / "broken")
    (folder.parent / "broken" / "card.json").write_text("{")
    monkeypatch.setattr(_open, "sample_folder", lambda: folder.parents[1])
    assert sample_run_names() == ("mnist-healthy", "broken")
    errors = []
    assert [run.name for run in sample_runs(on_error=errors.append)] == ["mnist-healthy"]
    assert "broken" in str(errors[0])
    with pytest.raises(FormatError, match="broken"):
        sample_runs()
    with pytest.raises(InputError, match="nobody"):
        sample_runs(["nobody"])


def test_the_sample_folder_of_a_wheel_is_found_without_the_checkout(tmp_path, monkeypatch):
    package = tmp_path / "site" / "cl_viz"
    (package / "_app" / "sample_models" / "runs").mkdir(parents=True)
    monkeypatch.setattr(cl_viz, "__file__", str(package / "__init__.py"))
    assert sample_folder() == package / "_app" / "sample_models"
    shutil.rmtree(package / "_app")
    with pytest.raises(FormatError, match="sample models are missing"):
        sample_folder()


def _flip_last(content):
    changed = bytearray(content)
    changed[-1] ^= 0xFF
    return bytes(changed)
