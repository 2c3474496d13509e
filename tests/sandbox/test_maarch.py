"""What attachments of the sandbox Maarch Courrier look like and become, beyond the recordings."""

import base64
from datetime import timedelta

import pytest

from gateway.sandbox.maarch import seed
from gateway.sandbox.maarch.state import State
from tests.sandbox.mailroom import AGENT, RESTRICTED, Clock, client, created


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands still."""
    return Clock()


@pytest.fixture
def state(clock: Clock) -> State:
    """Make the demo's mail room."""
    return seed.seeded(clock)


async def test_update_nulls_what_the_body_lacks(state: State, clock: Clock) -> None:
    """PUT overwrites: a body with the type alone takes title, recipient and dates away."""
    # given an attachment with all of them
    async with client(state, AGENT) as asked:
        number = await created(asked, recipientId=3, recipientType="contact", validationDate="2026-02-01")
        before = (await asked.get(f"/attachments/{number}")).json()

        # when only the type is sent, a minute later
        clock.now += timedelta(minutes=1)
        answer = await asked.put(f"/attachments/{number}", json={"type": "simple_attachment"})
        after = (await asked.get(f"/attachments/{number}")).json()

    # then the rest is null, and the change is dated and signed
    assert (answer.status_code, answer.content) == (204, b"")
    assert before["validationDate"] == "2026-02-01 00:00:00"
    assert (before["title"], before["recipientId"], before["modificationDate"]) == ("Note", 3, None)
    assert [after[key] for key in ("title", "recipientId", "recipientType", "validationDate")] == [None] * 4
    assert after["modificationDate"] == "2026-01-15 10:31:00.12"
    assert after["modifiedBy"] == "Bernard BLIER"


async def test_change_at_the_moment_of_creation_has_no_date(state: State) -> None:
    """``modificationDate`` is null where it equals the creation, even if somebody did change the record."""
    # given an attachment, while the clock stands still
    async with client(state, AGENT) as asked:
        number = await created(asked)

        # when it is changed
        await asked.put(f"/attachments/{number}", json={"type": "simple_attachment", "title": "Autre"})
        after = (await asked.get(f"/attachments/{number}")).json()

    # then the change is there, and dated nowhere
    assert (after["title"], after["modifiedBy"]) == ("Autre", "Bernard BLIER")
    assert after["modificationDate"] is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "Body is not set or empty"),
        ({"title": "x"}, "Body type is empty or not a string"),
        ({"type": "nope"}, "Body type does not exist"),
        ({"type": "simple_attachment", "encodedFile": "QQ=="}, "Body format is empty or not a string"),
        ({"type": "simple_attachment", "validationDate": "demain"}, "Body validationDate is not a date"),
    ],
)
async def test_update_is_checked(state: State, body: dict[str, str], text: str) -> None:
    """PUT refuses a bad body with the server's words and changes nothing."""
    # given an attachment
    async with client(state) as asked:
        before = (await asked.get("/attachments/1002")).json()

        # when a bad body is put
        answer = await asked.put("/attachments/1002", json=body)
        after = (await asked.get("/attachments/1002")).json()

    # then it is refused
    assert (answer.status_code, answer.json()["errors"]) == (400, text)
    assert after == before


@pytest.mark.parametrize("status", ["SIGN", "FRZ", "DEL", "OBS"])
async def test_update_of_a_closed_attachment_is_as_of_a_missing_one(state: State, status: str) -> None:
    """PUT says "does not exist" of anything that isn't a draft or at work."""
    # given an attachment that is closed
    state.attachments[1002].status = status

    # when it is put
    async with client(state) as asked:
        answer = await asked.put("/attachments/1002", json={"type": "simple_attachment"})

    # then it does not exist
    assert (answer.status_code, answer.json()["errors"]) == (400, "Attachment does not exist")


