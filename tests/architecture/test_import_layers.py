"""Imports point one way. The table is the one of docs/architecture.md; a new room is added to both."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cl_viz

# Room -> layer. A room may import rooms of lower layers and itself, never one beside it.
LAYERS = {
    "core": 0,
    "formats": 1,
    "losses": 1,
    "testing": 1,
    "encoders": 2,
    "engine": 2,
    "projections": 3,
    "diagnostics": 3,
    "samples": 3,
    "simulate": 4,
    "recording": 5,
    "figures": 5,
    "lessons": 6,
    "reporting": 6,
    "dashboard": 6,
    "cli": 7,
    "pages": 7,
    "app": 7,
}
# The modules of one room that lie beside its folder, or under another name.
SAME_ROOM = {"_cli": "cli", "__main__": "cli"}
STREAMLIT_ROOMS = {"dashboard", "pages", "app"}
PLOTLY_ROOMS = {"figures", "reporting"}
SLIM_ROOMS = {"core", "engine"}
SLIM_LIBRARIES = {"numpy", "torch", "cl_viz"}
# Modules that cannot be written without a library, and that are imported where it is there: by functions alone.
ON_DEMAND = {"cl_viz.engine.triton_kernels": "triton"}
# What `import cl_viz` offers: name -> module that defines it.
FACADE: dict[str, str] = cl_viz._EXPORTS


@dataclass(frozen=True)
class Import:
    """One import: where it stands, what it names, when it runs.

    `at_import`: when the module is imported; else when a function is called, or, where `for_types`, never.
    """

    room: str
    where: str
    module: str
    at_import: bool
    for_types: bool


def room_of(path: Path, root: Path) -> str | None:
    """Return the room of a file; None for the package's own ``__init__``, which is lazy."""
    parts = path.relative_to(root).with_suffix("").parts
    if parts[0] != "cl_viz":
        return parts[0]
    if parts == ("cl_viz", "__init__"):
        return None
    return SAME_ROOM.get(parts[1], parts[1])


def imports_of(root: Path) -> Iterator[Import]:
    """Yield every import of the package, of pages and of app.py under `root`."""
    files = [*sorted((root / "cl_viz").rglob("*.py")), *sorted((root / "pages").rglob("*.py")), root / "app.py"]
    for path in files:
        room = room_of(path, root)
        if room is None:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node, at_import, for_types in _nodes(tree, True, False):
            where = f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
            for module in _named_modules(node):
                yield Import(room, where, module, at_import, for_types)


