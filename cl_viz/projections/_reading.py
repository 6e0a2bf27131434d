"""What maps keep and what they do not show, in words: for the docs and for people beside a map."""

from __future__ import annotations

from cl_viz.core.result import Source

GEOMETRY = (
    "Every map is made of unit rows: what is near is what has a high cosine, and the length of a row does not count. "
    "Rows with a NaN or an infinite entry and rows of zeros have no direction and no point; they are counted. The "
    "nearest neighbours are exact. They are found once, in tiles, by the same pass that the diagnostics use, and every "
    "method reads those. The same set, parameters and seed give the same map, also in another process. On a CUDA GPU "
    "the layouts of UMAP, t-SNE and PaCMAP are those of torchdr (`pip install 'cl-viz[gpu-maps]'`), from the same "
    "neighbours, parameters and seed; these are other maps than the processor's. Without torchdr the processor lays "
    'out, and the notes of the map say so; `device="cpu"` asks for that.'
)

KEPT = (
    "Both numbers compare each row's k = 15 nearest rows by cosine with its k nearest points in the map (fewer where "
    "the set has fewer than 31 rows).\n\n"
    "- **Neighbour recall** is the mean share of a row's nearest that are among its nearest in the map. A random map "
    "has k / (N - 1). Rows that tie with the k-th, copies for example, count as nearest. It is a mean over all rows "
    "where the method reads the neighbours of all rows, or there are at most 5,000; else over a seeded draw of 2,000 "
    "rows, each compared with all rows, with its 95 % interval: principal components need not wait for a pass over "
    "all pairs.\n"
    "- **The error of a point** is 1 less that share for one row. Colour a map by it before reading a corner of it: "
    "where it is high, the neighbours that are seen are not the neighbours that are. Where 2,000 rows were drawn, it "
    "is known for these; `every_error=True` works out the others, and so does the page once it is the colour.\n"
    "- **Trustworthiness** (Venna and Kaski 2001) asks how far away those are that the map wrongly shows as near: 1 "
    "less the sum of their ranks beyond k, scaled so that the worst map has 0. A random map has about 0.5, so 0.9 is "
    "less than it sounds. Above 2,000 rows it is a mean over a seeded draw of 2,000, with ranks among all rows; the "
    "number of rows and the 95 % interval stand with it."
)

KEPT_FORMULA = r"T(k) = 1 - \frac{2}{n k (2N - 3k - 1)} \sum_{i} \sum_{j \in U_k(i)} \big(r(i, j) - k\big)"

TRAPS = (
    "- The size of a clump says nothing: UMAP and t-SNE spread dense regions and draw sparse ones together.\n"
    "- Distances between clumps say little, and an empty space between them need not be a gap between the rows.\n"
    "- Structure appears in noise: a small perplexity or few neighbours make clumps of random rows. Look at several "
    "values, and at the scores themselves.\n"
    "- A map does not show hubs, collapse of dimensions, or how alike positives are: the diagnostics do.\n"
    "- Two maps differ by their seeds too. Before a difference between runs or steps is read, make aligned maps, and "
    "one map with several seeds.\n"
    "- A separation of classes seen in a map is not a measurement: neighbour accuracy and class separation are."
)

ALIGNED = (
    "`cl_viz.project_aligned` makes one map of each of several runs, or of each step of a run, so that a sample stays "
    'about where it was. Samples are matched by id, or by row. With `alignment="procrustes"` each map is made on its '
    "own and then shifted, turned, mirrored and scaled onto the one before: neighbourhoods stay as they were, and the "
    'rest that does not fit is real or due to the method\'s own freedom. With `alignment="umap"` umap-learn lays all '
    "of them out together and pulls shared samples towards each other: smoother, and movement is understated. How far "
    "shared samples moved, relative to the spread of the map, is stated with each map."
)

SOURCES = (
    Source(
        "Venna and Kaski 2001, Neighborhood Preservation in Nonlinear Projection Methods: An Experimental Study",
        "https://doi.org/10.1007/3-540-44668-0_68",
    ),
    Source(
        "Wattenberg, Viegas and Johnson 2016, How to Use t-SNE Effectively", "https://doi.org/10.23915/distill.00002"
    ),
    Source("Coenen and Pearce 2019, Understanding UMAP", "https://pair-code.github.io/understanding-umap/"),
    Source(
        "Chari and Pachter 2023, The specious art of single-cell genomics (distances in maps)",
        "https://doi.org/10.1371/journal.pcbi.1011288",
    ),
    Source(
        "Schoenemann 1966, A generalized solution of the orthogonal Procrustes problem",
        "https://doi.org/10.1007/BF02289451",
    ),
)
