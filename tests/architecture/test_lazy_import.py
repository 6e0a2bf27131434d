"""`import cl_viz` costs nothing: what it offers is imported when it is first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cl_viz

HEAVY = {"torch", "plotly", "streamlit", "pandas", "numpy", "scipy", "pyarrow", "h5py", "rich", "typer"}


def _modules_after(code: str) -> set[str]:
    listing = f"{code}\nimport sys\nprint(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", listing], check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_diagnostics_and_the_command_line_import_no_statistics_library_before_one_is_asked_for() -> None:
    asked = "from cl_viz._cli import checking; list(checking.DIAGNOSTICS)"
    assert {"scipy.stats", "sklearn", "pandas"} & _modules_after(asked) == set()


def test_the_package_imports_nothing_heavy() -> None:
    assert HEAVY & _modules_after("import cl_viz") == set()


def test_a_set_is_made_without_torch_plotly_or_streamlit() -> None:
    code = "import cl_viz, numpy; cl_viz.EmbeddingSet.from_arrays(numpy.eye(4)).fingerprint"
    assert {"torch", "plotly", "streamlit", "pandas"} & _modules_after(code) == set()


def test_the_server_listens_before_torch_is_loaded() -> None:
    assert {"torch", "scipy.stats", "sklearn"} & _modules_after("import app") == set()


def test_a_diagnosis_is_made_without_plotly_or_streamlit() -> None:
    code = "import cl_viz, numpy; cl_viz.check(cl_viz.EmbeddingSet.from_arrays(numpy.eye(4)))"
    assert {"plotly", "streamlit"} & _modules_after(code) == set()


def test_an_npy_file_is_read_without_torch(tmp_path_factory: pytest.TempPathFactory) -> None:
    import numpy as np

    path = tmp_path_factory.mktemp("lazy") / "four.npy"
    np.save(path, np.eye(4))
    assert {"torch", "plotly", "streamlit"} & _modules_after(f"import cl_viz; cl_viz.load({str(path)!r})") == set()


@pytest.mark.parametrize("name", sorted(cl_viz._EXPORTS))
def test_every_name_offered_is_there(name: str) -> None:
    assert getattr(cl_viz, name).__name__ == name
    assert name in dir(cl_viz)


def test_rooms_are_reached_by_their_name_alone() -> None:
    code = f"import cl_viz\nfor room in {cl_viz._ROOMS}: assert room in dir(cl_viz); getattr(cl_viz, room)"
    assert {f"cl_viz.{room}" for room in cl_viz._ROOMS} <= _modules_after(code)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        cl_viz.nonsense  # noqa: B018
