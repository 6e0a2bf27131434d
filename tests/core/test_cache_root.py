"""Where results are kept: as the environment says, else where the system wants them."""

import sys
from pathlib import Path

import platformdirs
import pytest

from cl_viz.core.cache_root import CACHE_VARIABLE, cache_root
from cl_viz.encoders._embedding_cache import cache_folder as embeddings_folder
from cl_viz.engine.storage import cache_folder as statistics_folder
from cl_viz.projections._cache import MapCache


def test_the_environment_names_the_folder_of_every_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    folders = {embeddings_folder(), statistics_folder(), MapCache.folder()}
    assert folders == {tmp_path / "embeddings", tmp_path / "statistics", tmp_path / "maps"}


def test_without_it_the_users_own_folder_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    assert cache_root() == Path(platformdirs.user_cache_dir("cl_viz"))
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert cache_root() == Path.home() / ".cache" / "cl_viz"