async def test_new_version_hides_the_old_and_deletion_takes_all(state: State) -> None:
    """``originId`` makes the original vanish from lists and gets; DELETE removes the whole chain."""
    # given an attachment with a second version
    async with client(state) as asked:
        first = await created(asked, title="Contrat")
        second = await created(asked, title="Contrat", originId=first)
        shown = (await asked.get(f"/attachments/{second}")).json()
        old = await asked.get(f"/attachments/{first}")
        listed = (await asked.get("/resources/100/attachments")).json()["attachments"]
        names = [
            (await asked.get(f"/attachments/{number}/originalContent?mode=base64")).json()["filename"]
            for number in (first, second)
        ]

        # when the second is deleted, and then both again
        gone = await asked.delete(f"/attachments/{second}")
        again = [await asked.delete(f"/attachments/{number}") for number in (first, second)]

    # then the old one was hidden before, and both are gone afterwards
    assert (shown["relation"], shown["originId"]) == (2, first)
    assert shown["versions"] == [{"resId": first, "relation": 1}]
    assert old.json()["errors"] == "Attachment does not exist"
    assert first not in [entry["resId"] for entry in listed]
    assert names == ["Contrat_V1.txt", "Contrat_V2.txt"]
    assert gone.status_code == 204
    assert [answer.json()["errors"] for answer in again] == ["Attachment does not exist"] * 2


async def test_signed_response_signs_its_origin_and_hides(state: State) -> None:
    """A signed response turns its origin to SIGN, is never listed, and can be got by its id."""
    # given a draft
    async with client(state, AGENT) as asked:
        draft = await created(asked, type="response_project")

        # when its signed form is created
        signed = await created(asked, type="signed_response", originId=draft)
        origin = (await asked.get(f"/attachments/{draft}")).json()
        listed = (await asked.get("/resources/100/attachments")).json()["attachments"]
        direct = await asked.get(f"/attachments/{signed}")

    # then the origin tells who signed, and the list shows the origin alone
    assert (origin["status"], origin["signedResponse"]) == ("SIGN", signed)
    assert (origin["signatory"], origin["signatoryId"]) == ("Bernard BLIER", 21)
    assert [entry["resId"] for entry in listed if entry["resId"] >= draft] == [draft]
    assert direct.status_code == 200


@pytest.mark.parametrize(
    ("route", "field"), [("inSendAttachment", "inSendAttach"), ("inSignatureBook", "inSignatureBook")]
)
async def test_toggles_are_not_idempotent(state: State, route: str, field: str) -> None:
    """A toggling PUT that is repeated undoes itself, so it must not be retried."""
    # given an attachment
    async with client(state) as asked:
        seen = [(await asked.get("/attachments/1002")).json()[field]]

        # when it is toggled twice
        for _ in range(2):
            answer = await asked.put(f"/attachments/1002/{route}")
            assert answer.json() == {"success": "success"}
            seen.append((await asked.get("/attachments/1002")).json()[field])

    # then it is as before
    assert seen == [False, True, False]


async def test_two_forms(state: State) -> None:
    """A list has ``canConvert`` but neither format nor ids of signatories; a get has it the other way round."""
    # given a signed attachment
    async with client(state) as asked:
        listed = (await asked.get("/resources/100/attachments")).json()["attachments"]

        # when both forms of it are compared
        single = (await asked.get("/attachments/1008")).json()
        entry = next(entry for entry in listed if entry["resId"] == 1008)

    # then each has fields of its own
    assert entry.keys() - single.keys() == {"canConvert"}
    assert single.keys() - entry.keys() == {
        *("format", "fulltextResult", "originId", "recipientId", "recipientType", "validationDate", "versions"),
        *("signedResponse", "signatoryId"),
    }
    assert single["external_state"] == []
    assert single["modificationDate"] is None


