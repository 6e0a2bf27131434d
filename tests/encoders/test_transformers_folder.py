"""Folders saved by the transformers library give back its own embeddings; hostile ones run nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cl_viz.core.encoder import Recognised
from cl_viz.core.errors import FormatError, InputError, MissingDependencyError, UnsafeFileError
from cl_viz.encoders._transformers_models import MODEL_TYPES
from cl_viz.encoders.transformers_folder import build, recognise

transformers: Any = pytest.importorskip("transformers")
tiny: Any = pytest.importorskip("tests.encoders.tiny_transformers")
SIDE, TEXTS, configurations, save, tokenizer = tiny.SIDE, tiny.TEXTS, tiny.configurations, tiny.save, tiny.tokenizer

CLOSE: Any = {"rtol": 1e-5, "atol": 1e-5}
PICTURES = np.random.default_rng(0).normal(size=(3, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    home = tmp_path_factory.mktemp("folders")
    return {name: (home / name, save(name, home / name)) for name in configurations()}


@pytest.fixture
def bert(folders: dict[str, tuple[Path, Any]], tmp_path: Path) -> Path:
    """A folder that a test may damage."""
    return Path(shutil.copytree(folders["bert"][0], tmp_path / "bert"))


def _edit(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def _tokens(model: Any, longest: int, names: tuple[str, ...], full: bool = False) -> dict[str, Any]:
    found = tokenizer()(
        TEXTS, padding="max_length" if full else True, truncation=True, max_length=longest, return_tensors="pt"
    )
    return {name: found[name] for name in names}


def _own(name: str, model: Any, longest: int) -> dict[tuple[str, str], Any]:
    """What the library itself gives: (view, layer) -> array."""
    pictures = torch.from_numpy(PICTURES)
    with torch.inference_mode():
        if name == "clip":
            tokens = _tokens(model, longest, ("input_ids", "attention_mask"))
            return {
                ("image", "projected"): model.get_image_features(pixel_values=pictures).pooler_output,
                ("text", "projected"): model.get_text_features(**tokens).pooler_output,
                ("image", "pooled"): model.vision_model(pixel_values=pictures).pooler_output,
                ("text", "pooled"): model.text_model(**tokens).pooler_output,
            }
        if name == "siglip":
            tokens = _tokens(model, longest, ("input_ids",), full=True)
            return {
                ("image", "pooled"): model.get_image_features(pixel_values=pictures).pooler_output,
                ("text", "pooled"): model.get_text_features(**tokens).pooler_output,
                ("image", "mean_of_tokens"): model.vision_model(pixel_values=pictures).last_hidden_state.mean(1),
                ("text", "mean_of_tokens"): model.text_model(**tokens).last_hidden_state.mean(1),
            }
        if MODEL_TYPES[name].kind == "text":
            output = model(**_tokens(model, longest, ("input_ids", "attention_mask")))
            mask = _tokens(model, longest, ("attention_mask",))["attention_mask"].bool()
            means = [rows[kept].mean(0) for rows, kept in zip(output.last_hidden_state, mask, strict=True)]
            first = output.last_hidden_state[:, 0]
            wanted = {("text", "mean_of_tokens"): torch.stack(means), ("text", "cls_token"): first}
            pooled = output.get("pooler_output")
            return wanted if pooled is None else {("text", "pooler"): pooled, **wanted}
        output = model(pixel_values=pictures)
        if name == "resnet":
            return {("image", "global_average"): output.pooler_output[:, :, 0, 0]}
        special = {"deit": 2, "dinov2_with_registers": 4}.get(name, 1)
        wanted = {
            ("image", "cls_token"): output.last_hidden_state[:, 0],
            ("image", "mean_of_patches"): output.last_hidden_state[:, special:].mean(1),
        }
        return {("image", "pooler"): output.pooler_output, **wanted} if name in ("vit", "deit") else wanted


@pytest.mark.parametrize("name", list(MODEL_TYPES))
def test_embeddings_are_the_librarys_own(name: str, folders: dict[str, tuple[Path, Any]]) -> None:
    folder, model = folders[name]
    recognised = recognise(folder)
    encoder = build(folder)
    assert recognised is not None
    assert recognised.layers == encoder.layers
    assert recognised.modalities == MODEL_TYPES[name].modalities
    assert recognised.parameters == sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
    assert recognised.unmatched == ()
    longest = {"roberta": 18, "camembert": 18, "xlm-roberta": 18, "mpnet": 18}.get(name, 20)
    wanted = _own(name, model, longest)
    assert {layer for _, layer in wanted} == set(encoder.layers)
    for view in recognised.modalities:
        got = encoder.encode(PICTURES if view == "image" else TEXTS, view)
        for layer in encoder.layers:
            assert got[layer].dtype == np.float32
            np.testing.assert_allclose(got[layer], wanted[view, layer].numpy(), **CLOSE, err_msg=f"{view} {layer}")
    other = "text" if recognised.modalities == ("image",) else "image"
    if other not in recognised.modalities:
        with pytest.raises(InputError, match="modality"):
            encoder.encode([], other)


@pytest.mark.parametrize("how", ["half", "sharded", "torch"])
def test_weights_of_any_kind_give_the_same(
    how: str, folders: dict[str, tuple[Path, Any]], bert: Path, tmp_path: Path
) -> None:
    model = folders["bert"][1]
    weights = bert / "model.safetensors"
    wanted = build(folders["bert"][0]).encode(TEXTS, "text")
    if how == "torch":
        torch.save(load_file(weights), bert / "pytorch_model.bin")
        weights.unlink()
    elif how == "sharded":
        weights.unlink()
        model.save_pretrained(bert, max_shard_size="8KB")
        assert len(list(bert.glob("model-*.safetensors"))) > 1
    else:
        save_file({name: tensor.half() for name, tensor in load_file(weights).items()}, weights)
        halved = transformers.BertModel.from_pretrained(bert, dtype=torch.float32).eval()
        found = tokenizer()(TEXTS, padding=True, truncation=True, max_length=20, return_tensors="pt")
        with torch.inference_mode():
            wanted = {"pooler": halved(**found).pooler_output.numpy()}
    got = build(bert).encode(TEXTS, "text")
    for layer, rows in wanted.items():
        np.testing.assert_allclose(got[layer], rows, **CLOSE)


def test_a_head_is_left_out_and_listed(bert: Path) -> None:
    torch.manual_seed(1)
    model = transformers.BertForMaskedLM(configurations()["bert"]).eval()
    model.save_pretrained(bert)
    recognised = recognise(bert / "config.json")
    assert recognised is not None
    assert recognised.layers == ("mean_of_tokens", "cls_token")
    assert recognised.unmatched
    assert all(key.startswith("cls.predictions") for key in recognised.unmatched)
    encoder = build(bert)
    assert encoder.layers == recognised.layers
    found = tokenizer()(TEXTS, padding=True, truncation=True, max_length=20, return_tensors="pt")
    with torch.inference_mode():
        wanted = model.bert(**found).last_hidden_state[:, 0]
    np.testing.assert_allclose(encoder.encode(TEXTS, "text")["cls_token"], wanted.numpy(), **CLOSE)


def test_a_vocabulary_of_an_older_kind_is_read(bert: Path) -> None:
    wanted = build(bert).encode(TEXTS[:2], "text")["pooler"]
    vocabulary = json.loads((bert / "tokenizer.json").read_text())["model"]["vocab"]
    (bert / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)))
    (bert / "tokenizer.json").unlink()
    (bert / "tokenizer_config.json").unlink()
    np.testing.assert_allclose(build(bert).encode(TEXTS[:2], "text")["pooler"], wanted, **CLOSE)


def test_dropout_makes_a_second_view_and_goes_off_again(folders: dict[str, tuple[Path, Any]]) -> None:
    encoder = build(folders["bert"][0]).to("cpu", half=True)
    plain = encoder.encode(TEXTS, "text")["pooler"]
    encoder.dropout(True)
    first, second = (encoder.encode(TEXTS, "text")["pooler"] for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    encoder.dropout(False)
    np.testing.assert_array_equal(encoder.encode(TEXTS, "text")["pooler"], plain)


def test_dropout_is_known_before_anything_is_built(folders: dict[str, tuple[Path, Any]], bert: Path) -> None:
    assert known(bert).dropout is True
    assert known(folders["modernbert"][0]).dropout is False
    for name in ("clip", "siglip", "albert", "distilbert"):
        encoder = build(folders[name][0])
        told = known(folders[name][0]).dropout
        if told:
            encoder.dropout(True)
        elif told is False:
            with pytest.raises(InputError, match="no dropout"):
                encoder.dropout(True)
    _edit(bert / "config.json", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    assert known(bert).dropout is False


def known(path: Path) -> Recognised:
    found = recognise(path)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["resnet", "vit", "modernbert"])
def test_without_dropout_there_is_no_second_view(name: str, folders: dict[str, tuple[Path, Any]]) -> None:
    encoder = build(folders[name][0])
    with pytest.raises(InputError, match="no dropout"):
        encoder.dropout(True)
    encoder.dropout(False)


def test_two_towers_without_a_tokenizer_embed_images(folders: dict[str, tuple[Path, Any]], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["clip"][0], tmp_path / "clip"))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    recognised = recognise(folder)
    assert recognised is not None
    assert recognised.modalities == ("image",)
    assert any("no tokenizer" in note for note in recognised.notes)
    assert build(folder).encode(PICTURES, "image")["projected"].shape == (3, 12)


def test_images_of_another_size_enter_where_the_network_takes_them(
    folders: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    larger = np.random.default_rng(1).normal(size=(2, 3, 48, 48)).astype(np.float32)
    for name in ("dinov2", "vit"):
        folder = Path(shutil.copytree(folders[name][0], tmp_path / name))
        (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 48, "width": 48}}))
    recognised = recognise(tmp_path / "dinov2")
    assert recognised is not None
    assert recognised.image is not None
    assert recognised.image.size == (48, 48)
    with torch.inference_mode():
        wanted = folders["dinov2"][1](pixel_values=torch.from_numpy(larger)).pooler_output
    got = build(tmp_path / "dinov2").encode(larger, "image")["cls_token"]
    np.testing.assert_allclose(got, wanted.numpy(), **CLOSE)
    assert recognise(tmp_path / "vit") is not None
    with pytest.raises(FormatError, match="32 x 32 alone"):
        build(tmp_path / "vit")


# -- hostile and damaged folders ---------------------------------------------------------------------------------
def test_code_of_the_folder_is_ignored_and_noted(bert: Path, folders: dict[str, tuple[Path, Any]]) -> None:
    target = bert.parent / "executed"
    (bert / "modeling.py").write_text(f"open({str(target)!r}, 'w')\nclass Model: pass\n")
    _edit(bert / "config.json", auto_map={"AutoModel": "modeling.Model", "AutoConfig": "modeling.Model"})
    _edit(bert / "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling.Model", "modeling.Model"]})
    recognised = recognise(bert)
    assert recognised is not None
    assert any("auto_map" in note for note in recognised.notes)
    got = build(bert).encode(TEXTS, "text")["pooler"]
    np.testing.assert_array_equal(got, build(folders["bert"][0]).encode(TEXTS, "text")["pooler"])
    assert not target.exists()
    assert not [name for name in sys.modules if "transformers_modules" in name]


@pytest.mark.parametrize(
    "claim",
    [
        {"hidden_size": 1 << 40}, {"vocab_size": 10**12}, {"num_hidden_layers": 10**9}, {"hidden_size": 400},
        {"intermediate_size": 4000}, {"num_hidden_layers": 30}, {"hidden_size": "16"}, {"hidden_size": -16},
        {"num_hidden_layers": 4}, {"num_attention_heads": 3},
    ],
    ids=str,
)  # fmt: skip
def test_a_configuration_that_claims_other_sizes_is_refused(claim: dict[str, object], bert: Path) -> None:
    _edit(bert / "config.json", **claim)
    assert recognise(bert) is not None
    with pytest.raises(FormatError, match=r"bert"):
        build(bert)


@pytest.mark.parametrize("name", ["bert", "resnet", "clip", "siglip", "vit"])
@pytest.mark.parametrize("odd", [[], "words", -1, 3.5, {"a": []}, None], ids=str)
def test_a_configuration_of_odd_values_is_recognised_and_refused(
    name: str, odd: object, folders: dict[str, tuple[Path, Any]], tmp_path: Path
) -> None:
    for file in ("model.safetensors", "tokenizer.json"):
        if (folders[name][0] / file).exists():
            (tmp_path / file).symlink_to(folders[name][0] / file)
    keys = ("hidden_size", "hidden_sizes", "depths", "text_config", "vision_config", "image_size", "num_channels")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": name, **dict.fromkeys(keys, odd)}))
    recognised = recognise(tmp_path)
    assert recognised is not None
    assert recognised.layers
    with pytest.raises(FormatError):
        build(tmp_path)


@pytest.mark.parametrize("cut", [6, 200, -10])
def test_truncated_weights_are_recognised_and_refused(cut: int, bert: Path) -> None:
    weights = bert / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut])
    recognised = recognise(bert)
    assert recognised is not None
    assert any("cannot be read" in note for note in recognised.notes)
    with pytest.raises(FormatError):
        build(bert)


def test_a_pickle_is_never_run(bert: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch '{bert / 'executed'}'",)

    (bert / "model.safetensors").unlink()
    torch.save({"weight": Payload()}, bert / "pytorch_model.bin")
    assert recognise(bert) is not None
    with pytest.raises(UnsafeFileError, match="system"):
        build(bert)
    assert not (bert / "executed").exists()


def test_a_folder_without_a_tokenizer_says_so(bert: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (bert / name).unlink()
    recognised = recognise(bert)
    assert recognised is not None
    assert any("no tokenizer" in note for note in recognised.notes)
    with pytest.raises(FormatError, match="no tokenizer"):
        build(bert)


def test_a_tokenizer_of_another_model_is_refused(bert: Path) -> None:
    content = json.loads((bert / "tokenizer.json").read_text())
    content["model"]["vocab"]["cat"] = 4000
    (bert / "tokenizer.json").write_text(json.dumps(content))
    encoder = build(bert)
    with pytest.raises(FormatError, match="word 4,000, the network knows 40"):
        encoder.encode(TEXTS, "text")


def test_weights_of_another_model_are_refused(bert: Path) -> None:
    weights = load_file(bert / "model.safetensors")
    save_file({f"other.{name}": tensor for name, tensor in weights.items()}, bert / "model.safetensors")
    with pytest.raises(FormatError, match="lack"):
        build(bert)


def test_a_missing_library_names_the_pip_line(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert recognise(bert) is not None
    with pytest.raises(MissingDependencyError, match="pip install transformers"):
        build(bert)


@pytest.mark.parametrize(
    "content", ["", "[]", "nonsense", '{"model_type": "llama"}', '{"model_type": ["bert"]}', "[" * 100_000]
)
def test_strangers_are_not_recognised(content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "absent") is None
    with pytest.raises(FormatError):
        build(tmp_path)


def test_the_switches_of_the_process_are_put_back(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    build(bert)
    (bert / "config.json").write_text("{}")
    with pytest.raises(FormatError):
        build(bert)
    assert before == huggingface_hub.constants.HF_HUB_OFFLINE
    assert "HF_HUB_OFFLINE" not in os.environ


def _sentence_pieces(folder: Path) -> None:
    """Save a vocabulary as SigLIP's folders have it: spiece.model alone."""
    pieces: Any = pytest.importorskip("sentencepiece")
    sentences, written = ["a cat sat on the mat", "the dog", "unknown bold words"] * 20, io.BytesIO()
    pieces.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=written, vocab_size=38, hard_vocab_limit=False, minloglevel=2
    )
    (folder / "spiece.model").write_bytes(written.getvalue())


@pytest.mark.filterwarnings("ignore")
def test_siglip_reads_texts_with_its_sentence_pieces_alone(tmp_path: Path) -> None:
    model = tiny.make("siglip")
    model.save_pretrained(tmp_path)
    _sentence_pieces(tmp_path)
    recognised = recognise(tmp_path)
    assert recognised is not None
    assert recognised.modalities == ("image", "text")
    texts = ["a cat sat", "the dog " * 40]
    tokens = transformers.SiglipTokenizer.from_pretrained(tmp_path)(
        texts, padding="max_length", truncation=True, max_length=20, return_tensors="pt"
    )
    with torch.inference_mode():
        wanted = model.text_model(tokens["input_ids"]).pooler_output.numpy()
    np.testing.assert_allclose(build(tmp_path).encode(texts, "text")["pooled"], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_sentence_pieces_without_their_library_name_the_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.make("siglip").save_pretrained(tmp_path)
    (tmp_path / "spiece.model").write_bytes(b"a vocabulary")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(MissingDependencyError, match="pip install sentencepiece"):
        build(tmp_path)
