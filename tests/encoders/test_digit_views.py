"""Views of digits: seeded, in range, and the facts they are built on."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from cl_viz.core.errors import FormatError, UnsafeFileError
from cl_viz.encoders import sample_folder
from cl_viz.encoders._digit_captions import WORDS, CaptionRule, caption_texts
from cl_viz.encoders._digit_data import load_digits, thumbnails
from cl_viz.encoders._digit_inputs import DigitInputs
from cl_viz.encoders._digit_views import DigitAugmentation, augment, hue_names, random_tints, tint


@pytest.fixture(scope="module")
def digits():
    return load_digits(sample_folder() / "data" / "mnist_5k.npz")


def _seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_split_is_balanced_and_fixed(digits):
    assert digits.images.shape == (5000, 28, 28)
    assert len(digits.training_rows) == 4000
    assert np.bincount(digits.digits[digits.evaluation_rows]).tolist() == [100] * 10
    assert not set(digits.training_rows) & set(digits.evaluation_rows)


def test_no_strength_leaves_the_image_alone(digits):
    images = torch.from_numpy(digits.images[:20].astype(np.float32) / 255)[:, None]
    still = DigitAugmentation(rotation=0.0, shear=0.0, scale=0.0, shift=0.0, contrast=0.0, noise=0.0, erase=0)
    torch.testing.assert_close(augment(images, still, _seeded()), images, atol=1e-5, rtol=0)


def test_views_depend_on_the_generator_alone(digits):
    images = torch.from_numpy(digits.images[:20].astype(np.float32) / 255)[:, None]
    strong = DigitAugmentation(erase=8)
    first, again = (augment(images, strong, _seeded(5)) for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert (first - augment(images, strong, _seeded(6))).abs().max() > 0.1
    assert first.min() >= 0
    assert first.max() <= 1


def test_erasing_blanks_one_square():
    white = torch.ones(30, 1, 28, 28)
    only = DigitAugmentation(rotation=0.0, shear=0.0, scale=0.0, shift=0.0, contrast=0.0, noise=0.0, erase=8)
    erased = (augment(white, only, _seeded()) < 0.5).sum(dim=(1, 2, 3))
    assert set(erased.tolist()) == {64}


def test_both_views_share_the_tint(digits):
    rows = digits.evaluation_rows[:50]
    inputs = DigitInputs.make("tinted", digits.images[rows], digits.digits[rows], DigitAugmentation(noise=0.0), seed=3)
    views = inputs.views(torch.arange(50), _seeded())
    corners = [view[:, :, 0, 0] for view in views.values()]
    torch.testing.assert_close(corners[0], corners[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(corners[0], inputs.tints[:, 3:], atol=1e-6, rtol=0)


def test_hues_are_named_after_the_ink():
    pure = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]])
    tints = torch.cat([pure, torch.zeros(6, 3)], dim=1)
    assert hue_names(tints).tolist() == ["red", "yellow", "green", "cyan", "blue", "magenta"]
    assert len(set(hue_names(random_tints(500, _seeded())))) == 6
    full = tint(torch.ones(6, 1, 2, 2), tints)
    torch.testing.assert_close(full[:, :, 0, 0], pure)


def test_captions_say_the_digit_and_what_was_measured():
    upright = np.zeros((28, 28), np.uint8)
    upright[4:24, 13:15] = 255
    leaning = np.zeros((28, 28), np.uint8)
    for row in range(4, 24):
        leaning[row, 23 - row // 2 - 2 : 23 - row // 2] = 255
    thick = np.zeros((28, 28), np.uint8)
    thick[4:24, 9:19] = 255
    images = np.stack([upright, leaning, thick])
    rule = CaptionRule.fit(images)
    numbers = rule.word_numbers(images, np.array([1, 7, 0]))
    assert numbers.min() >= 1
    assert numbers.max() < len(WORDS)
    texts = caption_texts(numbers)
    assert texts[0].startswith("one: ")
    assert "strongly slanted" in texts[1]
    assert "bold" in texts[2]
    assert "slim" in texts[0]


@pytest.mark.parametrize("shape", [(3, 28, 28), (3, 5, 7, 3)])
def test_thumbnails_are_the_pixels(shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for image, uri in zip(images, thumbnails(images), strict=True):
        kind, content = str(uri).split(",")
        assert kind == "data:image/png;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as decoded:
            np.testing.assert_array_equal(np.asarray(decoded), image)


def test_a_damaged_image_file_is_an_error(tmp_path):
    good = (sample_folder() / "data" / "mnist_5k.npz").read_bytes()
    for name, content in {"cut": good[:5000], "empty": b"", "text": b"hello", "changed": _flip(good)}.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(FormatError, match=name):
            load_digits(path)
    with pytest.raises(FormatError, match="missing"):
        load_digits(tmp_path / "none.npz")


def test_other_arrays_and_bombs_are_refused(tmp_path):
    other = tmp_path / "other.npz"
    np.savez(other, images=np.zeros((4, 9), np.uint8), digits=np.zeros(4), is_evaluation=np.zeros(4, bool))
    with pytest.raises(FormatError, match="shape"):
        load_digits(other)
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, images=np.zeros((300 << 20,), np.uint8))
    with pytest.raises(UnsafeFileError, match="256 MB"):
        load_digits(bomb)


def _flip(content):
    changed = bytearray(content)
    changed[len(content) // 2] ^= 0xFF
    return bytes(changed)
