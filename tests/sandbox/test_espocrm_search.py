"""Lists of the sandbox EspoCRM, which only an admin gets of attachments."""

import json
from typing import Any

import httpx
import pytest

from gateway.sandbox.espocrm import seed
from tests.sandbox.crm import ADMIN, client, data_uri, upload


@pytest.fixture
def crm() -> httpx.AsyncClient:
    """Make a client of a CRM that has users only."""
    return client(seed.empty(seed.Clock()))


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
