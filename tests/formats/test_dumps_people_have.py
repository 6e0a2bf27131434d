"""Dumps as vector databases, data set hubs and training scripts write them: what is found, and what is not guessed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

import cl_viz
from cl_viz.core.errors import ClVizError, InputError
from cl_viz.formats import inspect
from cl_viz.formats._roles import ALONE, ROLE_NAMES
from cl_viz.formats._view_columns import owned_by_name, words

N = 6
GENERATOR = np.random.default_rng(0)
TEXTS = [f"text {place}" for place in range(N)]
OTHERS = [f"other {place}" for place in range(N)]
IDS = [f"u{place:03d}" for place in range(N)]


def vectors(dim: int = 4) -> Any:
    return GENERATOR.normal(size=(N, dim)).astype(np.float32)


def lists(dim: int = 4) -> list[list[float]]:
    return [[float(entry) for entry in row] for row in vectors(dim)]


def parquet(folder: Path, **columns: Sequence[Any]) -> Path:
    path = folder / "dump.parquet"
    pd.DataFrame({name: list(values) for name, values in columns.items()}).to_parquet(path)
    return path


def jsonl(folder: Path, records: Sequence[dict[str, Any]]) -> Path:
    path = folder / "dump.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def document(folder: Path, content: Any) -> Path:
    path = folder / "dump.json"
    path.write_text(json.dumps(content, indent=1))
    return path


TEXT_OF_PAIRS: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "named by view and text": (("query_embedding", "document_embedding"), ("query_text", "document_text")),
    "named by view alone": (("query_embedding", "document_embedding"), ("query", "document")),
    "numbered": (("embedding1", "embedding2"), ("sentence1", "sentence2")),
    "lettered": (("emb_a", "emb_b"), ("text_a", "text_b")),
    "in one word": (("queryEmbedding", "docEmbedding"), ("queryText", "docText")),
}


@pytest.mark.parametrize(("views", "columns"), TEXT_OF_PAIRS.values(), ids=TEXT_OF_PAIRS)
def test_each_view_keeps_its_own_text(views: tuple[str, str], columns: tuple[str, str], tmp_path: Path) -> None:
    content = dict(zip((*views, *columns), (vectors(), vectors(), TEXTS, OTHERS), strict=True))
    path = parquet(tmp_path, **content, label=np.arange(N) % 2)
    found = cl_viz.load(path)
    assert found.aligned
    assert set(found.roles) == {"label", "text"}
    assert [list(np.asarray(found.role("text", view))) for view in views] == [TEXTS, OTHERS]
    assert any(f"column {columns[1]!r} is read as" in note for note in inspect(path).notes)
    for suffix in (".parquet", ".arrow", ".csv", ".jsonl", ".npz"):
        again = cl_viz.load(cl_viz.save(found, tmp_path / f"copy{suffix}"))
        assert [list(np.asarray(again.role("text", view))) for view in again.view_names] == [TEXTS, OTHERS], suffix
        np.testing.assert_array_equal(again.role("label"), found.role("label"))


def test_views_of_other_sizes_keep_their_own_texts(tmp_path: Path) -> None:
    path = tmp_path / "dump.npz"
    np.savez(
        path, query_embedding=vectors(), doc_embedding=vectors()[:4], query_text=np.array(TEXTS),
        doc_text=np.array(OTHERS[:4]), pairs=np.array([[0, 1], [2, 3]]),
    )  # fmt: skip
    found = cl_viz.load(path)
    assert [len(np.asarray(found.role("text", view))) for view in found.view_names] == [N, 4]


def test_a_picture_and_its_caption_are_of_the_sample_not_of_a_view(tmp_path: Path) -> None:
    content = {"image_embeds": vectors(), "text_embeds": vectors(), "image_path": IDS, "text_path": OTHERS}
    found = cl_viz.load(parquet(tmp_path, **content, text=TEXTS))
    assert found.roles == {"text": "text", "image": "image_path"}
    assert found.columns("image_embeds") is found.columns("text_embeds")


def test_ids_and_numbers_of_views_are_left_where_they_are(tmp_path: Path) -> None:
    content = {"query_emb": vectors(), "doc_emb": vectors(), "query_id": IDS, "doc_id": OTHERS}
    found = cl_viz.load(parquet(tmp_path, **content, query_length=range(N), doc_length=range(N)))
    assert found.aligned
    assert not found.roles, "the id of a query or of a document: both name the pair"
    assert set(found.columns()) == {"query_id", "doc_id", "query_length", "doc_length"}


def test_negatives_of_triplets_are_no_view(tmp_path: Path) -> None:
    content = {f"{name}_embedding": vectors() for name in ("anchor", "positive", "negative")}
    path = parquet(tmp_path, **content)
    assert cl_viz.load(path).view_names == ("anchor_embedding", "positive_embedding")
    assert any("negatives are other samples" in note for note in inspect(path).notes)
    assert cl_viz.load(path, views=list(content)).view_names == tuple(content)


RECORDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "qdrant": lambda row: {"id": row, "vector": lists()[row], "payload": {"text": TEXTS[row], "label": "a"}},
    "chroma": lambda row: {"id": IDS[row], "embedding": lists()[row], "document": TEXTS[row], "metadata": {"class": 1}},
    "pinecone": lambda row: {"id": IDS[row], "values": lists()[row], "metadata": {"text": TEXTS[row], "label": 1}},
    "weaviate": lambda row: {
        "uuid": IDS[row], "vector": {"default": lists()[row]}, "properties": {"content": TEXTS[row], "category": "b"},
    },
    "pgvector": lambda row: {"pk": row, "embedding": json.dumps(lists()[row]), "content": TEXTS[row], "label": 1},
}  # fmt: skip


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_exports_of_vector_databases(record: Callable[[int], dict[str, Any]], tmp_path: Path) -> None:
    records = [record(row) for row in range(N)]
    for path in (jsonl(tmp_path, records), document(tmp_path, records)):
        found = cl_viz.load(path)
        assert (found.n, found.dim, len(found.view_names)) == (N, 4, 1)
        assert set(found.roles) == {"id", "text", "label"}
        assert list(np.asarray(found.role("text"))) == TEXTS
    table = tmp_path / "dump.parquet"
    pd.DataFrame(records).to_parquet(table)
    assert list(np.asarray(cl_viz.load(table).role("text"))) == TEXTS


@pytest.mark.parametrize("entry", ["{0}", "np.float64({0})", "np.float32({0})"])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_lists_that_were_written_as_text(entry: str, suffix: str, tmp_path: Path) -> None:
    wanted = lists()
    told = ["[" + ", ".join(entry.format(number) for number in row) + "]" for row in wanted]
    frame = pd.DataFrame({"embedding": told, "text": TEXTS})
    path = tmp_path / f"dump.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    np.testing.assert_allclose(cl_viz.load(path).views["embedding"], wanted)


TAGS = ["[1, 5]", "[2]"] * 3
BOXES = ["[0, 4]"] * N
WORDS = {"ragged": TAGS, "of one length": BOXES, "one number": ["[12]"] * N, "of fractions": ["[0.5, 1.5]"] * N}


@pytest.mark.parametrize("texts", WORDS.values(), ids=WORDS)
@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".jsonl", ".csv"])
def test_texts_that_look_like_lists_stay_text_beside_vectors(texts: list[str], suffix: str, tmp_path: Path) -> None:
    path = parquet(tmp_path, embedding=vectors(), words=texts)
    found = cl_viz.load(path)
    assert (found.view_names, list(found.columns()["words"])) == (("embedding",), texts)
    assert any("'words' begins with a list in text and stays text" in note for note in inspect(path).notes)
    if suffix == ".csv" and "0.5" in texts[0]:
        return  # Which of the two is the embedding of such a table is not said anywhere in it.
    again = cl_viz.load(cl_viz.save(found, tmp_path / f"copy{suffix}"))
    assert (again.view_names, list(again.columns()["words"])) == (("embedding",), texts)


@pytest.mark.parametrize("tags", [TAGS, ["[12]"] * N, BOXES])
def test_texts_of_whole_numbers_are_columns_beside_text_of_fractions(tags: list[str], tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    pd.DataFrame({"words": tags, "embedding": [str(row) for row in lists()]}).to_csv(path, index=False)
    found = cl_viz.load(path)
    assert (found.view_names, list(found.columns()["words"])) == (("embedding",), tags)


@pytest.mark.parametrize("told", [["[3, -7, 12]"] * N, ["{1,2}"] * N])
def test_whole_numbers_in_text_are_vectors_where_there_are_no_others(told: list[str], tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    pd.DataFrame({"embedding": told, "text": TEXTS, "year": 2000}).to_csv(path, index=False)
    wanted = [[float(number) for number in text.strip("[]{}").split(",")] for text in told]
    np.testing.assert_array_equal(cl_viz.load(path).views["embedding"], wanted)
    path.write_text("\n".join(f'"{text}",{place}' for place, text in enumerate(told)))
    np.testing.assert_array_equal(next(iter(cl_viz.load(path).views.values())), wanted)


def test_the_only_vectors_must_be_of_one_length(tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    pd.DataFrame({"embedding": ["[0.1, 0.5]", "[0.2]"] * 3, "x": 0.5, "y": 1.5}).to_csv(path, index=False)
    with pytest.raises(ClVizError, match="vectors of different dimension: 1 entries in row 2, 2 before"):
        cl_viz.load(path)


@pytest.mark.parametrize("rows", [N, 3])
def test_a_text_of_one_view_is_known_under_its_own_name_too(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "dump.npz"
    told = {"query": np.array(TEXTS), "document": np.array(OTHERS[:rows])}
    np.savez(path, query_embedding=vectors(), document_embedding=vectors()[:rows], **told)
    given = {} if rows == N else {"pairs": np.zeros((1, 2), dtype=np.int64)}
    assert cl_viz.load(path, **given).roles["text"] == "text"
    found = cl_viz.load(path, text="query", **given)
    assert list(np.asarray(found.role("text", "query_embedding"))) == TEXTS


def test_named_vectors_are_views(tmp_path: Path) -> None:
    records = [{"id": row, "vector": {"image": lists()[row], "text": lists()[row]}} for row in range(N)]
    assert cl_viz.load(jsonl(tmp_path, records)).view_names == ("vector/image", "vector/text")
    table = tmp_path / "dump.parquet"
    pd.DataFrame(records).to_parquet(table)
    assert cl_viz.load(table).view_names == ("vector/image", "vector/text")


def test_whole_json_documents(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": TEXTS, "embedding": lists()})
    documents = [json.loads(str(frame.to_json(orient=orient))) for orient in ("columns", "index", "split", "records")]
    data = [{"object": "embedding", "index": row, "embedding": lists()[row]} for row in range(N)]
    documents += [
        {"ids": IDS, "embeddings": lists(), "documents": TEXTS, "metadatas": [{"page": 1}] * N, "uris": None},
        {"object": "list", "data": data, "model": "m", "usage": {"total": 3}},
        lists(),
    ]
    shapes = [cl_viz.load(document(tmp_path, content)) for content in documents]
    assert [(found.n, found.dim) for found in shapes] == [(N, 4)] * len(documents)
    assert [list(np.asarray(found.role("text"))) for found in shapes[:5]] == [TEXTS] * 5
    lines = tmp_path / "lines.json"
    frame.to_json(lines, orient="records", lines=True)
    assert cl_viz.load(lines).n == N


def chroma(included: list[str], rows: int = N) -> dict[str, Any]:
    return {
        "ids": IDS[:rows], "embeddings": lists()[:rows], "documents": TEXTS[:rows], "uris": None, "data": None,
        "metadatas": [{"page": 1}] * rows, "included": included,
    }  # fmt: skip


POINTS = [{"id": row, "vector": lists()[row], "payload": {"text": TEXTS[row]}} for row in range(3)]
ANSWERS: dict[str, dict[str, Any]] = {
    "chroma": chroma(["embeddings", "documents"], 3),
    "chroma, as many rows as names": chroma(["metadatas", "documents", "embeddings"], 3),
    "qdrant": {"result": {"points": POINTS, "next_page_offset": None}, "status": "ok", "time": 0.1},
    "weaviate": {"data": {"Get": {"Article": POINTS}}},
    "qdrant, cut out": {"result": {"points": POINTS, "next_page_offset": None}},
    "elastic": {"took": 3, "_shards": {"total": 1}, "hits": {"total": {"value": 3}, "hits": POINTS}},
    "lists in an object": {"result": {"vector": lists()[:3], "text": TEXTS[:3]}, "errors": []},
    "records beside a list": {"data": POINTS, "warnings": ["slow"]},
    "centres beside": {"vector": lists()[:3], "text": TEXTS[:3], "centres": lists()[:2]},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_answers_of_vector_databases(answer: dict[str, Any], tmp_path: Path) -> None:
    found = cl_viz.load(document(tmp_path, answer))
    assert (found.n, found.dim, list(np.asarray(found.role("text")))) == (3, 4, TEXTS[:3])
    assert not {"included", "warnings", "centres"} & set(found.columns())


def test_vectors_of_several_lengths_are_not_chosen_from(tmp_path: Path) -> None:
    with pytest.raises(ClVizError, match="'queries' holds 2 vectors, 'documents' 6") as caught:
        cl_viz.load(document(tmp_path, {"queries": lists()[:2], "documents": lists()}))
    assert ".npz" in caught.value.remedy


def test_records_are_not_looked_for_any_deeper(tmp_path: Path) -> None:
    with pytest.raises(ClVizError, match="no records"):
        cl_viz.load(document(tmp_path, {"n": 1, "a": {"b": {"c": {"points": POINTS}}}}))


@pytest.mark.parametrize("content", [{}, [], [1, 2], {"a": 1}, {"a": [1], "b": [1, 2]}, {"a": {"x": 1}, "b": {}}, "x"])
def test_documents_without_records_are_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(ClVizError) as caught:
        cl_viz.load(document(tmp_path, content))
    assert caught.value.remedy


def test_json_that_is_cut_off_says_so(tmp_path: Path) -> None:
    path = document(tmp_path, [{"embedding": lists()[0]}])
    path.write_text(path.read_text()[:-10])
    with pytest.raises(ClVizError, match="not JSON"):
        cl_viz.load(path)


def test_keys_that_are_new_in_every_record_do_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CL_VIZ_MAX_UNPACKED_BYTES", "100000")
    path = jsonl(tmp_path, [{f"key {row}": 1} for row in range(500)])
    with pytest.raises(cl_viz.ClVizError, match="keys in"):
        cl_viz.load(path)


def test_a_data_set_of_pictures_keeps_their_paths_and_leaves_out_their_bytes(tmp_path: Path) -> None:
    images = [{"bytes": b"x" * 9, "path": name} for name in IDS]
    path = parquet(tmp_path, image=images, embedding=vectors(), label=np.arange(N) % 2)
    assert cl_viz.load(path).roles == {"label": "label", "image": "image/path"}
    assert any("image/bytes" in note for note in inspect(path).notes)


def test_arrays_of_postgres_are_vectors_and_empty_lists_are_not(tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    texts = ["{" + ",".join(map(str, row)) + "}" for row in lists()]
    pd.DataFrame({"content": TEXTS, "tags": "[]", "embedding": texts}).to_csv(path, index=False)
    found = cl_viz.load(path)
    assert (found.view_names, found.dim, found.roles) == (("embedding",), 4, {"text": "content"})
    assert list(found.columns()["tags"]) == ["[]"] * N


def test_categories_of_anndata_are_a_label_and_several_embeddings_are_asked_about(tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file["obsm/X_scvi"] = vectors()
        file["obs/_index"] = np.array(IDS, dtype="S")
        file["obs/cell_type/codes"] = np.array([0, 1, -1, 1, 0, 0], dtype=np.int8)
        file["obs/cell_type/categories"] = np.array([b"B", b"T"])
    found = cl_viz.load(path)
    assert found.roles == {"label": "obs/cell_type", "id": "obs/_index"}
    codes = found.codes("label")
    assert codes is not None
    assert (codes[0][0].tolist(), codes[1]) == ([0, 1, -1, 1, 0, 0], ("B", "T"))
    with h5py.File(path, "a") as file:
        file["X"] = vectors(9)
        file["obsm/X_umap"] = vectors(2)
    with pytest.raises(InputError, match=r"several groups.*obsm/X_umap"):
        cl_viz.load(path)
    assert cl_viz.load(path, views=["obsm/X_scvi"]).dim == 4
    with h5py.File(path, "a") as file:
        file["obs/cell_type/codes"][0] = 7
    with pytest.raises(InputError, match="obs/cell_type/categories"):
        cl_viz.load(path, views=["obsm/X_scvi"])


def test_records_saved_with_torch(tmp_path: Path) -> None:
    path = tmp_path / "dump.pt"
    records = [{"text": TEXTS[row], "label": torch.tensor(row % 2), "embedding": torch.rand(4)} for row in range(N)]
    torch.save(records, path)
    found = cl_viz.load(path)
    assert (found.n, found.roles) == (N, {"label": "label", "text": "text"})
    torch.save(
        {"a": {"emb": torch.rand(N, 4), "labels": [1] * N}, "b": {"emb": torch.rand(N, 4), "labels": [2] * N}}, path
    )
    assert "label" not in cl_viz.load(path).roles, "of which of the two cannot be told"


def test_many_records_saved_with_torch_are_more_than_any_one_tensor(tmp_path: Path) -> None:
    path = tmp_path / "dump.pt"
    embeddings = torch.rand(200, 400)
    torch.save([{"embedding": row.clone()} for row in embeddings], path)
    np.testing.assert_array_equal(cl_viz.load(path).views["embedding"], embeddings.numpy())


def test_one_of_several_possible_texts_is_not_guessed(tmp_path: Path) -> None:
    assert cl_viz.load(parquet(tmp_path, question=TEXTS, embedding=vectors())).roles == {"text": "question"}
    assert cl_viz.load(parquet(tmp_path, question=TEXTS, answer=OTHERS, embedding=vectors())).roles == {}
    assert cl_viz.load(parquet(tmp_path, question=TEXTS, content=OTHERS, embedding=vectors())).roles == {
        "text": "content"
    }


def test_every_known_name_is_plain_and_stands_for_one_role() -> None:
    names = [name for found in ROLE_NAMES.values() for name in found] + [n for found in ALONE.values() for n in found]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and name.isalpha() for name in names)


def test_families_of_columns_must_be_whole() -> None:
    texts = {name: np.array(TEXTS) for name in ("query_text", "document_text")}
    views = {"q": "query_embedding", "d": "document_embedding"}
    sizes = dict.fromkeys(views, N)
    assert owned_by_name(texts, views, sizes) == {"query_text": ("q", "text"), "document_text": ("d", "text")}
    assert not owned_by_name({"query_text": texts["query_text"]}, views, sizes)
    assert not owned_by_name({**texts, "text": texts["query_text"]}, views, sizes), "text is already there"
    assert not owned_by_name(texts, {"a": "embedding"}, {"a": N})
    assert words("queryEmbedding_2") == ("query", "embedding", "2")
