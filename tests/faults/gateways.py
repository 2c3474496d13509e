"""Gateways in processes of their own, and what clients of uploads do with them."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.faults.systems import Systems, digest
from tests.programs import PATIENCE, ROOT

PDF = b"%PDF-1.7\n"
AT_ONCE = 16
"""Requests that a client has running."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that is uploaded; its name tells it from every other one."""

    kind: str
    name: str
    body: bytes
    place: Mapping[str, Any]


def a_file(systems: Systems, kind: str, name: str, number: int, size: int = 3000) -> File:
    """Make a file for a place of a system."""
    text = f"{name} {number} ".encode()
    body = PDF + (text * (size // len(text) + 1))[: size - len(PDF)]
    return File(kind, f"{name}.pdf", body, systems.place(kind, number))


@dataclass(slots=True)
class Gateway:
    """One process and its client, whose requests may fail with it."""

    process: subprocess.Popen[str]
    origin: str
    client: httpx.Client

    def arm(self) -> None:
        """Let the process die where it was told to."""
        self.process.send_signal(signal.SIGUSR1)

    def died(self, seconds: float) -> bool:
        """Wait for the death of the process; whether it came in time."""
        try:
            return self.process.wait(seconds) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            return False

    def ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Post a query that must answer without errors, and give its data."""
        sent = {"query": query, "variables": variables}
        answer = self.client.post(f"{self.origin}/graphql", json=sent).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def write(self, mutation: str, selection: str, **values: Any) -> dict[str, Any]:
        """Send a mutation and give its payload; without a key it gets one of its own."""
        kind = f"{mutation[0].upper()}{mutation[1:]}Input!"
        selected = f"{selection} userErrors {{ code field message }}"
        query = f"mutation($input: {kind}) {{ {mutation}(input: $input) {{ {selected} }} }}"
        sent = {"idempotencyKey": uuid4().hex, **values}
        payload: dict[str, Any] = self.ask(query, {"input": sent})[mutation]
        return payload

    def stage(self, files: Sequence[File], **more: Any) -> list[str]:
        """Announce files and bring their bytes to the store; gives the identifiers of the uploads."""
        announced = [
            {
                "target": file.place,
                "name": file.name,
                "mediaType": "application/pdf",
                "size": len(file.body),
                "sha256": digest(file.body),
                **more,
            }
            for file in files
        ]
        selection = "stagedUploads { id targets { url headers { name value } } }"
        payload = self.write("stagedUploadsCreate", selection, uploads=announced)
        assert payload["userErrors"] == []
        uploads = payload["stagedUploads"]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(self._put, uploads, files))
        return [upload["id"] for upload in uploads]

    def _put(self, upload: dict[str, Any], file: File) -> None:
        (target,) = upload["targets"]
        headers = {one["name"]: one["value"] for one in target["headers"]}
        self.client.put(target["url"], content=file.body, headers=headers).raise_for_status()

    def finalize(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Finalize uploads by one request, and give what became of each, or the code of its error."""
        selection = "stagedUploads { id state bytesCarried problem { code retryable } }"
        payload = self.write("stagedUploadsFinalize", selection, uploads=[{"id": one} for one in ids])
        errors = payload["userErrors"]
        if errors and not errors[0]["field"][-1].isdigit():  # the request itself was refused
            return [{"id": one, "state": "", "problem": {"code": errors[0]["code"]}} for one in ids]
        codes = {int(error["field"][-1]): error["code"] for error in errors}
        return [
            upload or {"id": ids[place], "state": "", "problem": {"code": codes[place]}}
            for place, upload in enumerate(payload["stagedUploads"])
        ]

    def finalize_bare(self, ids: Sequence[str]) -> list[str]:
        """Finalize uploads where not even the request can be written down; gives the codes of all errors."""
        query = "mutation($input: StagedUploadsFinalizeInput!) { stagedUploadsFinalize(input: $input) {"
        query += " userErrors { code } } }"
        sent = {"idempotencyKey": uuid4().hex, "uploads": [{"id": one} for one in ids]}
        body = {"query": query, "variables": {"input": sent}}
        answer = self.client.post(f"{self.origin}/graphql", json=body).json()
        payload = (answer.get("data") or {}).get("stagedUploadsFinalize") or {}
        told = [error["code"] for error in payload.get("userErrors", ())]
        return told + [error["extensions"]["code"] for error in answer.get("errors", ())]


@contextmanager
def a_gateway(systems: Systems, journal: str, **config: Any) -> Iterator[Gateway]:
    """Start a gateway over the systems; what still runs at the end is killed. ``config`` is for `mortal`."""
    given = {"origins": dict(systems.origins), "store": systems.store.endpoint, "journal": journal, "port": 0}
    command = [sys.executable, "-m", "tests.faults.mortal", json.dumps({**given, **config})]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip()
        assert port, "the gateway did not start"
        limits = httpx.Limits(max_connections=None)
        with httpx.Client(timeout=PATIENCE, limits=limits, trust_env=False) as client:
            gateway = Gateway(process, f"http://127.0.0.1:{port}", client)
            _wait_until_ready(gateway)
            yield gateway
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _wait_until_ready(gateway: Gateway) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            gateway.ask("{ __typename }", {})
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the gateway answers nothing"
            time.sleep(0.02)
        else:
            return
