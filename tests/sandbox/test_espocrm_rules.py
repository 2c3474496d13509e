"""Rules of the sandbox EspoCRM that the recordings don't show, or show by values only."""

import base64
import hashlib
import hmac
import json
import tracemalloc
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.app import create_app
from gateway.sandbox.espocrm.auth import sign
from gateway.sandbox.espocrm.contents import Uploaded, between_commas, lenient_base64, windows
from gateway.sandbox.espocrm.state import State

ADMIN = (seed.ADMIN, seed.ADMIN_PASSWORD)
KEY = {"X-Api-Key": seed.API_KEY}
READONLY = {"X-Api-Key": seed.READONLY_KEY}


@pytest.fixture
def clock() -> seed.Clock:
    """Give a clock that the test moves."""
    return seed.Clock()


@pytest.fixture
def state(clock: seed.Clock) -> State:
    """Make a CRM that has users only."""
    return seed.empty(clock)


@pytest.fixture
def crm(state: State) -> httpx.AsyncClient:
    """Make a client that sends no credential by itself."""
    transport = httpx.ASGITransport(create_app(state))
    return httpx.AsyncClient(transport=transport, base_url="http://espocrm/api/v1")


def data_uri(content: bytes) -> str:
    """Write bytes as a data URI."""
    return "data:text/plain;base64," + base64.b64encode(content).decode()


async def upload(crm: httpx.AsyncClient, name: str = "a.txt", **fields: Any) -> Any:
    """Upload a small file for a note, or as told, and give the record."""
    sent = {"name": name, "type": "text/plain", "field": "attachments", "parentType": "Note", "file": ",eA=="}
    answer = await crm.post("/Attachment", json={**sent, **fields}, headers=KEY)
    return answer.raise_for_status().json()


async def create(crm: httpx.AsyncClient, kind: str, **fields: Any) -> Any:
    """Create a record and give it."""
    return (await crm.post(f"/{kind}", json=fields, headers=KEY)).raise_for_status().json()


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("data:text/plain;base64,!!!not base64!!!", 6),
        ("data:text/plain,hello%20world", 9),
        ("data:application/octet-stream;base64,-_-_-_-_-_-_-_-_", 0),
        ("data:text/plain;name=a,b;base64,YWJj", 5),
        ("data:text/plain;base64,YWJj\\/\n", 3),
        (",YWJj", 3),
    ],
)
async def test_bad_base64_is_mangled_in_silence(crm: httpx.AsyncClient, file: str, size: int) -> None:
    """A client that sends the wrong alphabet loses bytes without an error, as with the real decoder."""
    # given a data URI that is wrong in some way

    # when it is uploaded
    record = await upload(crm, file=file)

    # then the size is what PHP's decoder leaves
    assert record["size"] == size


async def test_set_is_replaced_and_the_rest_set_free(crm: httpx.AsyncClient) -> None:
    """PUT of ``attachmentsIds`` unlinks what it doesn't name, and the misspelt key does nothing."""
    # given a note with two attachments
    one, two, three = [(await upload(crm, f"{name}.txt"))["id"] for name in "abc"]
    note = await create(crm, "Note", post="p", attachmentsIds=[one, two])

    # when the set is written anew, then once more under the misspelt key
    await crm.put(f"/Note/{note['id']}", json={"attachmentsIds": [two, three]}, headers=KEY)
    await crm.put(f"/Note/{note['id']}", json={"attachmnetsIds": [one]}, headers=KEY)

    # then the first is out, but still there for its creator
    found = (await crm.get(f"/Note/{note['id']}", headers=KEY)).json()
    freed = (await crm.get(f"/Attachment/{one}", headers=KEY)).json()
    assert found["attachmentsIds"] == [two, three]
    assert (freed["parentId"], freed["parentType"], freed["deleted"]) == (None, None, False)


