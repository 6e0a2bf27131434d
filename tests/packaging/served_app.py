"""A started dashboard, and one visit to it over the same web socket a browser would use."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

_START_SECONDS = 90
_RUN_SECONDS = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: Sequence[str], port: int, folder: Path) -> Iterator[Path]:
    """Start a server in `folder`, wait until it answers, stop it at the end; yields the file of its output."""
    log = folder / f"server-{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(list(command), cwd=folder, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + _START_SECONDS
        while status(port, "/_stcore/health") != 200:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield log
    finally:
        process.terminate()
        process.wait(timeout=30)


def status(port: int, path: str) -> int | None:
    """Return the HTTP status of a path; None where nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


def visit(port: int) -> list[ForwardMsg]:
    """Open the page once and return all that the server sent until its script had finished."""
    received = []
    asked = BackMsg()
    asked.rerun_script.query_string = ""
    with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as page:  # type: ignore[list-item]
        page.send(asked.SerializeToString())
        while True:
            message = ForwardMsg()
            message.ParseFromString(page.recv(timeout=_RUN_SECONDS))  # type: ignore[arg-type]
            received.append(message)
            if message.WhichOneof("type") == "script_finished":
                return received


def exceptions(messages: Sequence[ForwardMsg]) -> list[str]:
    """Return what went wrong on the page: exceptions shown, and runs that did not end well."""
    shown = [
        message.delta.new_element.exception.message
        for message in messages
        if message.WhichOneof("type") == "delta" and message.delta.new_element.WhichOneof("type") == "exception"
    ]
    ended = messages[-1].script_finished
    return shown if ended == ForwardMsg.FINISHED_SUCCESSFULLY else [*shown, f"the script ended with {ended}"]


def text(messages: Sequence[ForwardMsg]) -> str:
    """Return all messages as text, to look for words in."""
    return "\n".join(map(str, messages))
