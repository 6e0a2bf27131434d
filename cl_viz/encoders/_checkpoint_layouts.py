"""How self-supervised projects name the weights in their checkpoints: one entry per layout.

Each entry was read off the code of the project named in it: its model's attributes give the key names, its own
evaluation says which branch is transferred and how images are prepared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cl_viz.core.normalisation import CIFAR, CIFAR_OF_IMAGES, IMAGENET, UNTOUCHED
from cl_viz.encoders._projection_head import Activation

WRAPPERS = ("module.", "_orig_mod.", "model.")
"""Prefixes of parallel training, of compilation and of a wrapping module; taken off where every key has one."""

Pixels = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Layout:
    """Key names of one project.

    Attributes
    ----------
    name : str
        Shown to people; empty for a backbone alone.
    source : str
        Repository and file the names were read off.
    backbones : tuple of str
        Prefixes under which the backbone is looked for, in order; the first that holds one is taken.
    branch : str
        Which branch that is, and why.
    beneath : str
        The key in front of all weights under which the project saves that branch; empty where there is none.
    requires : tuple of str or tuple of str
        Each, or one of each tuple, must begin some key.
    projectors : tuple of str
        Prefixes of the projector's layers.
    inner : tuple of str
        Names, inside the backbone, of a head that training replaced by the projector.
    single : bool
        A single linear layer there is the projector and not a classifier.
    closing : str
        Prefix of a normalisation after the projector.
    activation : {"relu", "gelu"}
        Between the projector's layers.
    left_out : Mapping[str, str]
        What other keys are, by how they begin.
    size : int
        Height and width of the images of its evaluation.
    keeps_grid : bool
        A transformer is given images of the size its positions were learned for, and not of `size`.
    resample : {"bilinear", "bicubic"}
    pixels, small_pixels : (mean, standard deviation)
        `small_pixels` with a stem for small images.
    small_padding : int
        Padding of a 3 x 3 stem.
    heads : Mapping[int, int]
        Attention heads by width where they are not the usual ones.
    offset : bool
        Positions are resized with DINO's offset.
    note : str
        What a person should know beside.
    """

    name: str
    source: str
    backbones: tuple[str, ...]
    branch: str
    beneath: str = ""
    requires: tuple[str | tuple[str, ...], ...] = ()
    projectors: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    single: bool = False
    closing: str = ""
    activation: Activation = "relu"
    left_out: Mapping[str, str] = field(default_factory=dict)
    size: int = 224
    keeps_grid: bool = True
    resample: Literal["bilinear", "bicubic"] = "bilinear"
    pixels: Pixels = IMAGENET
    small_pixels: Pixels = CIFAR
    small_padding: int = 1
    heads: Mapping[int, int] = field(default_factory=dict)
    offset: bool = False
    note: str = ""


_ONLINE = "the online branch, the one that gradients train"
_PROTOTYPES = "the prototypes"
_MOCO = {"encoder_k.": "the key (momentum) encoder", "queue": "the queue"}
_LIGHTLY = {
    "backbone_momentum.": "the momentum backbone", "projection_head_momentum.": "the momentum projector",
    "teacher_backbone.": "the teacher's backbone", "teacher_projection_head.": "the teacher's projector",
    "student_": "the student", "prediction_head.": "the predictor", "prototypes.": _PROTOTYPES,
    "projection_head.last_layer.": _PROTOTYPES, "criterion.": "the loss's memory",
    "online_classifier.": "the online classifier",
}  # fmt: skip
_SOLO = {
    "classifier.": "the online classifier", "momentum_": "the momentum branch", "encoder.fc.": "a classifier",
    "predictor.": "the predictor", "prototypes.": _PROTOTYPES, "head.last_layer.": _PROTOTYPES, "queue": "the queue",
}  # fmt: skip

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="MoCo v2", source="facebookresearch/moco moco/builder.py, main_lincls.py",
        backbones=("encoder_q.",), requires=("encoder_q.fc.0.", "encoder_k."), inner=("fc.",),
        branch="the query encoder, as in the project's evaluation", left_out=_MOCO,
        small_pixels=CIFAR_OF_IMAGES,
    ),
    Layout(
        name="MoCo", source="facebookresearch/moco moco/builder.py, main_lincls.py and its CIFAR-10 notebook",
        backbones=("encoder_q.net.", "encoder_q."), requires=("encoder_q.",), inner=("fc.",), single=True,
        branch="the query encoder, as in the project's evaluation", left_out=_MOCO,
        small_pixels=CIFAR_OF_IMAGES,
    ),
    Layout(
        name="MoCo v3", source="facebookresearch/moco-v3 moco/builder.py, vits.py, main_lincls.py",
        backbones=("base_encoder.",), requires=("base_encoder.",), inner=("head.", "fc."), single=True,
        branch="the base encoder, as in the project's evaluation, without the predictor that follows its projector",
        left_out={"momentum_encoder.": "the momentum encoder", "predictor.": "the predictor"}, heads={384: 12},
    ),
    Layout(
        name="DINO (solo-learn)", source="vturrisi/solo-learn solo/methods/dino.py",
        backbones=("backbone.", "encoder."), requires=("classifier.", "head.mlp."), projectors=("head.mlp.",),
        branch="the online backbone, as in the project's linear evaluation", activation="gelu", left_out=_SOLO,
        small_padding=2,
    ),
    Layout(
        name="solo-learn", source="vturrisi/solo-learn solo/methods/base.py, main_linear.py, solo/data",
        backbones=("backbone.", "encoder."), requires=("classifier.",), projectors=("projector.",),
        branch="the online backbone, as in the project's linear evaluation", left_out=_SOLO, small_padding=2,
        note="solo-learn's 3 x 3 stem pads by 2 pixels; its MoCo v3 transformers of width 192 and 384 have 12 heads.",
    ),
    Layout(
        name="DINO", source="facebookresearch/dino main_dino.py, vision_transformer.py, eval_linear.py, utils.py",
        backbones=("backbone.",), requires=("head.last_layer.",), projectors=("head.mlp.",), activation="gelu",
        branch="the teacher, as in the project's evaluation", beneath="teacher",
        left_out={"head.last_layer.": _PROTOTYPES}, resample="bicubic", offset=True,
    ),
    Layout(
        name="DINOv2 (training)", source="facebookresearch/dinov2 train/ssl_meta_arch.py, layers/dino_head.py",
        backbones=("backbone.",), requires=("dino_head.",), projectors=("dino_head.mlp.",), activation="gelu",
        branch="the teacher, as in the project's evaluation", beneath="teacher",
        left_out={"dino_head.last_layer.": _PROTOTYPES, "ibot_head.": "iBOT's head", "backbone.mask_token": "the mask"},
        keeps_grid=False, resample="bicubic", offset=True,
    ),
    Layout(
        name="DINOv2", source="facebookresearch/dinov2 hub/backbones.py, models/vision_transformer.py, transforms.py",
        backbones=("",), requires=("mask_token", ("blocks.0.ls1.", "blocks.0.0.ls1.")), keeps_grid=False,
        resample="bicubic", offset=True,
        branch="the only one in the file", left_out={"mask_token": "the mask"},
    ),
    Layout(
        name="DINO (lightly)", source="lightly-ai/lightly models/modules/heads.py, examples",
        backbones=("teacher_backbone.",), requires=("teacher_backbone.", "teacher_head."), activation="gelu",
        projectors=("teacher_head.layers.",), branch="the teacher, as in DINO's evaluation",
        left_out={"student_": "the student", "teacher_head.last_layer.": _PROTOTYPES}, offset=True,
    ),
    Layout(
        name="DINO (lightly)", source="lightly-ai/lightly models/modules/heads.py, benchmarks/imagenet",
        backbones=("backbone.",), requires=("projection_head.last_layer.",), activation="gelu", offset=True,
        projectors=("projection_head.layers.",), branch="the branch called backbone, which is the teacher",
        left_out=_LIGHTLY,
    ),
    Layout(
        name="lightly", source="lightly-ai/lightly models/modules/heads.py, models/resnet.py, examples",
        backbones=("backbone.",), requires=("projection_head.layers.",), projectors=("projection_head.layers.",),
        branch=_ONLINE, left_out=_LIGHTLY, small_pixels=IMAGENET,
    ),
    Layout(
        name="Barlow Twins", source="facebookresearch/barlowtwins main.py, evaluate.py",
        backbones=("backbone.",), requires=("projector.", "bn.running_mean"), projectors=("projector.",), closing="bn.",
        branch="the only one in the file; the projector ends with the normalisation that its loss looks at",
    ),
    Layout(
        name="VICReg", source="facebookresearch/vicreg main_vicreg.py, evaluate.py",
        backbones=("backbone.",), requires=("projector.",), projectors=("projector.",),
        branch="the only one in the file",
        note="Other projects have the same keys (backbone, projector): the loss need not be VICReg's.",
    ),
    Layout(
        name="SimCLR (sthalles)", source="sthalles/SimCLR models/resnet_simclr.py, feature_eval",
        backbones=("backbone.",), requires=("backbone.fc.0.",), inner=("fc.",), size=96, pixels=UNTOUCHED,
        small_pixels=UNTOUCHED, branch="the only one in the file",
        note="96 pixels are STL-10's, the project's default; runs on CIFAR have the same keys and want 32.",
    ),
    Layout(
        name="SimCLR (leftthomas)", source="leftthomas/SimCLR model.py, utils.py",
        backbones=("f.",), requires=("g.0.",), projectors=("g.",), small_pixels=CIFAR_OF_IMAGES,
        branch="the only one in the file",
    ),
    Layout(
        name="SimCLR (Lightning Bolts)", source="Lightning-AI/lightning-bolts models/self_supervised/simclr",
        backbones=("encoder.",), requires=("projection.model.",), projectors=("projection.model.",),
        branch="the only one in the file",
    ),
    Layout(
        name="SimCLR (Spijkervet)", source="Spijkervet/SimCLR simclr/simclr.py, transformations",
        backbones=("encoder.",), requires=("projector.",), projectors=("projector.",), pixels=UNTOUCHED,
        small_pixels=UNTOUCHED, branch="the only one in the file",
    ),
    Layout(
        name="SimCLR v2", source="Separius/SimCLRv2-Pytorch convert.py, verify.py, resnet.py",
        backbones=("resnet.",), requires=("resnet.net.1.blocks.",), projectors=("head.layers.",), pixels=UNTOUCHED,
        small_pixels=UNTOUCHED, branch="the only one in the file", left_out={"resnet.fc.": "the supervised head"},
        note="The paper fine-tunes from the first layer of the projector, which is no layer of its own here.",
    ),
    Layout(
        name="SimCLR v2", source="Separius/SimCLRv2-Pytorch convert.py, the part called resnet alone",
        backbones=("", "backbone.", "encoder."), requires=(("net.1.blocks.", "backbone.net.1.", "encoder.net.1."),),
        pixels=UNTOUCHED, small_pixels=UNTOUCHED, branch="the only one in the file",
        left_out={"fc.": "the supervised head"},
    ),
    Layout(
        name="SimSiam or BYOL", source="facebookresearch/simsiam simsiam/builder.py, main_lincls.py",
        backbones=("encoder.",), requires=("encoder.fc.", "predictor."), inner=("fc.",),
        branch="the encoder, as in the project's evaluation, without the predictor that follows its projector",
        left_out={"predictor.": "the predictor"},
    ),
    Layout(
        name="SupContrast", source="HobbitLong/SupContrast networks/resnet_big.py, main_supcon.py",
        backbones=("encoder.", "encoder.module."), requires=("head.",), projectors=("head.",),
        small_pixels=CIFAR_OF_IMAGES, branch="the only one in the file",
    ),
    Layout(
        name="BYOL (lucidrains)", source="lucidrains/byol-pytorch byol_pytorch.py",
        backbones=("online_encoder.net.",), requires=("online_encoder.",),
        projectors=("online_encoder.projector.net.", "online_encoder.projector."), branch=_ONLINE,
        left_out={
            "target_encoder.": "the target encoder", "online_predictor.": "the predictor", "net.": "the same backbone",
            "online_encoder.net.fc.": "a classifier",
        },
    ),
    Layout(
        name="BYOL (sthalles)", source="sthalles/PyTorch-BYOL models/resnet_base_network.py, trainer.py",
        backbones=("online_network_state_dict.encoder.",), requires=("online_network_state_dict.",),
        projectors=("online_network_state_dict.projetion.net.",), branch=_ONLINE, size=96, pixels=UNTOUCHED,
        left_out={"target_network_state_dict.": "the target network"},
        note="96 pixels are STL-10's, the project's default.",
    ),
    Layout(
        name="SwAV", source="facebookresearch/swav src/resnet50.py, eval_linear.py",
        backbones=("",), requires=("projection_head.", "layer1."), projectors=("projection_head.",),
        branch="the only one in the file; the projector is followed by normalisation and prototypes",
        left_out={"prototypes": _PROTOTYPES},
    ),
    Layout(
        name="", source="torchvision, timm, and the backbones that the projects above export",
        backbones=("", "backbone.", "encoder.", "teacher.backbone.", "teacher.", "trunk."), inner=("fc.", "head."),
        branch="the only one whose names are known", left_out={
            "fc.": "a classifier", "head.": "a classifier", "classifier.": "a classifier", "decoder": "a decoder",
            "student.": "the student", "mask_token": "the mask",
        },
        note="No projector in it follows a layout known here. Which data it was trained on, and how, the file does not "
        "say. Backbones converted from Google's SimCLR want pixels in 0..1 without normalisation.",
    ),
)  # fmt: skip
"""In the order they are tried: an entry that asks for more comes before one that asks for less."""


def candidates(keys: Iterable[str]) -> tuple[Layout, ...]:
    """Return the layouts whose required keys are all there, in the order they are to be tried."""
    names = tuple(keys)
    return tuple(
        layout for layout in LAYOUTS
        if all(any(name.startswith(start) for name in names) for start in layout.requires)
    )  # fmt: skip


def unwrapped(keys: Iterable[str]) -> dict[str, str]:
    """Return the key in the file by its name without the prefixes in `WRAPPERS` that all keys share."""
    names = {key: key for key in keys}
    while names:
        prefix = next((prefix for prefix in WRAPPERS if all(name.startswith(prefix) for name in names)), None)
        if prefix is None:
            break
        names = {name.removeprefix(prefix): key for name, key in names.items()}
    return names
