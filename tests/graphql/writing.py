"""What tests of mutations send and look at: the documents, and objects of the sandbox that nobody else changes."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from uuid import uuid4

from gateway.domain.refs import Ref, RefType
from gateway.sandbox.directmail import seed as directmail
from gateway.sandbox.espocrm import seed as espocrm
from tests.identifiers import IDS
from tests.world import World

LIBRARY = {"source": "arrhes", "organization": "org1", "year": "2025"}
ROOT = {"library": LIBRARY}
GONE = IDS.seal(Ref("arrhes", RefType.FILE, ("0000000000000000",)))
"""The identifier of a file that is not there."""
NOBODYS = IDS.seal(Ref("nowhere", RefType.FILE, ("1",)))
"""The identifier of a file of a source that is not configured."""
ERRORS = "userErrors { __typename code field message ... on UpstreamError { source retryable } }"

_given: set[str] = set()
_mails: Iterator[int] = count(120)
_cases: Iterator[int] = count(1010)


def write(world: World, mutation: str, selection: str, key: str | None = None, **values: Any) -> dict[str, Any]:
    """Send a mutation and give its payload; without a key it gets one of its own."""
    kind = f"{mutation[0].upper()}{mutation[1:]}Input!"
    query = f"mutation($input: {kind}) {{ {mutation}(input: $input) {{ {selection} {ERRORS} }} }}"
    sent = {"idempotencyKey": key or uuid4().hex, **values}
    payload: dict[str, Any] = world.data(query, {"input": sent})[mutation]
    return payload


def done(world: World, mutation: str, selection: str, **values: Any) -> dict[str, Any]:
    """Send a mutation that must be done without any user error."""
    payload = write(world, mutation, selection, **values)
    assert payload["userErrors"] == []
    return payload


def refusals(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Give the codes of the user errors and what they are about."""
    return [(error["code"], error["field"]) for error in payload["userErrors"]]


def node(world: World, identifier: str, selection: str) -> Any:
    """Read one object; None where it is not there."""
    query = f"query($id: ID!) {{ node(id: $id) {{ __typename id {selection} }} }}"
    answer = world.ask(query, {"id": identifier})
    world.reset()
    return answer["data"]["node"]


def a_file(world: World, suffix: str = "") -> str:
    """Give a file of the library that no other test has got."""
    query = "query($by: LibraryLookup!) { library(by: $by) { descendants(first: 1000) { edges { node {"
    query += " ... on File { id name state } } } } } }"
    edges = world.data(query, {"by": LIBRARY})["library"]["descendants"]["edges"]
    files = [edge["node"] for edge in edges if edge["node"].get("state") == "AVAILABLE"]
    free = [file["id"] for file in files if file["name"].endswith(suffix) and file["id"] not in _given]
    _given.add(free[0])
    world.reset()
    return str(free[0])


def a_folder(world: World, parent: str | None = None, name: str | None = None) -> str:
    """Make a folder, at the root or in another."""
    place = ROOT if parent is None else {"folder": parent}
    folders = [{"name": name or f"dossier {uuid4().hex}", "parent": place}]
    made = done(world, "foldersCreate", "folders { id }", folders=folders)
    world.reset()
    return str(made["folders"][0]["id"])


def a_mail() -> dict[str, Any]:
    """Name a mail that no other test has got."""
    return {"source": "maarch", "resId": next(_mails)}


def a_case() -> dict[str, Any]:
    """Name a service case that no other test has got."""
    return {"source": "decisiv", "caseId": f"CASE-{next(_cases)}"}


def a_message(number: int) -> dict[str, Any]:
    """Name a message of the festival; every fourth from number 3 on has been sent, and cannot be edited."""
    messages = list(directmail.seeded().projects[directmail.FESTIVAL].messages)
    return {"source": "directmail", "project": directmail.FESTIVAL, "messageId": messages[number]}


def an_entity(number: int, kind: str = "Case", field: str = "attachments") -> dict[str, Any]:
    """Name a CRM record; what its number is depends on the seed alone."""
    record = list(espocrm.seeded().alive(kind))[number]
    return {"source": "espocrm", "type": kind, "recordId": record.id, "field": field}


def attachments(world: World, **by: Any) -> list[dict[str, Any]]:
    """List what hangs on a record, in the order of its source."""
    query = """query($by: RecordLookup!) { record(by: $by) { id attachments(orderBy: {field: NAME, direction: ASC}) {
      nodes: edges { node { id name size } } } } }"""
    found = world.data(query, {"by": by})["record"]["attachments"]["nodes"]
    world.reset()
    return [edge["node"] for edge in found]


def posts(world: World, source: str, path: str = "", method: str = "POST") -> int:
    """Count the requests with a method that a source got, to addresses with this end."""
    seen = world.upstreams[source].requests
    return sum(request.method == method and request.path.endswith(path) for request in seen)
