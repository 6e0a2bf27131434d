"""Work shared out over threads: one tile a thread, one thread a core.

Torch's own threads split every small operation and wait for each other after it; on a busy machine the waiting costs
ten times the work. Whole tiles need no waiting.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

import torch

Item = TypeVar("Item")

# Read once: a worker's own setting becomes the default of threads made after it.
_THREADS = max(1, torch.get_num_threads())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: for products so small that threads would wait longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
        Given the fraction done after each item, in the caller's thread; may raise to stop the work.
    device : torch.device
        On a CPU as many threads as torch may use; elsewhere one, since the device is busy with one tile.
    """
    count = min(_THREADS, len(work)) if device.type == "cpu" else 1
    if count <= 1:
        worker = make_worker()
        for done, item in enumerate(work, start=1):
            worker(item)
            report(done / len(work))
        return
    stop = threading.Event()
    finished: SimpleQueue[bool] = SimpleQueue()
    waiting = iter(work)
    lock = threading.Lock()

    def loop() -> None:
        torch.set_num_threads(1)
        worker = make_worker()
        while not stop.is_set():
            with lock:
                item = next(waiting, None)
            if item is None:
                return
            worker(item)
            finished.put(True)

    with ThreadPoolExecutor(count, thread_name_prefix="cl_viz-scan") as pool:
        futures = [pool.submit(loop) for _ in range(count)]
        for future in futures:
            # An error in a worker must wake the caller, who would wait for its item for ever.
            future.add_done_callback(lambda ended: finished.put(ended.exception() is None))
        try:
            _follow(finished, len(work), count, report)
        finally:
            stop.set()
            wait(futures)
            torch.set_num_threads(_THREADS)
        for future in futures:
            future.result()


def _follow(finished: SimpleQueue[bool], n_items: int, n_threads: int, report: Callable[[float], None]) -> None:
    """Report after each item until all items and threads have ended, or one thread has failed."""
    # Every item and every thread's end puts one entry; ends come when no item is left, so items are counted first.
    for done in range(1, n_items + n_threads + 1):
        if not finished.get():
            return
        if done <= n_items:
            report(done / n_items)
