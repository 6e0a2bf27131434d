"""Every threshold behind a finding, with who says so: one place, so that a reader can disagree with all at once."""

from __future__ import annotations

from dataclasses import dataclass

from cl_viz.core.result import Level, Source


@dataclass(frozen=True)
class Threshold:
    """Where a number starts to be worth watching, and where it is bad.

    Attributes
    ----------
    watch, bad : float
        The two limits; `bad` beyond `watch` in the direction of trouble.
    source : Source
        Who says so.
    rule_of_thumb : bool
        Whether it is a convention, not a result.
    """

    watch: float
    bad: float
    source: Source
    rule_of_thumb: bool = True

    def level(self, value: float) -> Level:
        """Return the level of a value."""
        sign = 1 if self.bad >= self.watch else -1
        if sign * value >= sign * self.bad:
            return "bad"
        return "watch" if sign * value >= sign * self.watch else "good"


AUC = Threshold(
    0.9,
    0.7,
    Source("Swets 1988, Measuring the accuracy of diagnostic systems", "https://doi.org/10.1126/science.3287615"),
)
"""Swets: 0.5 to 0.7 low accuracy, 0.7 to 0.9 useful, above 0.9 high."""

NEGATIVE_MEAN = Threshold(
    0.5,
    0.9,
    Source("Liang et al. 2022, Mind the Gap (the cone effect)", "https://arxiv.org/abs/2203.02053"),
)
"""Mean cosine of different samples: random directions have 0; above 0.5 the embeddings fill a narrow cone."""

NEGATIVE_SPREAD = Threshold(
    0.1,
    0.01,
    Source(
        "Wang and Isola 2020, Understanding Contrastive Representation Learning through Alignment and Uniformity",
        "https://arxiv.org/abs/2005.10242",
    ),
)
"""Variance of the negatives as a share of that of random directions (1/D): near 0 all pairs score alike."""

FALSE_NEGATIVE_PUSH = Threshold(
    0.5,
    0.75,
    Source("Chuang et al. 2020, Debiased Contrastive Learning", "https://arxiv.org/abs/2007.00224"),
)
"""Share of the repulsion on samples of the same label, beyond their share of the negatives and as a part of what is
left of it: half, and three quarters."""

UNUSABLE_ROWS = Threshold(
    1e-9,
    0.01,
    Source(
        "Goldberg 1991, What Every Computer Scientist Should Know About Floating-Point Arithmetic",
        "https://doi.org/10.1145/103162.103163",
    ),
)
"""Share of rows that are NaN, infinite or zero."""

DUPLICATE_ROWS = Threshold(
    0.01,
    0.2,
    Source(
        "Facco et al. 2017, Estimating the intrinsic dimension (zero distances break neighbour statistics)",
        "https://doi.org/10.1038/s41598-017-11873-y",
    ),
)
"""Share of rows that repeat an earlier row exactly."""
