"""What stands above and under a map: its title."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet
from cl_viz.dashboard.map_panels import kept_in_words
from cl_viz.projections import Projection, project
from cl_viz.projections._projection import Kept


@pytest.fixture(scope="module")
def projection() -> Projection:
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    return project(EmbeddingSet.from_arrays(rows), "pca", cache=False)


DRAWN = Kept(0.97, 2_000, 50_000, 15, (0.965, 0.975))
WHOLE = Kept(0.24, 300, 300, 15)
SHARE = Kept(0.0071, 2_000, 50_000, 15, (0.0062, 0.008))


@pytest.mark.parametrize(
    ("recall", "trust", "said"),
    [
        (WHOLE, Kept(0.97, 300, 300, 15), "24 % of the 15 nearest neighbours (trustworthiness 0.97, N = 300)"),
        # Every row is compared with the map's, but ranks are looked up for a draw: each number has its own N.
        (Kept(0.24, 50_000, 50_000, 15), DRAWN, "(N = 50,000; trustworthiness 0.97, N = 2,000 of 50,000)"),
        (SHARE, DRAWN, "keeps 0.71 % of the 15 nearest neighbours ("),
        (SHARE, DRAWN, "(trustworthiness 0.97, N = 2,000 of 50,000, 95 %: 0.62 to 0.8 %)"),
        (Kept(None, 0, 2, 1), Kept(None, 0, 2, 1), "UMAP of 60 samples; too few to say"),
    ],
)  # fmt: skip
def test_each_number_of_the_title_has_its_own_n(projection: Projection, recall: Kept, trust: Kept, said: str) -> None:
    assert said in kept_in_words(replace(projection, neighbor_recall=recall, trustworthiness=trust), "UMAP")


def test_a_map_that_is_not_judged_says_so(projection: Projection) -> None:
    text = kept_in_words(replace(projection, judged=False), "UMAP")
    assert text == "UMAP of 60 samples; what it keeps is not known yet"
