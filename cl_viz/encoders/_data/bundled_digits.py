"""The bundled digits that no bundled encoder was trained on."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from cl_viz.encoders._data.contract import ArrayImages, EncodingData, Texts
from cl_viz.encoders._digit_captions import CaptionRule, caption_texts
from cl_viz.encoders._digit_data import DigitData, load_digits

SAMPLE_DIGITS = "sample:digits"


def open_digits() -> EncodingData:
    """Return the 1,000 evaluation digits with their captions; the digit is the label."""
    from cl_viz.encoders._open import sample_folder

    return _opened(load_digits(sample_folder() / "data" / "mnist_5k.npz"))


@lru_cache(maxsize=1)
def _opened(data: DigitData) -> EncodingData:
    """Return the evaluation digits; writing their captions measures 5,000 digits, which takes a second."""
    rows = data.evaluation_rows
    images = data.images[rows]
    rule = CaptionRule.fit(data.images[data.training_rows])
    captions = caption_texts(rule.word_numbers(images, data.digits[rows])).astype(object)
    return EncodingData(
        name="digits", source=SAMPLE_DIGITS, kind="the bundled digits", n=len(rows),
        inputs={"image": ArrayImages(images), "caption": Texts(captions)},
        columns={"digit": data.digits[rows], "caption": captions},
        roles={"label": "digit", "text": "caption"},
        fingerprint=hashlib.blake2b(np.ascontiguousarray(images).data, digest_size=16).hexdigest(),
    )  # fmt: skip