async def test_list_is_ordered_by_the_last_change_and_limited(state: State) -> None:
    """A list begins with what was changed last; ``limit`` cuts it, and 0 is no limit."""
    # given a mail whose fifth attachment was changed a day after
    async with client(state) as asked:
        # when its list is asked for with several limits
        lists = [
            (await asked.get("/resources/100/attachments", params={"limit": limit})).json()["attachments"]
            for limit in ("", "0", "3")
        ]

    # then the order is the same and the number is as asked
    ids = [[entry["resId"] for entry in entries] for entries in lists]
    assert ids[0] == ids[1] == [1004, 1009, 1008, 1007, 1006, 1005, 1003, 1002, 1001, 1000]
    assert ids[2] == ids[0][:3]


async def test_json_is_written_as_php_does(state: State) -> None:
    r"""Bodies are ASCII with ``\uXXXX`` and ``\/``, and their type has no charset."""
    # given an attachment with a slash and an accent in its chrono and labels
    async with client(state) as asked:
        # when it is got
        answer = await asked.get("/attachments/1000")

    # then the text is PHP's
    assert answer.headers["content-type"] == "application/json"
    assert answer.content.isascii()
    assert b'"MAARCH\\/2025A\\/1"' in answer.content
    assert b'"Projet de r\\u00e9ponse"' in answer.content


async def test_found_by_chrono(state: State) -> None:
    """``attachmentsInformations`` finds by chrono: 403 without one, 400 for none, 403 out of perimeter."""
    # given chronos of the demo
    async with client(state) as asked, client(state, RESTRICTED) as restricted:
        # when they are looked up
        found = await asked.get("/attachmentsInformations", params={"chrono": "MAARCH/2025A/1"})
        missing = await asked.get("/attachmentsInformations")
        unknown = await asked.get("/attachmentsInformations", params={"chrono": "MAARCH/1999A/1"})
        hidden = await restricted.get("/attachmentsInformations", params={"chrono": "MAARCH/2025A/491"})

    # then each answers in its way
    assert found.json()["resId"] == 1000
    assert [answer.status_code for answer in (missing, unknown, hidden)] == [403, 400, 403]


async def test_checks_come_in_the_server_s_order(state: State) -> None:
    """A body with every fault is refused for the first; as faults are mended the next one is named."""
    # given faults in the order in which the server looks, each with what mends it
    faults = [
        ("encodedFile", "", base64.b64encode(b"%PDF-").decode(), "Body encodedFile is empty"),
        ("format", None, "txt", "Body format is empty or not a string"),
        ("resIdMaster", "x", 999, "Body resIdMaster is empty or not an integer"),
        ("type", 5, "nope", "Body type is empty or not a string"),
        ("title", "t" * 256, "t", "Body title number of characters must be between 1 and 255 characters)"),
        ("status", "SIGN", "TRA", "Body status can only be A_TRA, TRA or SEND_MASS"),
        ("resIdMaster", 999, 100, "Body resIdMaster is out of perimeter"),
        ("type", "nope", "simple_attachment", "Body type does not exist"),
        ("format", "txt", "pdf", "Format with this mimeType is not allowed : txt application/pdf"),
        ("originId", "x", 999_999, "Body originId is not an integer"),
        ("originId", 999_999, 1010, "Body originId does not exist"),
        ("originId", 1010, None, "Body resIdMaster is different from origin"),
        ("recipientId", "x", 999, "Body recipientId is not an integer"),
        ("recipientType", None, "contact", "Body recipientType is empty or not in [user, contact]"),
        ("recipientId", 999, 1, "Body recipientId does not exist"),
        ("validationDate", "hier", "2026-01-01", "Body validationDate is not a date"),
        ("effectiveDate", "hier", None, "Body effectiveDate is not a date"),
    ]
    body: dict[str, object] = {name: bad for name, bad, _, _ in reversed(faults)}

    # when they are mended one after the other
    texts = []
    async with client(state) as asked:
        for name, _, mended, _ in faults:
            texts.append((await asked.post("/attachments", json=body)).json()["errors"])
            body[name] = mended
        last = await asked.post("/attachments", json=body)

    # then each was named in turn, and the mended body is taken
    assert texts == [text for _, _, _, text in faults]
    assert last.status_code == 200
