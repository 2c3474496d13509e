"""The fault that loses an answer, and clients that hang up: what the sandbox does where nobody hears it."""

import logging
import socket
import threading
import time
from contextlib import closing

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream
from tests.programs import PATIENCE


def test_torn_answer_comes_after_the_whole_effect() -> None:
    """The application reads the body and acts; its client sees a broken connection, the next one an answer."""
    # given
    kept: list[bytes] = []

    async def keep(request: Request) -> Response:
        kept.append(await request.body())
        return JSONResponse({"kept": len(kept)}, 201)

    sandbox = SandboxUpstream("sandbox", Starlette(routes=[Route("/", keep, methods=["POST"])]))
    sandbox.fault = Fault(torn=True, times=1)

    # when
    with in_thread(sandbox) as origin:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(origin, content=b"x" * 200_000, trust_env=False)
        answered = httpx.post(origin, content=b"y", trust_env=False)

    # then
    assert kept == [b"x" * 200_000, b"y"]
    assert (answered.status_code, answered.json()) == (201, {"kept": 2})


def test_a_client_that_hangs_up_is_no_defect() -> None:
    """Processes that are killed in the middle of their uploads fill no log with tracebacks."""
    # given an application that reads the whole body, and what its server complains of
    took = threading.Event()
    complaints: list[logging.LogRecord] = []
    watcher = logging.Handler(logging.ERROR)
    watcher.emit = complaints.append  # type: ignore[method-assign]

    async def keep(request: Request) -> Response:
        took.set()
        return JSONResponse({"kept": len(await request.body())})

    sandbox = SandboxUpstream("sandbox", Starlette(routes=[Route("/", keep, methods=["POST"])]))

    # when a client sends half of it and is gone
    with in_thread(sandbox) as origin:
        logging.getLogger("uvicorn.error").addHandler(watcher)
        with closing(socket.create_connection(("127.0.0.1", int(origin.rpartition(":")[2])))) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            assert took.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while sandbox.running and time.monotonic() < deadline:
            time.sleep(0.01)
    logging.getLogger("uvicorn.error").removeHandler(watcher)

    # then
    assert (sandbox.running, [one.getMessage() for one in complaints]) == (0, [])
