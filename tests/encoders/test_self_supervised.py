"""Checkpoints of self-supervised projects, rebuilt key by key: recognised, built, and run as what was saved."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from cl_viz.core.errors import FormatError, InputError
from cl_viz.encoders import ENCODERS
from cl_viz.encoders.self_supervised import build, recognise
from tests.encoders.project_checkpoints import (
    EVERY,
    VIT_WIDTH,
    WIDTH,
    dino,
    dino_student,
    dinov2,
    keys,
    moco_v2,
    noise,
    residual,
    simple_head,
    solo_learn,
    transformer,
    vicreg,
)


@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.__name__)
def test_a_projects_checkpoint_gives_back_its_network(case, tmp_path):
    checkpoint, path = case(), tmp_path / "checkpoint.pth"
    torch.save(checkpoint.content, path)
    found, encoder = recognise(path), build(path)
    assert checkpoint.named in found.architecture
    assert found.family == "self_supervised"
    assert found.modalities == ("image",)
    assert found.layers == encoder.layers == (("projector", "backbone") if checkpoint.projector else ("backbone",))
    assert found.image.size == (checkpoint.size, checkpoint.size)
    assert {begins(key, checkpoint.unmatched) for key in found.unmatched} == checkpoint.unmatched
    parts = [checkpoint.backbone, *([checkpoint.projector] if checkpoint.projector else [])]
    assert found.parameters == sum(values.numel() for part in parts for values in part.parameters())

    images = torch.randn(2, 3, *((56, 70) if "DINOv2" in found.architecture else (32, 32)))
    with torch.inference_mode():
        backbone = checkpoint.backbone(images)
        wanted = {"backbone": backbone}
        if checkpoint.projector:
            wanted["projector"] = checkpoint.projector(backbone)
    got = encoder.encode(images.numpy(), "image")
    assert list(got) == list(encoder.layers)
    for layer in encoder.layers:
        assert got[layer].dtype == np.float32
        np.testing.assert_allclose(got[layer], wanted[layer].numpy(), rtol=1e-5, atol=1e-5)
        assert got[layer].std() > 1e-3


def begins(key, starts):
    return next((start for start in sorted(starts, key=len, reverse=True) if f"{key}.".startswith(f"{start}.")), key)


def test_safetensors_are_read_like_torch_files(tmp_path):
    path = tmp_path / "vicreg.safetensors"
    backbone, head = residual(), simple_head()
    save_file(keys("module.backbone.", backbone) | keys("module.projector.", head), path)
    assert "VICReg" in recognise(path).architecture
    with torch.inference_mode():
        wanted = head(backbone(torch.ones(1, 3, 32, 32))).numpy()
    got = build(path).encode(np.ones((1, 3, 32, 32), np.float32), "image")["projector"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_half_precision_weights_and_missing_counters_are_taken(tmp_path):
    path, backbone = tmp_path / "half.pt", residual()
    torch.save(
        {name: values.half() for name, values in backbone.state_dict().items() if "num_batches" not in name}, path
    )
    with torch.inference_mode():
        wanted = backbone.half().float()(torch.ones(1, 3, 32, 32)).numpy()
    got = build(path).encode(np.ones((1, 3, 32, 32), np.float32), "image")["backbone"]
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_what_no_shape_tells_is_said(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(solo_learn().content, path)
    small = recognise(path)
    assert small.image.mean == (0.4914, 0.4822, 0.4465)
    assert small.image.resize == 32
    assert any("CIFAR-10's mean and deviation are a guess" in note for note in small.notes)
    weights = {key.replace("backbone.", "encoder."): value for key, value in solo_learn().content["state_dict"].items()}
    torch.save({key: value for key, value in weights.items() if key.startswith(("encoder.", "projector."))}, path)
    untouched = recognise(path)
    assert untouched.image.mean == (0.0, 0.0, 0.0)
    assert any("values in 0..1 without normalisation are a guess" in note for note in untouched.notes)
    torch.save(solo_learn().content, path)
    assert any("momentum branch (N = " in note for note in small.notes)
    torch.save(dino().content, path)
    assert "Branch: the teacher, as in the project's evaluation." in recognise(path).notes
    torch.save(dino_student().content, path)
    notes = recognise(path).notes
    assert "Branch: the student, because the file has no teacher." in notes
    assert any("attention heads" in note for note in notes)
    torch.save(dino().content["teacher"], path)
    assert any("does not say whether it is the teacher" in note for note in recognise(path).notes)
    torch.save(moco_v2().content, path)
    large = recognise(path)
    assert (large.image.size, large.image.resize, large.image.resample) == ((224, 224), 256, "bilinear")
    assert large.image.mean == (0.485, 0.456, 0.406)
    torch.save(dinov2().content, path)
    assert recognise(path).image.resample == "bicubic"


def test_grey_images_make_one_channel(tmp_path):
    path = tmp_path / "grey.pt"
    torch.save(residual(kernel=3, channels=1).state_dict(), path)
    image = recognise(path).image
    assert (image.channels, image.mean, image.std) == (1, (0.0,), (1.0,))
    with pytest.raises(InputError, match="Allowed"):
        build(path).encode(np.zeros((1, 3, 32, 32), np.float32), "image")


def test_a_batch_must_be_images(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(residual().state_dict(), path)
    encoder = build(path)
    for batch, view in ((np.zeros((1, 3, 32, 32), np.float32), "text"), (np.zeros((3, 32, 32), np.float32), "image")):
        with pytest.raises(InputError):
            encoder.encode(batch, view)


def test_an_encoder_moves_and_keeps_its_layers(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(vicreg().content, path)
    encoder, images = build(path), np.ones((2, 3, 32, 32), np.float32)
    full = encoder.encode(images, "image")
    moved = encoder.to("cpu", half=True)
    assert moved.layers == encoder.layers
    np.testing.assert_array_equal(moved.encode(images, "image")["projector"], full["projector"])
    with pytest.raises(InputError, match="no dropout"):
        moved.dropout(active=True)


STRANGERS = {
    "linear": {"weight": torch.zeros(4, 4), "bias": torch.zeros(4)},
    "bert": {"embeddings.word_embeddings.weight": torch.zeros(5, 4), "encoder.layer.0.dense.bias": torch.zeros(4)},
    "vgg": {"features.0.weight": torch.zeros(4, 3, 3, 3), "classifier.0.weight": torch.zeros(4, 4)},
    "hugging face vit": {"vit.encoder.layer.0.attention.attention.query.weight": torch.zeros(4, 4)},
    "array": torch.zeros(5, 4),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_strangers_are_nobodys(name, tmp_path):
    path = tmp_path / "stranger.pt"
    torch.save(STRANGERS[name], path)
    assert recognise(path) is None
    with pytest.raises(FormatError):
        build(path)


def test_files_of_other_kinds_are_nobodys(tmp_path):
    text = tmp_path / "notes.pth"
    text.write_text("conv1.weight layer1.0.conv1.weight")
    assert recognise(text) is None
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "missing.pth") is None


class _Hostile:
    def __reduce__(self):
        return (open, ("touched by a checkpoint", "w"))


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": residual().state_dict(), "extra": _Hostile()}
    torch.save(content, "hostile.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(content))
    for name in ("hostile.pth", "bare.pth"):
        assert recognise(tmp_path / name) is None
        with pytest.raises(FormatError):
            build(tmp_path / name)
    assert not (tmp_path / "touched by a checkpoint").exists()


CONVOLUTION = "module.backbone.layer2.0.conv1.weight"
STEM = "module.backbone.conv1.weight"
DAMAGED = {
    "a transposed convolution": (CONVOLUTION, lambda values: values.transpose(0, 1), "layer2.0"),
    "a truncated convolution": (CONVOLUTION, lambda values: values[:, :3], "layer2.0"),
    "a flat convolution": (CONVOLUTION, torch.flatten, "4 axes are wanted"),
    "an oblong convolution": (CONVOLUTION, lambda values: values[..., :2], "no square convolution"),
    "a transposed stem": (STEM, lambda values: values.transpose(0, 1), "bn1"),
    "a stem of 5 x 5": (STEM, lambda values: values[..., :5, :5], "5 x 5"),
    "channels that no picture has": (STEM, lambda values: values[:, :2], "2 channels"),
    "a truncated normalisation": ("module.backbone.bn1.weight", lambda values: values[:3], "bn1.weight"),
    "a missing statistic": ("module.backbone.bn1.running_var", None, "bn1.running_var"),
    "a transposed projector": ("module.projector.0.weight", torch.t, "projector layer 0"),
    "a truncated projector": ("module.projector.3.weight", lambda values: values[:, :9], "projector layer 3"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_fits_no_architecture_is_refused_with_what_was_found(name, tmp_path):
    key, damage, named = DAMAGED[name]
    content, path = vicreg().content, tmp_path / "damaged.pth"
    values = content["model"].pop(key)
    if damage:
        content["model"][key] = damage(values)
    torch.save(content, path)
    found = recognise(path)
    assert "VICReg" in found.architecture
    assert "fit no known architecture" in found.architecture
    with pytest.raises(FormatError) as caught:
        build(path)
    assert named in str(caught.value)
    assert "Allowed:" in str(caught.value)
    assert str(path) in str(caught.value)


def test_parts_that_a_resnet_does_not_have_are_refused(tmp_path):
    path, weights = tmp_path / "resnet.pt", residual().state_dict()
    excitation = {"layer1.0.se.fc1.weight": torch.ones(4, 8, 1, 1), "layer2.5.conv1.weight": torch.ones(8, 8, 3, 3)}
    for stranger, values in excitation.items():
        torch.save(weights | {stranger: values}, path)
        with pytest.raises(FormatError, match=stranger):
            build(path)


def test_a_single_layer_in_the_classifiers_place_is_a_classifier(tmp_path):
    path = tmp_path / "fine_tuned.pt"
    torch.save(residual().state_dict() | noise("fc.1.", nn.Linear(WIDTH, 10)), path)
    found = recognise(path)
    assert found.layers == ("backbone",)
    assert found.unmatched == ("fc.1.weight", "fc.1.bias")
    assert "Left out: a classifier (N = 2 weights)." in found.notes


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"blocks.0.attn.q_norm.weight": torch.ones(64)}, "q_norm"),
        ({"norm_pre.weight": torch.ones(VIT_WIDTH)}, "norm_pre"),
        ({"pos_embed": torch.ones(1, 7, VIT_WIDTH)}, "7 positions"),
        ({"blocks.1.attn.qkv.weight": torch.ones(VIT_WIDTH, 3 * VIT_WIDTH)}, "blocks.1.attn.qkv.weight"),
        ({"patch_embed.proj.weight": torch.ones(VIT_WIDTH, 3, 16, 8)}, "16 x 8"),
        ({"blocks.3.norm1.weight": torch.ones(VIT_WIDTH)}, "blocks.3.norm1.weight"),
        ({"patch_embed.proj.weight": torch.ones(100, 3, 16, 16)}, "width 100"),
    ],
)
def test_transformers_that_are_not_known_are_refused(change, named, tmp_path):
    path = tmp_path / "vit.pt"
    torch.save(transformer().state_dict() | change, path)
    with pytest.raises(FormatError, match=named):
        build(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save(vicreg().content, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert recognise(path) is None
    with pytest.raises(FormatError):
        build(path)


def test_a_projector_of_another_kind_is_left_to_the_unmatched(tmp_path):
    path = tmp_path / "checkpoint.pth"
    strange = {"module.projector.net.inner.weight": torch.zeros(4, WIDTH)}
    torch.save({"model": keys("module.backbone.", residual()) | strange}, path)
    found = recognise(path)
    assert found.layers == ("backbone",)
    assert found.unmatched == tuple(strange)


def test_the_family_is_registered():
    assert ENCODERS["self_supervised"].build is build
