"""Uploads through the public API: announced, sent to the store, carried once to the source that owns the record."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from gateway.domain.refs import Ref, RefType
from tests.graphql.uploading import (
    PDF,
    STAGED,
    announced,
    carried,
    content,
    finalize,
    look,
    send,
    stage,
)
from tests.graphql.writing import (
    LIBRARY,
    a_case,
    a_file,
    a_folder,
    a_mail,
    a_message,
    an_entity,
    done,
    posts,
    refusals,
    write,
)
from tests.identifiers import IDS
from tests.world import PATIENCE, World

Place = Callable[[World], dict[str, Any]]
PLACES: dict[str, Place] = {
    "arrhes": lambda world: {"folder": {"id": a_folder(world), "reference": "R-1"}},
    "decisiv": lambda _: {"case": {**a_case(), "internal": False, "description": "Devis"}},
    "espocrm": lambda _: {"entity": an_entity(10)},
    "maarch": lambda _: {"mail": {**a_mail(), "title": "Réponse"}},
}
CREATED = {
    "arrhes": "/files",
    "decisiv": "/attachments",
    "espocrm": "/Attachment",
    "maarch": "/attachments",
}
"""How the addresses end that each source makes a new file by."""


def created(world: World, kind: str) -> int:
    """Count the files that were made at a source."""
    return posts(world, kind, CREATED[kind])


# The way of a file


@pytest.mark.parametrize("kind", PLACES)
def test_bytes_arrive_at_their_source_unchanged(world: World, kind: str) -> None:
    """Announce, send, finalize: then the source has the file, and gives it back as it was."""
    # given a file that was announced, with its hash, and sent
    place = PLACES[kind](world)
    upload = stage(world, place, sha256=hashlib.sha256(PDF).hexdigest())
    assert (upload["state"], upload["method"], len(upload["targets"])) == ("PENDING", "PUT", 1)
    assert world.requests() == 0
    assert send(world, upload["targets"][0], PDF).is_success

    # when it is finalized
    payload = finalize(world, upload)

    # then it is a file of the source, made once, with the bytes that were sent
    assert payload["userErrors"] == []
    (final,) = payload["stagedUploads"]
    assert (final["state"], final["problem"], final["bytesCarried"]) == ("FINALIZED", None, len(PDF))
    assert created(world, kind) == 1
    assert content(world, final) == PDF
    assert look(world, upload)["file"]["id"] == final["file"]["id"]


def test_several_uploads_go_to_several_sources_at_once(world: World) -> None:
    """One request announces and one finalizes; what one source refuses keeps no other from its file."""
    # given files for two sources, between what no source takes
    targets = [
        {"mail": a_mail()},
        {"message": a_message(5)},
        {"case": {**a_case(), "internal": True}},
        {"folder": {"id": a_file(world)}},
        {"entity": {**an_entity(11), "source": "nowhere"}},
    ]

    # when they are announced, and those that are taken are sent and finalized
    payload = write(world, "stagedUploadsCreate", STAGED, uploads=[announced(target) for target in targets])
    taken = [upload for upload in payload["stagedUploads"] if upload]
    for upload in taken:
        send(world, upload["targets"][0], PDF)
    final = finalize(world, *taken)

    # then two arrive, and the others say why
    assert [upload is not None for upload in payload["stagedUploads"]] == [True, False, True, False, False]
    assert refusals(payload) == [
        ("UNSUPPORTED", ["input", "uploads", "1"]),
        ("BAD_IDENTIFIER", ["input", "uploads", "3"]),
        ("UNKNOWN_SOURCE", ["input", "uploads", "4"]),
    ]
    assert [upload["state"] for upload in final["stagedUploads"]] == ["FINALIZED"] * 2


def test_what_can_never_arrive_gets_no_target(world: World) -> None:
    """Limits, names and hashes are looked at before an address is given out."""
    # given announcements that cannot be kept
    library = {"library": LIBRARY}
    wrong = [
        announced(library, size=50_000_001),
        announced(library, name="../\u0000"),
        announced(library, name="x" * 256),
        announced(library, sha256="no hash"),
        announced({"library": {**LIBRARY, "organization": "org2"}}),
    ]

    # when they are announced
    query = "stagedUploads { id } userErrors2: userErrors { ... on TooLargeError { maxBytes source } }"
    payload = write(world, "stagedUploadsCreate", query, uploads=wrong)

    # then none is taken, and the largest size is told
    assert payload["stagedUploads"] == [None] * 5
    codes = [error["code"] for error in payload["userErrors"]]
    assert codes == ["TOO_LARGE", "BAD_INPUT", "BAD_INPUT", "BAD_INPUT", "NOT_FOUND"]
    assert payload["userErrors2"][0] == {"maxBytes": 50_000_000, "source": "arrhes"}
    assert world.requests() == 0


# Other ways of sending


def test_a_form_brings_a_file(world: World) -> None:
    """An HTML form needs its fields, in their order, and the file as the last."""
    # given a file of its own bytes, since Arrhes takes no others twice, that is announced for a form
    body = PDF + b"form"

    # when it is sent and finalized
    upload = carried(world, {"library": LIBRARY}, body, method="POST", name="formulaire.pdf")

    # then it is there
    assert (upload["state"], upload["method"]) == ("FINALIZED", "POST")
    assert content(world, upload) == body


def test_a_large_file_comes_in_parts_and_can_be_resumed(world: World) -> None:
    """Parts are signed up front; those that arrived are listed, so that a client sends only the others."""
    # given a file of two parts, the first of which has arrived
    body = PDF + bytes(8 * 1024 * 1024)
    upload = stage(world, {"library": LIBRARY}, body, method="MULTIPART", name="en parties.pdf")
    size = upload["partSize"]
    first, second = upload["targets"]
    etag = send(world, first, body[:size]).headers["etag"]

    # when the client comes back, asks what is there, and sends the rest
    text = """mutation($input: StagedUploadPartsSignInput!) { stagedUploadPartsSign(input: $input) {
      stagedUpload { state } parts { number size etag } targets { method url headers { name value } }
      userErrors { code } } }"""
    signed = world.data(text, {"input": {"id": upload["id"], "numbers": [2]}})["stagedUploadPartsSign"]
    assert send(world, signed["targets"][0], body[size:]).is_success
    payload = finalize(world, upload)

    # then it is whole
    assert signed["parts"] == [{"number": 1, "size": size, "etag": etag.strip('"')}]
    assert second["method"] == "PUT"
    (final,) = payload["stagedUploads"]
    assert (final["state"], final["file"]["size"]) == ("FINALIZED", len(body))
    assert content(world, final) == body


def test_finalizing_early_leaves_an_upload_in_parts_as_it_is(world: World) -> None:
    """A client that is too early, or names a part twice, loses nothing: the missing part can still be sent."""
    # given a file of two parts, the first of which has arrived
    body = PDF + b"early" + bytes(8 * 1024 * 1024)
    upload = stage(world, {"library": LIBRARY}, body, method="MULTIPART", name="en avance.pdf")
    size = upload["partSize"]
    first, second = upload["targets"]
    etag = send(world, first, body[:size]).headers["etag"]

    # when it is finalized before the second is there, then with the first named twice, then rightly
    def tried(*parts: dict[str, Any]) -> dict[str, Any]:
        item = {"id": upload["id"], "parts": list(parts) or None}
        return write(world, "stagedUploadsFinalize", STAGED, uploads=[item])

    one = {"number": 1, "etag": etag}
    early = tried()
    two = {"number": 2, "etag": send(world, second, body[size:]).headers["etag"]}
    twice = tried(one, one)
    late = tried(one, two)

    # then
    assert [error["code"] for error in early["userErrors"] + twice["userErrors"]] == ["CONFLICT", "BAD_INPUT"]
    assert late["stagedUploads"][0]["state"] == "FINALIZED"


@pytest.mark.parametrize(
    "media_type", ["", "foo", "text/plain\r\nx: y", "é/x", "text/" + "x" * 300, "text/plain; é"]
)
def test_what_is_no_media_type_is_refused(world: World, media_type: str) -> None:
    """A type goes into a header of the client's request, which has to be possible."""
    # when
    announcement = announced({"library": LIBRARY}, PDF, mediaType=media_type)
    payload = write(world, "stagedUploadsCreate", STAGED, uploads=[announcement])

    # then
    assert payload["stagedUploads"] == [None]
    assert [error["code"] for error in payload["userErrors"]] == ["BAD_INPUT"]


