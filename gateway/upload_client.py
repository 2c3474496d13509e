"""Uploads files through the public API, as any client may: announce, send the bytes to the store, finalize, follow.

Nothing here knows the gateway's inside: only its URL. Files are read piece by piece, twice: to hash and to send them.
No error, line or repr holds a signed URL.
"""

import hashlib
import json
import mimetypes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
Json = dict[str, Any]
Report = Callable[[str, int, int], None]
"""Is told a step, and how many bytes of how many are done in it."""

HASHING, SENDING, CARRYING = "hashing", "to the store", "to the source"
CHUNK = 256 * 1024
LARGEST_PUT = 16 * 1024 * 1024
"""Bytes above which a file goes in parts, so that a broken connection costs one part and not all."""
SIGNED_AT_ONCE = 8
"""Parts whose URLs are asked for together: on a slow line those of more would end before their turn."""
TRIES = 4
BACKOFF = 0.5
"""Seconds before the second try; each further one waits twice as long."""
TIMEOUT = 60.0
LOOK_EVERY = 0.25
PATIENCE = 600
"""Seconds without any change after which an upload is not followed further."""
UNDER_WAY = frozenset({"PENDING", "VERIFIED", "SENDING", "SENT"})
ALREADY_THERE = 412
"""What the store says of a PUT that works once when an earlier try has arrived after all."""
FIRST_FAULT_OF_SERVER = 500

PROBLEMS = "userErrors { code message ... on UpstreamError { retryable retryAfterMs } }"
SOURCES = "query UploadSources { sources { name kind } }"
CREATE = f"""
mutation UploadCreate($input: StagedUploadsCreateInput!) {{
  stagedUploadsCreate(input: $input) {{
    stagedUploads {{ id state partSize targets {{ url headers {{ name value }} }} }} {PROBLEMS}
  }}
}}"""
SIGN = f"""
mutation UploadSign($input: StagedUploadPartsSignInput!) {{
  stagedUploadPartsSign(input: $input) {{
    targets {{ url headers {{ name value }} }} parts {{ number size }} {PROBLEMS}
  }}
}}"""
FINALIZE = f"""
mutation UploadFinalize($input: StagedUploadsFinalizeInput!) {{
  stagedUploadsFinalize(input: $input) {{ {PROBLEMS} }}
}}"""
STATE = """
query UploadState($id: ID!) {
  stagedUpload(id: $id) { state size bytesCarried problem { code message retryable } }
}"""
RESULT = "query UploadResult($id: ID!) { stagedUpload(id: $id) { file { id } } }"


