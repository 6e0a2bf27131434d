"""Work shared out over threads: one tile a thread, one thread a core.

Torch's own threads split every small operation and wait for each other after it; on a busy machine the waiting costs
ten times the work. Whole tiles need no waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import torch

Item = TypeVar("Item")

# Read once: a worker's own setting becomes the default of threads made after it.
_THREADS = max(1, torch.get_num_threads())
_SECONDS_BETWEEN_REPORTS = 0.05


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: for steps so small that threads would wait longer than they work."""
    before = torch.get_num_threads()
    if before == 1:
        # A thread that began while another one was in here inherits 1, and must not leave that as everybody's setting.
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def thread_count(device: torch.device) -> int:
    """Return how many threads share work: on a CPU as many as torch may use; elsewhere one, which waits for it."""
    return _THREADS if device.type == "cpu" else 1


def share_out(
    work: Sequence[Item],
    make_worker: Callable[[], Callable[[Item], None]],
    report: Callable[[float], None],
    device: torch.device,
) -> None:
    """Do every item of `work` once.

    Parameters
    ----------
    work : sequence
    make_worker : callable
        Called once per thread; returns what does one item. Workers may keep results of their own.
    report : callable
        Given the fraction done now and then, in the caller's thread; may raise to stop the work within one item.
    device : torch.device
        On a CPU as many threads as torch may use; elsewhere one, since the device is busy with one tile.
    """
    count = min(thread_count(device), len(work))
    if count <= 1:
        worker = make_worker()
        for done, item in enumerate(work, start=1):
            worker(item)
            report(done / len(work))
    else:
        _share_among_threads(count, work, make_worker, report)


def _share_among_threads(
    count: int,
    work: Sequence[Item],
    make_worker: Callable[[], Callable[[Item], None]],
    report: Callable[[float], None],
) -> None:
    stop = threading.Event()
    waiting = iter(work)
    lock = threading.Lock()
    finished = [0]

    def loop() -> None:
        torch.set_num_threads(1)
        try:
            worker = make_worker()
            while not stop.is_set():
                with lock:
                    item = next(waiting, None)
                if item is None:
                    return
                worker(item)
                with lock:
                    finished[0] += 1
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(count, thread_name_prefix="cl_viz-scan") as pool:
        futures = [pool.submit(loop) for _ in range(count)]
        try:
            _follow(futures, lambda: finished[0] / len(work), report)
        finally:
            stop.set()
            wait(futures)
            torch.set_num_threads(_THREADS)
        for future in futures:
            future.result()


def _follow(futures: Sequence[Future[None]], share: Callable[[], float], report: Callable[[float], None]) -> None:
    """Report how far the threads are until they have ended.

    Now and then, and not after each item: every report takes a core from them.
    """
    reported = 0.0
    running: set[Future[None]] = set(futures)
    while running:
        running = wait(running, timeout=_SECONDS_BETWEEN_REPORTS).not_done
        if share() > reported:
            reported = share()
            report(reported)
