"""What every test shares: a cache folder of the session's own, few threads, and a small set with known facts."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cl_viz.core.embedding_set import EmbeddingSet

# Set before anything imports torch, and in the environment, so that workers and child processes have it too. The
# workers of one session share the cache; the process that made it removes it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
_OWNS_CACHE = "CL_VIZ_CACHE" not in os.environ
if _OWNS_CACHE:
    os.environ["CL_VIZ_CACHE"] = tempfile.mkdtemp(prefix="cl_viz-test-cache-")

CHECKOUT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--goldens",
        default=str(CHECKOUT / "tests" / "goldens"),
        help="folder with diagnostics.json and losses.json and their *_inputs.npz (default: the project's own)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put files that hold a long proof first: at the end no worker is left alone with one of them.

    Before them the file that compiles the loops of the pass: each process that found them missing would compile them.
    """
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.stem != "test_compiled", item.path not in long))


def pytest_unconfigure() -> None:
    if _OWNS_CACHE:
        shutil.rmtree(os.environ["CL_VIZ_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout."""
    return CHECKOUT


@pytest.fixture(scope="session")
def goldens_folder(request: pytest.FixtureRequest) -> Path:
    """The folder given with --goldens."""
    return Path(request.config.getoption("--goldens"))


@pytest.fixture(scope="session")
def one_search_for_components() -> Iterator[None]:
    """Let Streamlit look once for components: each app in a test reads what every installed package says of itself."""
    from streamlit.components.v2 import manifest_scanner

    once = functools.cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def labelled_set() -> EmbeddingSet:
    """Two views of 120 samples in 4 classes that stand apart; view 2 is view 1 with noise."""
    generator = np.random.default_rng(7)
    label = np.repeat(np.arange(4), 30)
    first = 3 * np.eye(4, 12)[label] + generator.normal(size=(120, 12))
    second = first + 0.3 * generator.normal(size=first.shape)
    return EmbeddingSet.from_arrays(
        {"view_1": first.astype(np.float32), "view_2": second.astype(np.float32)}, label=label, name="labelled"
    )


@pytest.fixture
def labelled_dump(labelled_set: EmbeddingSet, tmp_path: Path) -> Path:
    """`labelled_set` as a file."""
    path = tmp_path / "labelled.npz"
    np.savez(path, **labelled_set.views, label=labelled_set.role("label"))
    return path
