"""An exchange that answers from a script, and sources that need no more than that."""

import asyncio
from collections.abc import Mapping

from gateway.domain.errors import DeadlineExceeded, GatewayError
from gateway.domain.secret import Secret
from gateway.transport.auth import Auth, bearer
from gateway.transport.client import SourceClient
from gateway.transport.exchange import Exchange
from gateway.transport.messages import Limits, Request, Response

BASE = "https://source.example/api"
OK = Response(200, {}, b"fine")


def answer(status: int, **headers: str) -> Response:
    """Make an answer without a body; underscores of header names become dashes."""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


class ScriptedExchange(Exchange):
    """Answers requests with the outcomes of a script, then with 200, each once ``gate`` is open.

    ``requests`` and ``seconds`` are what it was asked for and how long it might have taken; ``most`` is how many
    requests ran at once.
    """

    def __init__(self, *script: Response | GatewayError, limits: Limits | None = None) -> None:
        super().__init__("source", limits or Limits())
        self.script = list(script)
        self.requests: list[Request] = []
        self.seconds: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = 0
        self.most = 0

    async def send(self, request: Request, seconds: float) -> Response:
        """Answer as the script says."""
        self.requests.append(request)
        self.seconds.append(seconds)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            async with asyncio.timeout(seconds):
                await self.gate.wait()
                await asyncio.sleep(0)  # an answer takes time, so that others can ask meanwhile
        except TimeoutError as exc:
            raise DeadlineExceeded("late") from exc
        finally:
            self.running -= 1
        outcome = self.script.pop(0) if self.script else OK
        if isinstance(outcome, GatewayError):
            raise outcome
        return outcome


class RenewableAuth:
    """A credential that changes each time it is renewed: ``1``, ``2`` and so on."""

    identity = "renewable"

    def __init__(self) -> None:
        self.number = 1

    async def headers(self, method: str, path: str) -> dict[str, str]:  # noqa: ARG002 - the same for all
        """Give the present one."""
        return {"Authorization": str(self.number)}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Get the next one."""
        self.number = int(refused["Authorization"]) + 1
        return True


def client_of(exchange: Exchange, auth: Auth | None = None) -> SourceClient:
    """Make a client whose credential is known to work, so that it may send many requests at once."""
    client = SourceClient("source", BASE, auth or bearer(Secret("the-key")), exchange)
    client._lockout.count(OK.status)
    return client


async def soon() -> None:
    """Let everything run that can run now."""
    for _ in range(10):
        await asyncio.sleep(0)
