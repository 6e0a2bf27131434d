"""What is in memory is read as a file of the same content is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

import cl_viz
from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.core.errors import InputError
from cl_viz.core.run import Run

ROWS = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
LABELS = np.arange(8) % 2


@pytest.mark.parametrize(
    "given",
    [
        ROWS, ROWS.tolist(), torch.tensor(ROWS), torch.tensor(ROWS, requires_grad=True), list(torch.tensor(ROWS)),
        list(ROWS), pd.Series(list(ROWS)), pd.DataFrame(ROWS).to_numpy(),
    ],
    ids=["array", "lists", "tensor", "gradients", "list of tensors", "list of arrays", "series", "frame's array"],
)  # fmt: skip
def test_one_array_is_one_view(given: Any) -> None:
    loaded = cl_viz.load(given, label=torch.tensor(LABELS))
    assert loaded.view_names == ("view_1",)
    np.testing.assert_allclose(loaded.views["view_1"], ROWS, rtol=1e-6)
    assert loaded.role("label") is not None
    assert (loaded.name, loaded.source) == ("embeddings", "memory")


def test_numbers_of_half_the_size_keep_their_values() -> None:
    half = torch.tensor(ROWS).bfloat16()
    loaded = cl_viz.load(half)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded.views["view_1"], half.float().numpy())
    np.testing.assert_array_equal(EmbeddingSet.from_arrays(half).views["view_1"], half.float().numpy())


@pytest.mark.parametrize("kind", [tuple, list])
def test_several_arrays_are_as_many_views(kind: type) -> None:
    both = kind([torch.tensor(ROWS, requires_grad=True), ROWS[::-1]])
    for made in (cl_viz.load(both, name="two"), EmbeddingSet.from_arrays(both, name="two")):
        assert made.view_names == ("view_1", "view_2")
        np.testing.assert_array_equal(made.views["view_2"], ROWS[::-1])
        assert made.name == "two"


def test_a_mapping_is_read_as_an_npz_file_is(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", image=ROWS, text=ROWS[::-1], label=LABELS)
    file = cl_viz.load(tmp_path / "d.npz")
    memory = cl_viz.load({"image": torch.tensor(ROWS), "text": ROWS[::-1], "label": LABELS.tolist()}, name="d")
    assert memory.fingerprint == file.fingerprint
    assert repr(memory) == repr(file)
    named = cl_viz.load({"a": ROWS, "kind": ["x", "y"] * 4}, label="kind")
    assert named.codes("label") is not None


@pytest.mark.parametrize("wrapped", [pd.DataFrame, pa.Table.from_pandas], ids=["pandas", "arrow"])
def test_a_table_is_read_as_a_parquet_file_is(tmp_path: Path, wrapped: Any) -> None:
    frame = pd.DataFrame({"embedding": list(ROWS), "label": ["a", "b"] * 4, "text": list("abcdefgh")})
    frame.to_parquet(tmp_path / "d.parquet")
    file, memory = cl_viz.load(tmp_path / "d.parquet"), cl_viz.load(wrapped(frame), name="d")
    assert memory.fingerprint == file.fingerprint
    assert memory.roles == {"label": "label", "text": "text"}


def test_a_table_of_numbered_columns_kinds_dates_and_gaps() -> None:
    frame = pd.DataFrame(ROWS).assign(
        label=pd.Categorical(["a", "b"] * 4), when=pd.Timestamp("2020-01-01"), note=["x", None] * 4,
        few=pd.array([1, None] * 4, dtype="Int64"),
    )  # fmt: skip
    loaded = cl_viz.load(frame)
    np.testing.assert_array_equal(loaded.views["embedding"], ROWS)
    assert loaded.roles["label"] == "label"
    assert loaded.columns()["note"].tolist() == ["x", ""] * 4
    assert np.isnan(loaded.columns()["few"][1])
    assert EmbeddingSet.from_arrays(ROWS, metadata=frame[["label"]]).columns()["label"].tolist() == ["a", "b"] * 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, "the array has 0 axes"),
        (None, "NoneType holds no numbers"),
        (["a", "b"], "list holds no numbers"),
        ([[1.0, 2.0], [3.0]], "cannot be read as an array"),
        (np.zeros((4, 3, 2)), r"the array has 3 axes.*a tuple of arrays"),
        (torch.eye(4).to_sparse(), "cannot be read as an array"),
        (pd.DataFrame({"v": [[1.0, 2.0], [3.0]]}), r"different dimension: 1 entries in row 2, 2 before"),
        (EmbeddingSet.from_arrays(ROWS), "the set 'embeddings' is open already"),
        (Run.from_set(EmbeddingSet.from_arrays(ROWS)), r"the run 'embeddings' is open already.*run.get"),
    ],
    ids=["number", "none", "texts", "ragged", "three axes", "sparse", "ragged column", "set", "run"],
)
def test_what_holds_no_embeddings_is_told_what_would(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        cl_viz.load(given)


def test_a_tensor_with_gradients_is_left_as_it_was() -> None:
    weights = torch.nn.Linear(4, 8).weight
    cl_viz.load(weights)
    assert weights.requires_grad
    weights.data[0, 0] = 5.0
    assert weights[0, 0] == 5.0
