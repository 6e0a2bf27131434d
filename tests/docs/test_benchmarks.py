"""Pages hold the places that benchmarks write to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CALL = re.compile(r'publish\(\s*"([^"]+)",\s*"([^"]+)"')
PUBLISHED = [
    (path.name, *found)
    for path in sorted((CHECKOUT / "benchmarks").glob("*.py"))
    for found in CALL.findall(path.read_text(encoding="utf-8"))
]


def test_benchmarks_are_found() -> None:
    assert len(PUBLISHED) >= 10


@pytest.mark.parametrize(("script", "page", "named"), PUBLISHED)
def test_a_page_holds_the_place_of_its_benchmark(script: str, page: str, named: str) -> None:
    assert named == script
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    before, between, _ = text.split(f"<!-- measured by benchmarks/{script} -->")
    assert before.strip()
    assert between.strip(), f"docs/{page} shows nothing of {script}"