async def test_replaced_file_is_deleted_with_its_bytes(crm: httpx.AsyncClient, state: State) -> None:
    """Setting another ``fileId`` deletes the previous attachment; only an admin still sees it, as deleted."""
    # given a document with a file
    files = [await upload(crm, relatedType="Document", parentType=None, field="file") for _ in range(2)]
    old, new = [each["id"] for each in files]
    document = await create(crm, "Document", name="d", publishDate="2026-01-01", fileId=old)

    # when the file is replaced
    await crm.put(f"/Document/{document['id']}", json={"fileId": new}, headers=KEY)

    # then
    assert (await crm.get(f"/Attachment/{old}", headers=KEY)).status_code == 404
    assert (await crm.get(f"/Attachment/{old}", auth=ADMIN)).json()["deleted"] is True
    assert old not in state.files
    assert (await crm.get(f"/Attachment/file/{old}", auth=ADMIN)).status_code == 500


async def test_copy_keeps_the_bytes_alive(crm: httpx.AsyncClient, state: State) -> None:
    """Bytes that a copy shares survive the original, and go with the last copy."""
    # given an attachment and its copy
    original = await upload(crm, file=data_uri(b"shared"))
    copied = await crm.post(
        f"/Attachment/copy/{original['id']}", json={"parentType": "Note", "field": "attachments"}, headers=KEY
    )
    key = copied.json()["id"]

    # when the original is deleted, and later the copy
    await crm.delete(f"/Attachment/{original['id']}", headers=KEY)
    download = await crm.get(f"/Attachment/file/{key}", headers=KEY)
    await crm.delete(f"/Attachment/{key}", headers=KEY)

    # then
    assert copied.json()["sourceId"] == original["id"]
    assert download.content == b"shared"
    assert state.files == {}


@pytest.mark.parametrize("form", ["brackets", "json"])
async def test_admin_lists_by_ids(crm: httpx.AsyncClient, form: str) -> None:
    """One request answers many ids, in both forms of the search, unknown ids left out."""
    # given five attachments, three of them wanted besides an id that is none
    ids = [(await upload(crm, f"{number}.txt"))["id"] for number in range(5)]
    wanted = [ids[4], ids[0], "0" * 17, ids[2]]

    # when
    if form == "brackets":
        pairs = [("where[0][type]", "in"), ("where[0][attribute]", "id")]
        query = httpx.QueryParams([*pairs, *(("where[0][value][]", each) for each in wanted)])
    else:
        where = [{"type": "in", "attribute": "id", "value": wanted}]
        query = httpx.QueryParams({"searchParams": json.dumps({"where": where, "maxSize": 200})})
    answer = (await crm.get("/Attachment", params=query, auth=ADMIN)).json()

    # then
    assert answer["total"] == 3
    assert [each["id"] for each in answer["list"]] == [ids[4], ids[2], ids[0]]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("where[0][type]=in&where[0][attribute]=id&where[0][value]=a", 400, "Bad where item 'in'."),
        ("where[0][type]=in&where[0][value][]=a", 400, "Bad where item. No 'attribute'."),
        ("where[0][type]=equals&where[0][attribute]=x", 400, "Not existing attribute 'x' in where."),
        ("where[0][attribute]=id", 400, "Bad where item. No 'type'."),
        ("searchParams=nonsense", 400, "Invalid search params JSON."),
        ('searchParams={"where":"x"}', 400, "where should be array."),
        ("maxSize=201", 403, "Max size should not exceed 200. Use offset and limit."),
    ],
)
async def test_bad_search_is_refused(crm: httpx.AsyncClient, query: str, status: int, reason: str) -> None:
    """A client learns from the reason what was wrong with its search."""
    # given a query that can't be

    # when
    answer = await crm.get(f"/Attachment?{query}", auth=ADMIN)

    # then
    assert (answer.status_code, answer.headers["x-status-reason"], answer.content) == (status, reason, b"")


