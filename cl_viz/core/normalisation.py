"""How pixels in 0..1 are normalised before they enter a network: the means and deviations that have a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MeanAndDeviation = tuple[Sequence[float], Sequence[float]]
"""A number a channel of each."""

UNTOUCHED = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Pixels in 0..1 as they are."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR = ((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))
CIFAR_OF_IMAGES = ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
"""The deviations that many projects took over: the mean of the deviations within images."""
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))

NAMED: Mapping[str, MeanAndDeviation] = {
    "as_they_are": UNTOUCHED, "imagenet": IMAGENET, "cifar10": CIFAR, "cifar10_of_images": CIFAR_OF_IMAGES,
    "halves": HALVES, "clip": CLIP,
}  # fmt: skip
"""What a person may say by name."""

LABELS: Mapping[str, str] = {
    "as_they_are": "0 to 1", "imagenet": "ImageNet", "cifar10": "CIFAR-10",
    "cifar10_of_images": "CIFAR-10, deviation within images", "halves": "-1 to 1", "clip": "CLIP",
}  # fmt: skip
"""The same in few words, for a control."""

IN_WORDS: Mapping[MeanAndDeviation, str] = {
    UNTOUCHED: "values in 0..1 without normalisation",
    IMAGENET: "ImageNet's mean and deviation",
    CIFAR: "CIFAR-10's mean and deviation",
    CIFAR_OF_IMAGES: "CIFAR-10's mean and the mean deviation within its images",
}