def test_parts_are_signed_for_uploads_in_parts_only(world: World) -> None:
    """Numbers have bounds, and a plain upload has no parts."""
    # given
    plain = stage(world, {"library": LIBRARY})
    parted = stage(world, {"library": LIBRARY}, method="MULTIPART")
    text = """mutation($input: StagedUploadPartsSignInput!) { stagedUploadPartsSign(input: $input) {
      stagedUpload { id } userErrors { code field } } }"""
    wanted = [
        (plain["id"], [1], "CONFLICT"),
        (parted["id"], [2], "BAD_INPUT"),
        (parted["id"], [0], "BAD_INPUT"),
        (a_file(world), [1], "BAD_IDENTIFIER"),
        (IDS.seal(Ref("arrhes", RefType.UPLOAD, ("0" * 32,))), [1], "NOT_FOUND"),
    ]

    # when
    answers = [
        world.data(text, {"input": {"id": one, "numbers": numbers}})["stagedUploadPartsSign"]
        for one, numbers, _ in wanted
    ]

    # then
    assert [answer["stagedUpload"] for answer in answers] == [None] * len(wanted)
    assert [answer["userErrors"][0]["code"] for answer in answers] == [code for _, _, code in wanted]


# What does not arrive


def test_an_upload_is_cancelled_before_it_is_carried(world: World) -> None:
    """What was cancelled never arrives, however often it is finalized; what has arrived stays."""
    # given an upload whose bytes arrived, and one that is finalized
    upload = stage(world, {"library": LIBRARY}, name="annulé.pdf")
    send(world, upload["targets"][0], PDF)
    arrived = carried(world, {"library": LIBRARY}, name="arrivé.pdf", body=PDF + b"1")
    world.reset()

    # when both are cancelled, twice, beside what is no upload
    ids = [upload["id"], arrived["id"], LIBRARY["source"]]
    payloads = [write(world, "stagedUploadsCancel", "stagedUploads { state }", ids=ids) for _ in range(2)]
    final = finalize(world, upload)

    # then the first is cancelled, and the other is as it was
    for payload in payloads:
        assert payload["stagedUploads"] == [{"state": "CANCELLED"}, {"state": "FINALIZED"}, None]
        assert refusals(payload) == [("BAD_IDENTIFIER", ["input", "ids", "2"])]
    assert final["stagedUploads"][0]["state"] == "CANCELLED"
    assert created(world, "arrhes") == 0


