"""One thread for small steps, and what other threads keep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
import torch

from cl_viz.engine.workers import one_thread


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_new_thread(ask: Callable[[], int]) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(ask()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.usefixtures("two_threads")
def test_one_thread_ends_where_it_began() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_thread_that_inherits_one_does_not_leave_it_to_all() -> None:
    entered, left = threading.Event(), threading.Event()

    def stays() -> None:
        with one_thread():
            entered.set()
            assert left.wait(30)

    with one_thread():
        thread = threading.Thread(target=stays)
        thread.start()
        assert entered.wait(30)
    left.set()
    thread.join()
    assert in_new_thread(torch.get_num_threads) == 2
