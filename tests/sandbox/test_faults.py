"""The fault that loses an answer: the request took its whole effect, and nobody was told."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.sandbox.server import in_thread
from gateway.sandbox.upstream import Fault, SandboxUpstream


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
