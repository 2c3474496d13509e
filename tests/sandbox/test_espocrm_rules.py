"""Rules of the sandbox EspoCRM that the recordings don't show, or show by values only."""

import tracemalloc

import httpx
import pytest

from gateway.sandbox.espocrm import seed
from gateway.sandbox.espocrm.contents import Uploaded, between_commas, lenient_base64, windows
from gateway.sandbox.espocrm.state import State
from tests.sandbox.crm import ADMIN, KEY, READONLY, client, create, data_uri, upload


@pytest.fixture
def state() -> State:
    """Make a CRM that has users only."""
    return seed.empty(seed.Clock())


@pytest.fixture
def crm(state: State) -> httpx.AsyncClient:
    """Make a client of that CRM."""
    return client(state)


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


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/Attachment", {"file": ",eA==", "field": ["a"], "parentType": "Note"}, 500),
        ("POST", "/Attachment", {"file": ",eA==", "field": "attachments", "parentType": {"a": 1}}, 500),
        ("POST", "/Attachment", {"file": {"a": 1}, "field": "attachments", "parentType": "Note"}, 400),
        ("POST", "/Document", {"name": "d", "publishDate": "2026-01-01", "fileId": ["a"]}, 400),
        ("POST", "/Document", {"name": "d", "publishDate": "tomorrow", "fileId": "a"}, 400),
        ("POST", "/Note", {"post": "p", "parentType": ["Account"], "parentId": "a"}, 400),
        ("POST", "/MassAction", {"entityType": "Note", "action": "delete", "params": ["a"]}, 400),
        ("POST", "/Case", ["a"], 400),
    ],
)
async def test_values_of_wrong_types_are_refused(
    crm: httpx.AsyncClient, method: str, path: str, body: object, status: int
) -> None:
    """Whatever JSON arrives, the sandbox answers as a server does, and keeps nothing."""
    # given a body with a value nobody expects

    # when
    answer = await crm.request(method, path, json=body, headers=KEY)

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