def test_bytes_that_have_not_arrived_can_be_sent_still(world: World) -> None:
    """Finalizing too early is a conflict that changes nothing."""
    # given an upload without its bytes
    upload = stage(world, {"library": LIBRARY}, PDF + b"2", name="trop tôt.pdf")

    # when it is finalized before and after they arrive
    early = finalize(world, upload)
    send(world, upload["targets"][0], PDF + b"2")
    late = finalize(world, upload)

    # then the first says so, and the second brings it
    assert (early["stagedUploads"], refusals(early)) == ([None], [("CONFLICT", ["input", "uploads", "0"])])
    assert late["stagedUploads"][0]["state"] == "FINALIZED"


def test_the_store_takes_nothing_but_what_was_announced(world: World) -> None:
    """Another size or other bytes are refused by the store itself, and the upload waits for the right ones."""
    # given an upload whose size and hash were announced
    body = PDF + b"3"
    upload = stage(world, {"library": LIBRARY}, body, sha256=hashlib.sha256(body).hexdigest(), name="juste.pdf")
    target = upload["targets"][0]

    # when others are sent, then the right ones, then others again
    refused = [send(world, target, wrong).status_code for wrong in (PDF, body + b"x", b"x" + body[1:])]
    taken = send(world, target, body).status_code
    again = send(world, target, body).status_code
    final = finalize(world, upload)

    # then only the right ones count, and once
    assert [status in (400, 403) for status in refused] == [True] * 3
    assert (taken, again) == (200, 412)
    assert content(world, final["stagedUploads"][0]) == body


def test_bytes_that_are_no_such_type_fail_for_good(world: World) -> None:
    """A page that calls itself a PDF is found out before a byte of it leaves for the source."""
    # given a page that is announced as a PDF
    body = b"<html><script>alert(1)</script></html>"

    # when it is sent and finalized, twice
    upload = carried(world, {"library": LIBRARY}, body, name="page.pdf")
    again = finalize(world, upload)["stagedUploads"][0]

    # then it has failed, and trying again does not help
    assert (upload["state"], upload["file"]) == ("FAILED", None)
    assert (upload["problem"]["code"], upload["problem"]["retryable"]) == ("BAD_INPUT", False)
    assert (again["state"], created(world, "arrhes")) == ("FAILED", 0)