def _nodes(node: ast.AST, at_import: bool, for_types: bool) -> Iterator[tuple[ast.AST, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        typing = for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
        runs = at_import and not typing and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, runs, typing
        yield from _nodes(child, runs, typing)


def _named_modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports are not used"
        found = [f"{node.module}.{alias.name}" for alias in node.names]
        return [FACADE.get(module.removeprefix("cl_viz."), module) for module in found]
    # `cl_viz.scan` is an import of the engine by another name, and so is import_module("cl_viz.engine").
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cl_viz":
        return [FACADE[node.attr]] if node.attr in FACADE else []
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
        argument = node.args[0]
        return [argument.value] if isinstance(argument, ast.Constant) else []
    return []


def violations(root: Path) -> list[str]:
    """Return every import that the table forbids, in sentences."""
    found = []
    for entry in imports_of(root):
        library, _, rest = entry.module.partition(".")
        if entry.room not in LAYERS:
            found.append(f"{entry.where}: the room {entry.room} is not in the table")
            continue
        if library == "cl_viz" and rest:
            inner = rest.split(".")[0]
            target = SAME_ROOM.get(inner, inner)
            if target in LAYERS and target != entry.room and LAYERS[target] >= LAYERS[entry.room]:
                found.append(f"{entry.where}: {entry.room} imports {target}")
        if library == "sample_models":
            found.append(f"{entry.where}: {entry.room} imports sample_models")
        if library == "streamlit" and entry.room not in STREAMLIT_ROOMS and not entry.for_types:
            found.append(f"{entry.where}: {entry.room} imports streamlit")
        if library == "plotly" and entry.room not in PLOTLY_ROOMS and not entry.for_types:
            found.append(f"{entry.where}: {entry.room} imports plotly")
        file = entry.where.rpartition(":")[0].removesuffix(".py").replace("/", ".")
        slim = library in {*SLIM_LIBRARIES, ON_DEMAND.get(file)} or library in sys.stdlib_module_names
        if entry.at_import and any(entry.module.startswith(module) for module in ON_DEMAND):
            found.append(f"{entry.where}: {entry.module} is imported where its library may be absent")
        if entry.room in SLIM_ROOMS and entry.at_import and not slim:
            found.append(f"{entry.where}: {entry.room} imports {library} when it is imported")
    return found


def test_imports_point_one_way(checkout: Path) -> None:
    assert violations(checkout) == []


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("cl_viz/core/planted.py", "from cl_viz.engine import scan", "core imports engine"),
        ("cl_viz/core/planted.py", "import pandas", "core imports pandas when it is imported"),
        ("cl_viz/engine/planted.py", "import triton", "engine imports triton when it is imported"),
        (
            "cl_viz/engine/planted.py",
            "from cl_viz.engine import triton_kernels",
            "cl_viz.engine.triton_kernels is imported where its library may be absent",
        ),
        ("cl_viz/engine/planted.py", "from cl_viz import diagnose", "engine imports diagnostics"),
        ("cl_viz/engine/planted.py", "import cl_viz\nf = cl_viz.render", "engine imports figures"),
        ("cl_viz/formats/planted.py", "from cl_viz.losses import losses", "formats imports losses"),
        ("cl_viz/figures/planted.py", "import streamlit", "figures imports streamlit"),
        ("cl_viz/dashboard/planted.py", "def f():\n    import plotly.graph_objects", "dashboard imports plotly"),
        ("cl_viz/encoders/planted.py", "import sample_models.recipes", "encoders imports sample_models"),
        ("cl_viz/losses/planted.py", "import importlib\nimportlib.import_module('cl_viz.cli')", "losses imports cli"),
        ("cl_viz/attic/planted.py", "import json", "the room attic is not in the table"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, file: str, line: str, expected: str) -> None:
    planted = tmp_path / file
    planted.parent.mkdir(parents=True)
    (tmp_path / "pages").mkdir()
    (tmp_path / "app.py").touch()
    planted.write_text(line)
    found = violations(tmp_path)
    assert [sentence for sentence in found if sentence.endswith(expected)], found


def test_what_the_table_allows_is_not_found(tmp_path: Path) -> None:
    planted = tmp_path / "cl_viz" / "core" / "planted.py"
    planted.parent.mkdir(parents=True)
    (tmp_path / "pages").mkdir()
    (tmp_path / "app.py").write_text("import streamlit\nfrom cl_viz.dashboard import state\n")
    lines = ["import json", "import numpy", "from cl_viz.core import errors", "def f():", "    import pandas"]
    types = ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", "    import plotly"]
    planted.write_text("\n".join([*lines, *types]))
    assert violations(tmp_path) == []


def test_the_architecture_page_shows_this_table(checkout: Path) -> None:
    page = (checkout / "docs" / "architecture.md").read_text(encoding="utf-8")
    (chain,) = [line for line in page.splitlines() if line.strip().startswith("core <-")]
    shown = [{room.strip() for room in layer.split(",")} for layer in chain.split("<-")]
    held = [{room for room, layer in LAYERS.items() if layer == rank} for rank in range(max(LAYERS.values()) + 1)]
    assert shown == held


def test_app_is_a_frame_only(checkout: Path) -> None:
    assert len((checkout / "app.py").read_text(encoding="utf-8").splitlines()) < 60