class UploadError(Exception):
    """What kept a file from being uploaded, under the gateway's codes; ``wait`` is in seconds, where one is known."""

    def __init__(self, code: str, message: str, *, retryable: bool = False, wait: float | None = None) -> None:
        super().__init__(f"{code} {' '.join(message.split())}")
        self.code = code
        self.retryable = retryable
        self.wait = wait


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file to upload: its size in bytes and its SHA-256 in hex, as they were when it was read."""

    path: Path
    size: int
    sha256: str

    @classmethod
    def read(cls, path: Path, report: Report) -> "LocalFile":
        """Read a file once; raises UploadError where it cannot be read."""
        digest, size = hashlib.sha256(), 0
        try:
            total = path.stat().st_size
            for chunk in _chunks(path, 0, None):
                digest.update(chunk)
                size += len(chunk)
                report(HASHING, size, max(size, total))
        except OSError as exc:
            raise UploadError("BAD_INPUT", f"The file cannot be read: {exc.strerror}.") from exc
        return cls(path=path, size=size, sha256=digest.hexdigest())

    @property
    def in_parts(self) -> bool:
        """Whether it is sent in parts."""
        return self.size > LARGEST_PUT

    def announced(self, target: Json, on_conflict: str) -> Json:
        """Write it as an item of `stagedUploadsCreate`."""
        return {
            "target": target,
            "name": self.path.name,
            "mediaType": mimetypes.guess_type(self.path.name)[0] or "application/octet-stream",
            "size": self.size,
            "sha256": self.sha256,
            "method": "MULTIPART" if self.in_parts else "PUT",
            "onConflict": on_conflict,
        }


@dataclass(frozen=True, slots=True)
class UploadClient:
    """A client of the gateway at ``url``, for one run of uploads.

    ``run`` goes into the idempotency keys: under the same name the same files to the same target are uploaded once,
    however often that is begun again. ``pause`` waits so many seconds.
    """

    url: str
    http: httpx.Client
    run: str
    pause: Callable[[float], None] = time.sleep
    key: str = field(default="", repr=False)
    """An API key or a token, which goes to the gateway alone: the store has the signatures of its targets."""

    def sources(self) -> Sequence[tuple[str, str]]:
        """Give name and kind of each source. One request; raises UploadError."""
        return [
            (one["name"], one["kind"]) for one in self._persistently(lambda _: self._ask(SOURCES))["sources"]
        ]

    def upload(self, path: Path, target: Json, on_conflict: str, report: Report) -> tuple[int, str | None]:
        """Upload a file and wait until it is at its source; gives its size and identifier there.

        ``target`` is an `UploadTargetInput` and ``on_conflict`` a `ConflictBehavior`. Raises UploadError. Asks the
        gateway four times and more, and the store once for a file or for each of its parts.
        """
        file = LocalFile.read(path, report)
        item = file.announced(target, on_conflict)
        key = hashlib.sha256(json.dumps([self.run, item], sort_keys=True).encode()).hexdigest()
        announced = {"idempotencyKey": key, "uploads": [item]}
        made = self._persistently(lambda _: self._mutate(CREATE, announced))["stagedUploads"][0]
        if made["state"] == "PENDING":
            self._send(file, made, report)
        self._persistently(lambda attempt: self._finalize(made["id"], f"{key}:finalize:{attempt}", report))
        return file.size, self._result(made["id"])

    # Sending

    def _send(self, file: LocalFile, made: Json, report: Report) -> None:
        if file.in_parts:
            self._send_parts(file, made, report)
        else:
            target = made["targets"][0]
            body = _Range(file.path, 0, file.size)
            self._persistently(lambda _: self._put(target, body, lambda done: report(SENDING, done, file.size)))

    def _send_parts(self, file: LocalFile, made: Json, report: Report) -> None:
        """Send what the store does not have yet, a few parts at a time."""
        part = made["partSize"]
        count = -(-file.size // part)
        for first in range(1, count + 1, SIGNED_AT_ONCE):
            numbers = list(range(first, min(first + SIGNED_AT_ONCE, count + 1)))
            signed = self._persistently(partial(self._sign, made["id"], numbers))
            arrived = {(one["number"], one["size"]) for one in signed["parts"]}
            for number, target in zip(numbers, signed["targets"], strict=True):
                body = _Range(file.path, (number - 1) * part, min(part, file.size - (number - 1) * part))
                if (number, body.size) not in arrived:
                    self._send_part(made["id"], number, target, body, _from(body.start, file.size, report))

    def _send_part(
        self, upload: str, number: int, signed: Json, body: "_Range", report: Callable[[int], None]
    ) -> None:
        """Send one part; a further try gets a URL of its own, since the first one may have ended."""

        def send(attempt: int) -> None:
            target = signed if attempt == 0 else self._sign(upload, [number], attempt)["targets"][0]
            self._put(target, body, report)

        self._persistently(send)

    def _sign(self, upload: str, numbers: Sequence[int], _: int) -> Json:
        return self._mutate(SIGN, {"id": upload, "numbers": list(numbers)})

    def _put(self, target: Json, body: "_Range", report: Callable[[int], None]) -> None:
        headers = {one["name"]: one["value"] for one in target["headers"]}
        headers["Content-Length"] = str(body.size)
        try:
            answer = self.http.put(target["url"], headers=headers, content=body.pieces(report))
        except OSError as exc:
            raise UploadError("BAD_INPUT", f"The file cannot be read: {exc.strerror}.") from exc
        except httpx.HTTPError as exc:
            # The text of these errors may hold the signed URL.
            message = f"The store cannot be reached ({type(exc).__name__})."
            raise UploadError("STORAGE_UNAVAILABLE", message, retryable=True) from None
        if answer.is_error and answer.status_code != ALREADY_THERE:
            _refuse(answer.status_code)

    # Finalizing

    def _finalize(self, upload: str, key: str, report: Report) -> None:
        self._mutate(FINALIZE, {"idempotencyKey": key, "uploads": [{"id": upload}]})
        state = self._rested(upload, report)
        if state["state"] == "FINALIZED":
            return
        problem = state["problem"] or {"code": "CONFLICT", "message": f"The upload is {state['state']}."}
        raise UploadError(problem["code"], problem["message"], retryable=problem.get("retryable", False))

    def _rested(self, upload: str, report: Report) -> Json:
        """Look until nobody works on an upload any more."""
        looks, before = 0.0, None
        while looks < PATIENCE:
            now: Json = self._persistently(lambda _: self._ask(STATE, {"id": upload}))["stagedUpload"]
            report(CARRYING, now["bytesCarried"], now["size"])
            if now["state"] not in UNDER_WAY:
                return now
            looks = 0 if now != before else looks + LOOK_EVERY
            before = now
            self.pause(LOOK_EVERY)
        message = f"Nothing has moved for {PATIENCE} seconds; the gateway goes on with it: ask for {upload}."
        raise UploadError("DEADLINE_EXCEEDED", message)

    def _result(self, upload: str) -> str | None:
        """Ask what the file became; that a source does not say so now is no failure of the upload."""
        try:
            file = self._ask(RESULT, {"id": upload})["stagedUpload"]["file"]
        except UploadError:
            return None
        return str(file["id"]) if file else None

    # Asking

    def _persistently(self, do: Callable[[int], T]) -> T:
        """Try what may pass a few times; ``do`` is told how often it was tried."""
        for attempt in range(TRIES - 1):
            try:
                return do(attempt)
            except UploadError as exc:
                if not exc.retryable:
                    raise
                self.pause(BACKOFF * 2**attempt if exc.wait is None else exc.wait)
        return do(TRIES - 1)

    def _mutate(self, document: str, given: Json) -> Json:
        """Ask for a mutation with one item; raises the error of that item."""
        (payload,) = self._ask(document, {"input": given}).values()
        for error in payload["userErrors"]:
            wait = error.get("retryAfterMs")
            raise UploadError(
                error["code"],
                error["message"],
                retryable=bool(error.get("retryable")),
                wait=None if wait is None else wait / 1000,
            )
        result: Json = payload
        return result

    def _ask(self, document: str, variables: Json | None = None) -> Json:
        """Ask once; raises UploadError, which may be tried again where the gateway was not reached."""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        body = {"query": document, "variables": variables or {}}
        try:
            answer = self.http.post(self.url, json=body, headers=headers)
        except httpx.InvalidURL as exc:
            raise UploadError("BAD_INPUT", f"The gateway's URL is none: {exc}.") from None
        except httpx.HTTPError as exc:
            message = f"The gateway cannot be reached ({type(exc).__name__})."
            raise UploadError("UNAVAILABLE", message, retryable=True) from None
        return _data(answer)


@dataclass(frozen=True, slots=True)
class _Range:
    """Some bytes of a file."""

    path: Path
    start: int
    size: int

    def pieces(self, report: Callable[[int], None]) -> Iterator[bytes]:
        """Read them, and tell how many were read; a new iterator for each try."""
        done = 0
        for chunk in _chunks(self.path, self.start, self.size):
            yield chunk
            done += len(chunk)
            report(done)


def _chunks(path: Path, start: int, size: int | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK if size is None else min(CHUNK, size)):
            size = None if size is None else size - len(chunk)
            yield chunk


def _from(start: int, total: int, report: Report) -> Callable[[int], None]:
    """Report what is done of a part as what is done of the file."""
    return lambda done: report(SENDING, start + done, total)


def _refuse(status: int) -> None:
    """Say what a refusal of the store means; a 403 of a part may be a URL that has ended."""
    if status == httpx.codes.BAD_REQUEST:
        raise UploadError(
            "CONFLICT", "The store refused the bytes (HTTP 400): the file was changed while it was sent?"
        )
    passing = status >= FIRST_FAULT_OF_SERVER or status in {
        httpx.codes.FORBIDDEN,
        httpx.codes.TOO_MANY_REQUESTS,
    }
    raise UploadError("STORAGE_UNAVAILABLE", f"The store answered HTTP {status}.", retryable=passing)


def _data(answer: httpx.Response) -> Json:
    """Take the data out of an answer; raises UploadError for a GraphQL error or anything else."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, Mapping) or not ("errors" in body or "data" in body):
        passing = answer.status_code >= FIRST_FAULT_OF_SERVER
        message = f"No gateway answers there (HTTP {answer.status_code})."
        raise UploadError("BAD_RESPONSE", message, retryable=passing)
    for error in body.get("errors") or ():
        extensions = error.get("extensions", {})
        wait = extensions.get("retryAfterMs")
        raise UploadError(
            extensions.get("code", "INTERNAL"),
            error["message"],
            retryable=bool(extensions.get("retryable")),
            wait=None if wait is None else wait / 1000,
        )
    data: Json = body["data"]
    return data