# Once


def test_finalizing_again_tells_what_became_of_it(world: World) -> None:
    """With the same key or another: the file is made once."""
    # given a finalized upload
    upload = stage(world, {"mail": a_mail()})
    send(world, upload["targets"][0], PDF)
    first = finalize(world, upload, key="finalize")

    # when it is finalized again, with the same key and another
    same, other = finalize(world, upload, key="finalize"), finalize(world, upload)

    # then both answers are the first
    assert first["stagedUploads"][0]["state"] == "FINALIZED"
    for payload in (same, other):
        assert payload["stagedUploads"][0]["file"]["id"] == first["stagedUploads"][0]["file"]["id"]
    assert created(world, "maarch") == 1


async def test_twenty_finalizes_at_once_make_one_file(world: World) -> None:
    """Whoever comes second waits for the first, whatever their keys."""
    # given an upload whose bytes arrived
    upload = stage(world, {"case": {**a_case(), "internal": False}})
    send(world, upload["targets"][0], PDF)
    text = """mutation($input: StagedUploadsFinalizeInput!) { stagedUploadsFinalize(input: $input) {
      stagedUploads { id state file { id } } userErrors { code message } } }"""
    bodies = [
        {
            "query": text,
            "variables": {"input": {"idempotencyKey": f"at once {number}", "uploads": [{"id": upload["id"]}]}},
        }
        for number in range(20)
    ]

    # when it is finalized twenty times at once
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        answers = await asyncio.gather(*(client.post(f"{world.gateway}/graphql", json=body) for body in bodies))

    # then all say the same, and the source has it once
    payloads = [answer.json()["data"]["stagedUploadsFinalize"] for answer in answers]
    assert payloads[0]["stagedUploads"][0]["state"] == "FINALIZED"
    assert [payload for payload in payloads if payload != payloads[0]] == []
    assert created(world, "decisiv") == 1


def test_announcing_again_gives_the_same_targets(world: World) -> None:
    """A client that lost the answer gets it again, instead of a second upload."""
    # given an announcement under a key
    uploads = [announced({"library": LIBRARY})]
    first = write(world, "stagedUploadsCreate", STAGED, key="announce", uploads=uploads)

    # when it is announced again
    again = write(world, "stagedUploadsCreate", STAGED, key="announce", uploads=uploads)

    # then it is the same upload, and another body under the key is refused
    assert again == first
    other = write(world, "stagedUploadsCreate", STAGED, key="announce", uploads=uploads * 2)
    assert refusals(other) == [("KEY_REUSED", ["input"])]


@pytest.mark.parametrize("method", ["PUT", "POST", "MULTIPART"])
def test_targets_are_had_again_while_bytes_are_waited_for(world: World, method: str) -> None:
    """A client that came too late for its target, or lost it, asks for one; afterwards there is none."""
    # given an upload whose announcement is lost
    body = PDF + method.encode()  # the library takes no bytes twice
    upload = stage(world, {"library": LIBRARY}, body, method=method, onConflict="RENAME")

    # when its target is asked for, used, and asked for again
    asked = look(world, upload)
    sent = send(world, asked["targets"][0], body)
    (final,) = finalize(world, upload)["stagedUploads"]

    # then
    assert asked["partSize"] == upload["partSize"]
    assert sent.is_success
    assert (final["state"], final["problem"], final["targets"]) == ("FINALIZED", None, [])


# Decisions


def test_only_an_unknown_outcome_is_decided(world: World) -> None:
    """What the gateway knows nobody can overrule."""
    # given an upload that waits for its bytes
    upload = stage(world, {"library": LIBRARY})

    # when somebody decides it, and what is none
    payloads = [
        write(world, "stagedUploadResolve", "stagedUpload { state }", id=one)
        for one in (upload["id"], a_file(world))
    ]

    # then it is refused, at the field that names it
    assert [refusals(payload) for payload in payloads] == [
        [("CONFLICT", ["input", "id"])],
        [("BAD_IDENTIFIER", ["input", "id"])],
    ]
    assert look(world, upload)["state"] == "PENDING"
    done(world, "stagedUploadsCancel", "stagedUploads { id }", ids=[upload["id"]])