@pytest.mark.parametrize(
    ("item", "names"),
    [
        ({"type": "equals", "attribute": "name", "value": "B.TXT"}, ["b.txt"]),
        ({"type": "notEquals", "attribute": "name", "value": "b.txt"}, ["a.txt", "c.txt"]),
        ({"type": "notIn", "attribute": "name", "value": ["b.txt"]}, ["a.txt", "c.txt"]),
        ({"type": "startsWith", "attribute": "name", "value": "c"}, ["c.txt"]),
        ({"type": "contains", "attribute": "name", "value": "."}, ["a.txt", "b.txt", "c.txt"]),
        ({"type": "like", "attribute": "name", "value": "%b%"}, ["b.txt"]),
        ({"type": "greaterThan", "attribute": "size", "value": 1}, ["b.txt", "c.txt"]),
        ({"type": "between", "attribute": "size", "value": [2, 2]}, ["b.txt"]),
        ({"type": "isNull", "attribute": "parentId"}, ["a.txt", "b.txt", "c.txt"]),
        ({"type": "isTrue", "attribute": "global"}, []),
        (
            {
                "type": "or",
                "value": [
                    {"type": "equals", "attribute": "size", "value": "1"},
                    {"type": "endsWith", "attribute": "name", "value": "c.txt"},
                ],
            },
            ["a.txt", "c.txt"],
        ),
    ],
)
async def test_where_chooses(crm: httpx.AsyncClient, item: dict[str, Any], names: list[str]) -> None:
    """The searches that a gateway may send choose what the real server would."""
    # given files of one, two and three bytes
    for size, name in enumerate(("a.txt", "b.txt", "c.txt"), 1):
        await upload(crm, name, file=data_uri(b"x" * size))

    # when
    search = json.dumps({"where": [item], "orderBy": "name", "order": "ASC"})
    answer = await crm.get("/Attachment", params={"searchParams": search}, auth=ADMIN)

    # then
    assert [each["name"] for each in answer.json()["list"]] == names


async def test_total_is_not_counted_on_demand(crm: httpx.AsyncClient) -> None:
    """With X-No-Total the total only says whether there is more."""
    # given
    for _ in range(3):
        await upload(crm)
    headers = {"X-No-Total": "true"}

    # when
    totals = [
        (await crm.get("/Attachment", params={"maxSize": 2, "offset": at}, headers=headers, auth=ADMIN)).json()
        for at in (0, 2)
    ]

    # then
    assert [(each["total"], len(each["list"])) for each in totals] == [(-1, 2), (-2, 1)]


async def test_too_many_wrong_keys_close_the_door_for_a_minute(
    crm: httpx.AsyncClient, clock: seed.Clock
) -> None:
    """A refused credential that is sent again and again locks the right ones out too."""
    # given eleven wrong keys
    wrong = [await crm.get("/Case", headers={"X-Api-Key": f"wrong-{number}"}) for number in range(11)]

    # when the right key comes at once, and after a minute
    at_once = await crm.get("/Case", headers=KEY)
    clock.time += timedelta(seconds=61)
    later = await crm.get("/Case", headers=KEY)

    # then
    assert {each.status_code for each in wrong} == {401}
    assert (at_once.status_code, at_once.content, "x-status-reason" in at_once.headers) == (403, b"", False)
    assert later.status_code == 200


async def test_maintenance_lets_admins_in_only(crm: httpx.AsyncClient) -> None:
    """During maintenance an API user gets 503 with a reason, and the admin can end it."""
    # given
    await crm.put("/Settings", json={"maintenanceMode": True}, auth=ADMIN)

    # when
    refused = await crm.get("/Case", headers=KEY)
    ended = await crm.put("/Settings", json={"maintenanceMode": False}, auth=ADMIN)

    # then
    assert (refused.status_code, refused.headers["x-status-reason"]) == (
        503,
        "Application is in maintenance mode.",
    )
    assert "maintenance" in refused.json()["message"]
    assert ended.status_code == 200
    assert (await crm.get("/Case", headers=KEY)).status_code == 200


