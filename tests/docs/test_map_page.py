"""What docs/map.md says of conditions and kept selections works on the run it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import cl_viz
from cl_viz.figures.map_scene import MOST_POINTS

PAGE = (Path(__file__).parents[2] / "docs" / "map.md").read_text()
CONDITIONS = re.search(r"```sql\n(.*?)```", PAGE, re.DOTALL)[1].splitlines()  # type: ignore[index]


@pytest.mark.parametrize(("condition", "count"), list(zip(CONDITIONS, [100, 700, 100, 1000], strict=True)))
def test_each_condition_finds_samples(condition: str, count: int) -> None:
    assert cl_viz.filter_rows(cl_viz.sample_runs(["mnist-healthy"])[0].get(), condition).sum() == count


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)  # type: ignore[index]
    chosen, grouped = names["chosen"], names["grouped"]
    assert isinstance(chosen, cl_viz.Selection)
    assert isinstance(grouped, cl_viz.Run)
    group = grouped.get().role("group")
    assert group is not None
    assert int((group == "fours and nines").sum()) == len(chosen.rows) == 200
    assert "(group_table): " in capsys.readouterr().out


def test_the_limit_is_the_one_of_the_map() -> None:
    assert f"Up to {MOST_POINTS:,} samples" in PAGE
