"""Every registry: sorted, complete, one spec a file; whoever breaks that is told which files."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cl_viz.core.encoder import EncoderSpec
from cl_viz.core.errors import RegistryError
from cl_viz.core.params import Params
from cl_viz.core.registry import Registry
from cl_viz.diagnostics import DIAGNOSTICS
from cl_viz.encoders import ENCODERS
from cl_viz.formats import FORMATS
from cl_viz.lessons import LESSONS
from cl_viz.losses import FAMILIES, losses

REGISTRIES = {
    "diagnostics": DIAGNOSTICS,
    "formats": FORMATS,
    "encoders": ENCODERS,
    "losses": FAMILIES,
    "lessons": LESSONS,
}
PACKAGE = "planted_registry"


@pytest.mark.parametrize("room", list(REGISTRIES))
def test_each_file_of_the_folder_is_one_entry(room: str, checkout: Path) -> None:
    files = [path for path in (checkout / "cl_viz" / room).glob("*.py") if not path.name.startswith("_")]
    assert len(REGISTRIES[room]) == len(files) > 0


@pytest.mark.parametrize("room", list(REGISTRIES))
def test_entries_stand_under_their_own_name_and_leave_nothing_empty(room: str) -> None:
    for name, spec in REGISTRIES[room].items():
        assert spec.name == name
        assert name.isidentifier()
        assert name == name.lower()
        for field in type(spec).REQUIRED:
            assert getattr(spec, field) not in ("", (), None), (name, field)


@pytest.mark.parametrize("spec", [*DIAGNOSTICS.values(), *losses().values()], ids=lambda spec: spec.name)
def test_parameters_and_sources_are_told(spec: object) -> None:
    params, sources = spec.params, spec.sources  # type: ignore[attr-defined]
    assert issubclass(params, Params)
    for info in params.describe():
        assert info.help.endswith("."), info.name
        assert info.choices is None or info.default in info.choices
        assert info.low is None or info.default is None or info.low <= info.default
        assert info.high is None or info.default is None or info.default <= info.high
    for source in sources:
        assert source.citation
        assert source.url.startswith("https://"), source


def test_loss_names_are_unique_over_the_families() -> None:
    names = [loss.name for family in FAMILIES.values() for loss in family.losses]
    assert sorted(names) == sorted(set(names))
    assert list(losses()) == names


def _spec(name: str, description: str = "words") -> str:
    return (
        "from cl_viz.core.encoder import EncoderSpec\n"
        f"SPEC = EncoderSpec({name!r}, 'label', lambda path: False, lambda path: None, {description!r})\n"
    )


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Registry[EncoderSpec]]]:
    """Make a package of the given modules and return its registry."""

    def make(**modules: str) -> Registry[EncoderSpec]:
        folder = tmp_path / PACKAGE
        folder.mkdir()
        (folder / "__init__.py").touch()
        for name, text in modules.items():
            (folder / f"{name}.py").write_text(text)
        return Registry(PACKAGE, EncoderSpec)

    monkeypatch.syspath_prepend(tmp_path)
    yield make
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_modules_are_found_in_sorted_order_and_private_ones_passed_over(
    plant: Callable[..., Registry[EncoderSpec]],
) -> None:
    registry = plant(zebra=_spec("last"), ant=_spec("first"), _helper="raise AssertionError('must not be imported')")
    assert list(registry) == ["first", "last"]
    assert registry["last"].label == "label"
    assert "middle" not in registry


def test_two_entries_of_one_name_name_both_files(plant: Callable[..., Registry[EncoderSpec]]) -> None:
    registry = plant(one=_spec("twin"), two=_spec("twin"))
    with pytest.raises(RegistryError) as raised:
        list(registry)
    assert "one.py" in str(raised.value)
    assert "two.py" in str(raised.value)
    assert "twin" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "NoneType as its SPEC"), ("SPEC = 3", "int as its SPEC"), (_spec("odd", ""), "leaves description empty")],
)
def test_a_file_without_a_whole_spec_is_named(
    plant: Callable[..., Registry[EncoderSpec]], text: str, expected: str
) -> None:
    registry = plant(broken=text)
    with pytest.raises(RegistryError) as raised:
        list(registry)
    assert "broken.py" in str(raised.value)
    assert expected in str(raised.value)


def test_a_name_that_is_not_known_says_which_is_spelt_most_alike() -> None:
    with pytest.raises(RegistryError) as raised:
        DIAGNOSTICS["spectrun"]
    assert raised.value.remedy == "did you mean 'spectrum'?"
    assert "hubness" in str(raised.value.allowed)
    with pytest.raises(RegistryError) as raised:
        DIAGNOSTICS["zzz"]
    assert raised.value.remedy is None


def test_third_parties_come_through_entry_points(
    plant: Callable[..., Registry[EncoderSpec]], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = plant(own=_spec("own"))
    third = EncoderSpec("third", "Third", lambda path: False, lambda path: None, "words")  # type: ignore[arg-type,return-value]
    entry = SimpleNamespace(name="third", value="elsewhere:SPEC", load=lambda: third)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry] if group == PACKAGE else [])
    assert list(registry) == ["own", "third"]


def test_an_absent_entry_names_those_there_are() -> None:
    with pytest.raises(RegistryError, match="score_distribution"):
        DIAGNOSTICS["absent"]


@pytest.mark.parametrize("name", list(ENCODERS))
def test_an_encoder_recognises_no_stranger(name: str, tmp_path: Path) -> None:
    strangers = {"text.safetensors": b"not weights", "empty.safetensors": b"", "picture.png": b"\x89PNG\r\n\x1a\n"}
    for stranger, content in strangers.items():
        (tmp_path / stranger).write_bytes(content)
        assert not ENCODERS[name].recognise(tmp_path / stranger)
    assert not ENCODERS[name].recognise(tmp_path)
    assert not ENCODERS[name].recognise(tmp_path / "absent")
