"""One client per source: its base URL, its credential, its limits, and the retries of what may be repeated."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol
from urllib.parse import quote, unquote, urlencode, urlsplit

from gateway.domain.errors import BadInput, DeadlineExceeded, GatewayError, Unavailable
from gateway.transport.auth import Auth
from gateway.transport.call import Call, TracedRequest
from gateway.transport.countdown import Countdown
from gateway.transport.exchange import Exchange
from gateway.transport.headers import NO_HEADERS
from gateway.transport.lockout import UNAUTHORIZED, Lockout
from gateway.transport.messages import Request, Response, Stream
from gateway.transport.places import Places
from gateway.transport.reads import SharedReads
from gateway.transport.retry import RETRIED_STATUSES, TRIES, pause_before, retry_after

Query = Sequence[tuple[str, str]]

SHARED = 3600.0
"""Seconds that a shared request may last: each who waits leaves at a deadline of his own, the last one ends it."""

UNCHANGED = {"Accept-Encoding": "identity"}
"""Asks for a streamed body as it is, so that the announced length is that of the bytes that come."""


PLAIN = re.compile(r"[0-9A-Za-z_-]+")
"""Letters that mean the same to every server as they are; most identifiers have no others."""
LEAVING = re.compile(r"[\x00-\x1f\x7f]|(?:^|[/\\])(?:\.\.?)?(?:[/\\;]|$)")
"""Controls, and dots or nothing between slashes or at an end: what some server takes for a way out of a segment."""


class Patience(Protocol):
    """Somebody who waits for an answer."""

    def remaining(self) -> float:
        """Tell the seconds that he has left, never less than zero."""


def join_path(*segments: str) -> str:
    """Percent-encode each segment and join them, so that no identifier leaves its place in the path.

    Raises BadInput for a segment that a server could read as another path, even one that decodes it once too often.
    """
    if PLAIN.fullmatch("".join(segments)) and all(segments):
        return "/" + "/".join(segments)
    return "/" + "/".join([_encoded(segment) for segment in segments])


def _encoded(segment: str) -> str:
    if _leaves(segment):
        raise BadInput("An identifier is empty or has a form that no source uses.")
    return quote(segment, safe="")


def _leaves(segment: str) -> bool:
    if LEAVING.search(segment):
        return True
    return "%" in segment and LEAVING.search(unquote(unquote(segment))) is not None


class SourceClient:
    """Sends the requests of one source.

    GET and HEAD, and requests called ``repeatable``, are tried up to three times while the call's time lasts.
    Identical GETs that run at once share one request. Credentials go to the base URL only, and after three
    refusals in a row not at all for a minute.
    """

    def __init__(self, source: str, base_url: str, auth: Auth, exchange: Exchange) -> None:
        self.source = source
        self._base_url = base_url.rstrip("/")
        self._auth = auth
        self._exchange = exchange
        self._countdown = Countdown()
        self._reads: SharedReads[Response] = SharedReads()
        self._places = Places(exchange.limits.concurrency)
        self._carriers = Places(exchange.limits.concurrency)
        """Places of requests whose body is a stream, which take long."""
        self._lockout = Lockout(source)

    async def get(
        self, path: str, call: Call, *, query: Query = (), headers: Mapping[str, str] | None = None
    ) -> Response:
        """Get a path below the base URL, sharing the answer with whoever asks for the same at the same time.

        ``path`` is percent-encoded already (``join_path``, ``path_of``). Raises a SourceError where no answer came;
        the status of an answer is the caller's to read.
        """
        request = Request("GET", self._url(path, query), headers or NO_HEADERS)
        key = (request.url, self._auth.identity, tuple(sorted(headers.items())) if headers else ())
        shared = self._reads.running(key)
        started = time.monotonic()
        own = Call(started + SHARED, call.request_id, call.trace)
        try:
            with self._countdown.timeout(call.deadline - started):
                response = await self._reads.run(
                    key, call.deadline, lambda reading: self._send(request, path, own, TRIES, reading)
                )
        except TimeoutError as exc:
            raise self._late() from exc
        if shared:
            self._note(call, request, response.status, started, shared=True)
        return response

    async def request(
        self,
        method: str,
        path: str,
        call: Call,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        repeatable: bool = False,
    ) -> Response:
        """Send any request below the base URL; only one that is ``repeatable`` is ever sent twice.

        A body may be a stream: then it is sent once and has the call's whole time, not that of one try.
        """
        request = Request(method, self._url(path, query), headers or NO_HEADERS, body)
        try:
            with self._countdown.timeout(call.remaining()):
                return await self._send(request, path, call, TRIES if repeatable else 1, call)
        except TimeoutError as exc:
            raise self._late() from exc

    @asynccontextmanager
    async def stream(
        self, path: str, call: Call, *, query: Query = (), headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Stream]:
        """Get a path and hand out the answer while its body arrives; waits for its head until the deadline.

        A credential that is refused is renewed once, as for any request.
        """
        bare = Request("GET", self._url(path, query), {**UNCHANGED, **(headers or {})})
        credential = await self._credential_in_time(path, call)
        async with streamed(self._exchange, _with(bare, credential), call) as stream:
            if stream.status != UNAUTHORIZED or not await self._auth.renew(credential):
                self._lockout.count(stream.status)
                yield stream
                return
        credential = await self._credential_in_time(path, call)
        async with streamed(self._exchange, _with(bare, credential), call) as stream:
            self._lockout.count(stream.status)
            yield stream

    def owns(self, url: str) -> bool:
        """Tell whether an absolute URL lies at the source's own origin and below its base path.

        One that climbs with dot segments, however they are encoded, does not.
        """
        try:
            own, other = urlsplit(self._base_url), urlsplit(url)
        except ValueError:
            return False
        same_origin = (own.scheme, own.netloc) == (other.scheme, other.netloc)
        climbs = any(segment in (".", "..") for segment in re.split(r"[/\\]", unquote(other.path)))
        return same_origin and not climbs and f"{other.path}/".startswith(f"{own.path}/")

    def path_of(self, url: str) -> str:
        """Give the path of an own absolute URL below the base URL, with its query, both as they are written.

        What the source wrote there is its own business: a signature, or a place in a list, breaks when it is
        encoded anew (`upstreams.md` 4.4).
        """
        parts = urlsplit(url)
        path = parts.path.removeprefix(urlsplit(self._base_url).path)
        return f"{path}?{parts.query}" if parts.query else path

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()

    def _url(self, path: str, query: Query) -> str:
        return self._base_url + path + ("?" + urlencode(query) if query else "")

    def _send(
        self, bare: Request, path: str, call: Call, tries: int, patience: Patience
    ) -> Awaitable[Response]:
        """Send a request that has no credential yet, alone until the credential is known to work.

        ``patience`` says how long a pause between tries is worth it.
        """
        send = self._send_often if self._lockout.accepted else self._send_in_turn
        return send(bare, path, call, tries, patience)

    async def _send_in_turn(
        self, bare: Request, path: str, call: Call, tries: int, patience: Patience
    ) -> Response:
        """Send a request when nobody else does, unless the credential turns out to work meanwhile."""
        if not await self._lockout.take_turn():
            return await self._send_often(bare, path, call, tries, patience)
        try:
            return await self._send_often(bare, path, call, tries, patience)
        finally:
            self._lockout.end_turn()

    async def _send_often(
        self, bare: Request, path: str, call: Call, tries: int, patience: Patience
    ) -> Response:
        """Send a request as often as may be."""
        renewed = False
        attempt = 1
        while True:
            credential = await self._credential(bare.method, path)
            outcome = await self._try(_with(bare, credential), call)
            if isinstance(outcome, Response) and outcome.status == UNAUTHORIZED and not renewed:
                renewed = await self._auth.renew(credential)
                if renewed and not bare.streams:  # a refused request had no effect, whatever its method
                    continue
            pause = self._pause(outcome, attempt, tries, patience)
            if pause is None:
                return self._finish(outcome)
            await asyncio.sleep(pause)
            attempt += 1

    async def _try(self, request: Request, call: Call) -> Response | GatewayError:
        """Send once; a failure that may be retried is a value."""
        streams = request.streams
        places = self._carriers if streams else self._places
        await places.take()
        started = time.monotonic()
        status = None
        try:
            patience = max(0.0, call.deadline - started)
            seconds = patience if streams else min(self._exchange.limits.try_timeout, patience)
            response = await self._exchange.send(request, seconds)
            status = response.status
        except (Unavailable, DeadlineExceeded) as exc:
            return exc
        finally:
            places.give_back()
            if call.trace is not None:
                self._note(call, request, status, started)
        return response

    def _pause(
        self, outcome: Response | GatewayError, attempt: int, tries: int, patience: Patience
    ) -> float | None:
        """Choose how long to wait before the next try; None where this outcome is the last."""
        if attempt >= tries or (isinstance(outcome, Response) and outcome.status not in RETRIED_STATUSES):
            return None
        asked = retry_after(outcome.headers.get("retry-after")) if isinstance(outcome, Response) else None
        pause = pause_before(attempt + 1) if asked is None else asked
        return pause if pause < patience.remaining() else None

    def _finish(self, outcome: Response | GatewayError) -> Response:
        if isinstance(outcome, GatewayError):
            raise outcome
        self._lockout.count(outcome.status)
        return outcome

    def _credential(self, method: str, path: str) -> Awaitable[dict[str, str]]:
        """Make the headers of the credential, for which a token may have to be got first."""
        self._lockout.check()
        return self._auth.headers(method, path.partition("?")[0])

    async def _credential_in_time(self, path: str, call: Call) -> dict[str, str]:
        try:
            async with asyncio.timeout(call.remaining()):
                return await self._credential("GET", path)
        except TimeoutError as exc:
            raise self._late() from exc

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded("The source did not answer in time.", source=self.source)

    def _note(
        self, call: Call, request: Request, status: int | None, started: float, *, shared: bool = False
    ) -> None:
        if call.trace is not None:
            ms = round((time.monotonic() - started) * 1000, 3)
            call.note(
                TracedRequest(self.source, request.method, urlsplit(request.url).path, status, ms, shared)
            )


def _with(bare: Request, credential: Mapping[str, str]) -> Request:
    headers = {**bare.headers, **credential} if bare.headers else credential
    return Request(bare.method, bare.url, headers, bare.body)


@asynccontextmanager
async def streamed(exchange: Exchange, request: Request, call: Call) -> AsyncIterator[Stream]:
    """Open a streamed answer: its head must come before the call's deadline, its body may take longer."""
    started = time.monotonic()
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(call.remaining()):
                stream = await stack.enter_async_context(exchange.stream(request))
        except TimeoutError as exc:
            raise DeadlineExceeded("The source did not answer in time.", source=exchange.source) from exc
        ms = round((time.monotonic() - started) * 1000, 3)
        path = urlsplit(request.url).path
        call.note(TracedRequest(exchange.source, request.method, path, stream.status, ms))
        yield stream
