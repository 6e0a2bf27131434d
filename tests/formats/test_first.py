from __future__ import annotations

from pathlib import Path

import numpy as np

import cl_viz


def test_load_npy_is_mapped(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    loaded = cl_viz.load(tmp_path / "a.npy")
    assert loaded.view_names == ("view_1",)
    assert isinstance(loaded.views["view_1"], np.memmap)
    np.testing.assert_array_equal(loaded.views["view_1"], array)