def raw_signature(method: str, path: str) -> str:
    """Sign as clients did before EspoCRM 8.4.1, with the bytes of the digest."""
    digest = hmac.new(seed.HMAC_SECRET.encode(), f"{method} {path}".encode(), hashlib.sha256).digest()
    return base64.b64encode(seed.HMAC_KEY.encode() + b":" + digest).decode()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (sign("GET", "/Case", seed.HMAC_KEY, seed.HMAC_SECRET), 200),
        (raw_signature("GET", "/Case"), 200),
        (sign("POST", "/Case", seed.HMAC_KEY, seed.HMAC_SECRET), 401),
        (sign("GET", "/Case?maxSize=1", seed.HMAC_KEY, seed.HMAC_SECRET), 401),
        (sign("GET", "/Case", seed.API_KEY, seed.HMAC_SECRET), 401),
        (sign("GET", "/Case", seed.HMAC_KEY, "another secret"), 401),
        ("not base64 at all!", 401),
    ],
)
async def test_signature_covers_method_and_path(crm: httpx.AsyncClient, header: str, status: int) -> None:
    """A signature holds for one method and one path, without the query."""
    # given a signature

    # when
    answer = await crm.get("/Case?maxSize=1", headers={"X-Hmac-Authorization": header})

    # then
    assert answer.status_code == status


async def test_key_that_signs_is_no_key_to_send(crm: httpx.AsyncClient) -> None:
    """The public half of an HMAC user opens nothing by itself."""
    # given the key of the user that signs

    # when
    answer = await crm.get("/Case", headers={"X-Api-Key": seed.HMAC_KEY})

    # then
    assert (answer.status_code, answer.content) == (401, b"")


async def test_token_serves_as_password(crm: httpx.AsyncClient) -> None:
    """A token from App/user logs in through the header without a scheme, and a wrong one doesn't."""
    # given
    token = (await crm.get("/App/user", auth=ADMIN)).json()["token"]
    pairs = [f"{seed.ADMIN}:{token}", f"{seed.ADMIN}:wrong", "no colon"]

    # when
    answers = [
        await crm.get(
            "/Attachment", headers={"Espo-Authorization": base64.b64encode(each.encode()).decode(), **KEY}
        )
        for each in pairs
    ]

    # then the key beside it is not looked at
    assert [each.status_code for each in answers] == [200, 401, 400]


async def test_stale_version_is_refused(crm: httpx.AsyncClient) -> None:
    """Types with version numbers refuse a change that was made from an old reading."""
    # given a case that changed once
    case = await create(crm, "Case", name="c")
    await crm.put(f"/Case/{case['id']}", json={"name": "d"}, headers=KEY)

    # when
    stale = await crm.put(
        f"/Case/{case['id']}",
        json={"name": "e"},
        headers={**KEY, "X-Version-Number": str(case["versionNumber"])},
    )

    # then
    assert (stale.status_code, stale.headers["x-status-reason"]) == (409, "modified")
    assert stale.json() == {"values": {"name": "d"}, "versionNumber": 2}


async def test_second_account_of_a_name_is_refused(crm: httpx.AsyncClient) -> None:
    """A duplicate comes back with the record that is there already, unless the check is skipped."""
    # given
    first = await create(crm, "Account", name="Acme")

    # when
    again = await crm.post("/Account", json={"name": "Acme"}, headers=KEY)
    skipped = await crm.post(
        "/Account", json={"name": "Acme"}, headers={**KEY, "X-Skip-Duplicate-Check": "true"}
    )

    # then
    assert (again.status_code, again.headers["x-status-reason"]) == (409, "duplicate")
    assert [each["id"] for each in again.json()] == [first["id"]]
    assert skipped.status_code == 200


