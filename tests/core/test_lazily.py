"""Attributes that are worked out once: no object waits for another, whatever thread asks."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cl_viz.core.encoder import EncoderSpec
from cl_viz.core.lazily import lazily
from cl_viz.core.registry import Registry

LONGEST = 20.0


class Slow:
    """Works out a value when it is told to."""

    def __init__(self, may_end: threading.Event) -> None:
        self.may_end = may_end
        self.began = threading.Event()
        self.times = 0

    @lazily
    def value(self) -> list[int]:
        """A list."""
        self.times += 1
        self.began.set()
        assert self.may_end.wait(LONGEST)
        return [self.times]


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_value_is_worked_out_once_and_says_what_it_is() -> None:
    ready = threading.Event()
    ready.set()
    slow = Slow(ready)
    assert slow.value is slow.value
    assert slow.times == 1
    assert Slow.value.__doc__ == "A list."


def test_one_object_does_not_wait_for_another() -> None:
    never, ready = threading.Event(), threading.Event()
    ready.set()
    held, free = Slow(never), Slow(ready)
    thread = in_thread(lambda: held.value)
    assert held.began.wait(LONGEST)
    other = in_thread(lambda: free.value)
    other.join(LONGEST)
    assert not other.is_alive()
    never.set()
    thread.join(LONGEST)
    assert not thread.is_alive()


def test_two_threads_that_ask_at_once_get_the_same() -> None:
    may_end = threading.Event()
    slow = Slow(may_end)
    found: list[list[int]] = []
    threads = [in_thread(lambda: found.append(slow.value)) for _ in range(4)]
    assert slow.began.wait(LONGEST)
    may_end.set()
    for thread in threads:
        thread.join(LONGEST)
    assert len(found) == 4
    assert all(entry is slow.value for entry in found)


def test_a_registry_that_loads_slowly_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = (
        "from cl_viz.core.encoder import EncoderSpec\n"
        "SPEC = EncoderSpec('one', 'One', lambda path: None, lambda path: None, 'words')\n"
    )
    (tmp_path / "registry_gate.py").write_text(
        "import threading\nloading, go_on = threading.Event(), threading.Event()\n"
    )
    gate = importlib.import_module("registry_gate")
    waits = "import registry_gate\nregistry_gate.loading.set()\nassert registry_gate.go_on.wait(20)\n"
    for package, content in (("registry_slow", waits + spec), ("registry_quick", spec)):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "one.py").write_text(content)
    slow = in_thread(lambda: list(Registry("registry_slow", EncoderSpec)))
    assert gate.loading.wait(LONGEST)
    found: list[str] = []
    quick = in_thread(lambda: found.extend(Registry("registry_quick", EncoderSpec)))
    quick.join(LONGEST / 2)
    assert found == ["one"]
    gate.go_on.set()
    slow.join(LONGEST)
    assert not slow.is_alive()