@pytest.mark.parametrize("size", [1, 5, 300_000])
async def test_chunks_finish_at_the_announced_size(crm: httpx.AsyncClient, size: int) -> None:
    """The chunk that reaches the size ends the upload, and the bytes come back equal."""
    # given an upload that was begun
    content = bytes(number % 251 for number in range(size))
    begun = await crm.post(
        "/Attachment",
        json={
            "name": "a.pdf",
            "type": "application/pdf",
            "relatedType": "Document",
            "field": "file",
            "isBeingUploaded": True,
            "size": size,
        },
        headers=KEY,
    )
    key = begun.json()["id"]

    # when it is sent in chunks of 100,000 bytes
    for start in range(0, size, 100_000):
        chunk = data_uri(content[start : start + 100_000])
        (await crm.post(f"/Attachment/chunk/{key}", content=chunk, headers=KEY)).raise_for_status()

    # then
    record = (await crm.get(f"/Attachment/{key}", headers=KEY)).json()
    download = await crm.get(f"/Attachment/file/{key}", headers=KEY)
    more = await crm.post(f"/Attachment/chunk/{key}", content=data_uri(b"x"), headers=KEY)
    assert (record["isBeingUploaded"], record["size"]) == (False, size)
    assert download.content == content
    assert more.headers["x-status-reason"] == "Attachment is not being-uploaded."


async def test_name_stands_unescaped_in_the_disposition(crm: httpx.AsyncClient) -> None:
    """Quotes and UTF-8 come back raw, without ETag and without ranges: careful clients write their own header."""
    # given
    record = await upload(crm, 'Résumé "v2".txt')

    # when
    answer = await crm.get(f"/Attachment/file/{record['id']}", headers={**KEY, "Range": "bytes=0-0"})

    # then
    disposition = dict(answer.headers.raw)[b"content-disposition"]
    assert disposition == 'attachment; filename="Résumé "v2".txt"'.encode()
    assert answer.status_code == 200
    assert not {"etag", "accept-ranges", "content-range"} & answer.headers.keys()


@pytest.mark.parametrize("name", ["a\rb.txt", "a\nb.txt", "a\0b.txt", "a\x1bb.txt"])
async def test_control_character_breaks_the_download(crm: httpx.AsyncClient, name: str) -> None:
    """A name with a control character uploads, and its file can never be fetched."""
    # given
    record = await upload(crm, name)

    # when
    answer = await crm.get(f"/Attachment/file/{record['id']}", headers=KEY)

    # then
    assert (answer.status_code, answer.content, "x-status-reason" in answer.headers) == (500, b"", False)


async def test_others_change_nothing_of_mine(crm: httpx.AsyncClient) -> None:
    """Attachments and notes belong to who made them, whatever the role allows elsewhere."""
    # given a note with an attachment on an account, which everybody may read
    account = await create(crm, "Account", name="Acme")
    file = await upload(crm)
    note = await create(
        crm, "Note", post="p", parentType="Account", parentId=account["id"], attachmentsIds=[file["id"]]
    )

    # when another user reads and changes
    paths = [f"/Attachment/{file['id']}", f"/Note/{note['id']}", f"/Account/{account['id']}"]
    read = [(await crm.get(path, headers=READONLY)).status_code for path in paths]
    changed = [(await crm.put(path, json={"name": "x"}, headers=READONLY)) for path in paths]
    settings = await crm.put("/Settings", json={"maintenanceMode": True}, headers=KEY)

    # then
    assert read == [200, 200, 200]
    assert [each.headers["x-status-reason"] for each in changed] == ["No edit access."] * 3
    assert settings.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Nope", 404),
        ("GET", "/a/b/c/d", 404),
        ("PUT", "/Attachment", 405),
        ("DELETE", "/Settings", 405),
        ("POST", "/User", 403),
        ("GET", "/Account/1/cases", 404),
    ],
)
async def test_unknown_routes(crm: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    """What isn't imitated is refused, never answered with an invention."""
    # given a route that isn't there

    # when
    answer = await crm.request(method, path, headers=KEY)

    # then
    assert answer.status_code == status


def test_large_upload_is_decoded_piece_by_piece() -> None:
    """An upload of 50 MB doesn't live in memory several times over."""
    # given the body of an upload of 12 MB
    body = bytearray(b"data:application/pdf;base64," + b"A" * (16 << 20))

    # when it is decoded into a file
    tracemalloc.start()
    stored = Uploaded()
    stored.append(lenient_base64(between_commas(windows(memoryview(body)))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # then next to nothing was needed besides
    assert stored.size == 12 << 20
    assert peak < 4 << 20
    assert sum(map(len, stored.pieces())) == 12 << 20
