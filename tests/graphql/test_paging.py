"""Cursors are honest: pages neither repeat nor lose an item, and a cursor works where it comes from, nowhere else."""

import base64
from collections.abc import Callable, Sequence
from itertools import cycle, pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.errors import BadCursor, GatewayError
from gateway.domain.model import Attachment, StoredFile
from gateway.domain.ordering import Direction, Filter, Order, OrderField, arrange
from gateway.domain.paging import Page, PageRequest, paginate, scope
from gateway.domain.refs import Ref, RefType
from gateway.identifiers import DEVELOPMENT_KEYS, Identifiers
from resolvers.errors import as_gateway_error
from tests.graphql.places import Cases, ask, attachment
from tests.identifiers import IDS

MOST = 100
SCOPE = scope("a list")
CASE = Ref("cases", RefType.RECORD, ("1",))

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""A busy machine takes its time, which says nothing about the code."""

# Few different values, so that many files share one and only their references tell them apart.
files = st.builds(
    attachment,
    st.integers(0, 60),
    st.sampled_from(["a.pdf", "A.pdf", "b.pdf", "é.pdf", ""]),
    st.none() | st.integers(0, 3),
    st.none() | st.integers(0, 3),
)
lists = st.lists(files, max_size=40, unique_by=lambda one: one.ref)
orders = st.builds(Order, st.sampled_from(OrderField), st.sampled_from(Direction))
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=8)
"""The sizes of consecutive pages, taken round and round."""


def cut(items: Sequence[StoredFile], order: Order, request: PageRequest) -> Page[StoredFile]:
    """Cut a page out of files, as the fields of the schema do."""
    ordered = arrange(items, Filter(), order)
    return paginate(
        ordered,
        request,
        key=order.key,
        descending=order.descending,
        belongs_to=SCOPE,
        sealing=IDS.cursors,
        most=MOST,
    )


def forward(
    page_of: Callable[[PageRequest], Page[Any]], steps: Sequence[int], after: str | None = None
) -> list[Page[Any]]:
    """Turn pages forward until there is no next one."""
    pages = []
    for size in cycle(steps):
        pages.append(page_of(PageRequest(first=size, after=after)))
        if not pages[-1].has_next:
            return pages
        after = pages[-1].cursor(-1)
    return pages


def backward(
    page_of: Callable[[PageRequest], Page[Any]], steps: Sequence[int], before: str | None = None
) -> list[Page[Any]]:
    """Turn pages backward until there is no previous one; the last page of the answer is the first of the list."""
    pages = []
    for size in cycle(steps):
        pages.append(page_of(PageRequest(last=size, before=before)))
        if not pages[-1].has_previous:
            return pages
        before = pages[-1].cursor(0)
    return pages


def refs(pages: Sequence[Page[StoredFile]]) -> list[Ref]:
    """List what is on pages, in their order."""
    return [item.ref for page in pages for item in page.items]


# Pages of a list that stays


@patient
@given(lists, orders, sizes)
def test_pages_forward_give_each_item_once(items: list[Attachment], order: Order, steps: list[int]) -> None:
    """Whatever the order and the sizes, pages put together are the list."""
    # given files in an order
    whole = [item.ref for item in arrange(items, Filter(), order)]

    # when all pages are turned
    pages = forward(lambda request: cut(items, order, request), steps)

    # then they are the list, full but for the last, and say what is around them
    assert refs(pages) == whole
    assert all(len(page.items) == size for page, size in zip(pages[:-1], cycle(steps), strict=False))
    assert [page.has_previous for page in pages] == [False] + [True] * (len(pages) - 1)
    assert {page.total for page in pages} == {len(whole)}


@patient
@given(lists, orders, sizes)
def test_pages_backward_give_each_item_once(items: list[Attachment], order: Order, steps: list[int]) -> None:
    """Turned from the end, pages are the same list; each page itself still reads from its start."""
    # given files in an order
    whole = [item.ref for item in arrange(items, Filter(), order)]

    # when all pages are turned from the end
    pages = backward(lambda request: cut(items, order, request), steps)

    # then, the last one first, they are the list
    assert refs(pages[::-1]) == whole
    assert [page.has_next for page in pages] == [False] + [True] * (len(pages) - 1)


@patient
@given(lists.filter(bool), orders, sizes, sizes, st.data())
def test_both_directions_meet_at_any_cursor(
    items: list[Attachment], order: Order, ahead: list[int], back: list[int], data: st.DataObject
) -> None:
    """From any item on, what comes before and what comes after it is the rest of the list."""
    # given the cursor of any item
    whole = cut(items, order, PageRequest(first=MOST))
    middle = data.draw(st.integers(0, len(whole.items) - 1))
    cursor = whole.cursor(middle)

    # when pages are turned from it in both directions
    after = forward(lambda request: cut(items, order, request), ahead, cursor)
    before = backward(lambda request: cut(items, order, request), back, cursor)

    # then they and the item are the list
    assert [*refs(before[::-1]), whole.items[middle].ref, *refs(after)] == refs([whole])


@patient
@given(lists.filter(bool), orders, st.data())
def test_a_page_between_two_cursors_is_what_lies_between(
    items: list[Attachment], order: Order, data: st.DataObject
) -> None:
    """`after` and `before` together bound a page from both sides, whichever end it counts from."""
    # given the cursors of two items
    whole = cut(items, order, PageRequest(first=MOST))
    low = data.draw(st.integers(0, len(whole.items) - 1))
    high = data.draw(st.integers(0, len(whole.items) - 1))
    after, before = whole.cursor(low), whole.cursor(high)

    # when what lies between them is asked for from both ends
    first = cut(items, order, PageRequest(first=2, after=after, before=before))
    last = cut(items, order, PageRequest(last=2, after=after, before=before))

    # then it is the start and the end of that, and nothing where they are the wrong way round
    between = refs([whole])[low + 1 : high]
    assert refs([first]) == between[:2]
    assert refs([last]) == between[-2:]


# Pages of a list that changes


@patient
@given(lists, lists, orders, sizes, st.data())
def test_items_that_come_and_go_disturb_no_other(
    items: list[Attachment], others: list[Attachment], order: Order, steps: list[int], data: st.DataObject
) -> None:
    """What stays in the list is seen exactly once, in order, whatever comes and goes between two pages."""
    # given a list of which some stay, while before each page others come and go
    staying = [item for item in items if data.draw(st.booleans())]
    kept = {item.ref for item in staying}
    passing = [item for item in (*items, *others) if item.ref not in kept]
    now = list(items)

    def change_and_cut(request: PageRequest) -> Page[StoredFile]:
        page = cut(now, order, request)
        now[:] = [*staying, *(item for item in passing if data.draw(st.booleans()))]
        return page

    # when pages are turned until there is no next one
    seen = refs(forward(change_and_cut, steps))

    # then what stayed is there once, in its order
    assert [ref for ref in seen if ref in kept] == [item.ref for item in arrange(staying, Filter(), order)]


@patient
@given(lists.filter(lambda items: len(items) > 1), orders, st.data())
def test_a_cursor_outlives_its_item(items: list[Attachment], order: Order, data: st.DataObject) -> None:
    """The last item of a page may be gone when the next page is asked for."""
    # given the cursor of an item that is deleted then
    whole = cut(items, order, PageRequest(first=MOST))
    gone = data.draw(st.integers(0, len(whole.items) - 2))
    left = [item for item in items if item.ref != whole.items[gone].ref]

    # when the next page is asked for
    page = cut(left, order, PageRequest(first=1, after=whole.cursor(gone)))

    # then it starts with what followed
    assert refs([page]) == [whole.items[gone + 1].ref]


# Lists in an order of their own, as what is below a folder


def in_their_order(numbers: Sequence[int], request: PageRequest) -> Page[int]:
    """Cut a page out of a list that is not sorted by its keys."""
    return paginate(numbers, request, key=str, ordered=False, belongs_to=SCOPE, sealing=IDS.cursors, most=MOST)


@patient
@given(st.lists(st.integers(), unique=True, max_size=40), sizes)
def test_unsorted_lists_keep_their_order_on_pages(numbers: list[int], steps: list[int]) -> None:
    """A walk through a tree has an order that no key tells; its pages are that walk."""
    # given a list in any order

    # when it is turned in both directions
    ahead = forward(lambda request: in_their_order(numbers, request), steps)
    back = backward(lambda request: in_their_order(numbers, request), steps)

    # then both are the list
    assert [number for page in ahead for number in page.items] == numbers
    assert [number for page in back[::-1] for number in page.items] == numbers


def test_a_cursor_in_an_unsorted_list_ends_with_its_item() -> None:
    """Where only the item tells the place, a guess would repeat or lose others."""
    # given the cursor of an item that is gone then
    cursor = in_their_order([3, 1, 2], PageRequest(first=2)).cursor(1)

    # when the next page is asked for
    with pytest.raises(BadCursor) as caught:
        in_their_order([3, 2], PageRequest(first=2, after=cursor))

    # then the answer is that it has ended
    assert "gone" in str(caught.value)


# Through the schema

PAGE = """
query ($case: String!, $first: Int, $after: String, $last: Int, $before: String, $where: StoredFileFilter,
       $order: StoredFileOrder) {
  record(by: { case: { source: "cases", caseId: $case } }) {
    attachments(first: $first, after: $after, last: $last, before: $before, where: $where, orderBy: $order) {
      totalCount
      pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
      edges { cursor node { name } }
    }
  }
}
"""
MERGED = """
query ($case: String!, $first: Int, $after: String, $last: Int, $before: String, $where: StoredFileFilter,
       $order: StoredFileOrder) {
  storedFiles(in: [{ record: { case: { source: "cases", caseId: $case } } }], first: $first, after: $after,
              last: $last, before: $before, where: $where, orderBy: $order) {
    totalCount
    pageInfo { startCursor endCursor hasNextPage hasPreviousPage }
    edges { cursor node { name } }
  }
}
"""
FIELDS = {"Record.attachments": PAGE, "Query.storedFiles": MERGED}
ASKED: dict[str, Any] = {"case": "1", "where": {"nameContains": "n"}, "order": {"field": "NAME"}}


def connection_of(data: Any) -> Any:
    """Find the connection in an answer of either query."""
    return data["storedFiles"] if "storedFiles" in data else data["record"]["attachments"]


async def refused(query: str, **variables: Any) -> GatewayError:
    """Ask for a page that must be refused, and give the error."""
    answer = await ask(Cases([attachment(number, f"n{number}.pdf") for number in range(5)]), query, **variables)
    assert connection_of(answer.data) is None
    (error,) = answer.errors
    return as_gateway_error(error)


async def cursor_of(query: str) -> str:
    """Get the cursor of a first page."""
    source = Cases([attachment(number, f"n{number}.pdf") for number in range(5)])
    answer = await ask(source, query, first=2, **ASKED)
    cursor: str = connection_of(answer.data)["pageInfo"]["endCursor"]
    return cursor


@pytest.mark.parametrize("query", FIELDS.values(), ids=FIELDS)
async def test_the_schema_turns_pages(query: str) -> None:
    """The fields pass arguments on and show a page as Relay wants it."""
    # given five files and the cursor of the second one
    source = Cases([attachment(number, f"n{number}.pdf") for number in (4, 2, 0, 1, 3)])
    cursor = await cursor_of(query)

    # when the next two and the previous one are asked for
    after = connection_of((await ask(source, query, first=2, after=cursor, **ASKED)).data)
    before = connection_of((await ask(source, query, last=2, before=cursor, **ASKED)).data)

    # then they are those, with the cursors of their ends
    assert [edge["node"]["name"] for edge in after["edges"]] == ["n2.pdf", "n3.pdf"]
    assert [edge["node"]["name"] for edge in before["edges"]] == ["n0.pdf"]
    assert after["totalCount"] == before["totalCount"] == 5
    assert after["pageInfo"] == {
        "startCursor": after["edges"][0]["cursor"],
        "endCursor": after["edges"][1]["cursor"],
        "hasNextPage": True,
        "hasPreviousPage": True,
    }
    assert (before["pageInfo"]["hasNextPage"], before["pageInfo"]["hasPreviousPage"]) == (True, False)


@pytest.mark.parametrize("query", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize(
    "change",
    [
        {"case": "2"},
        {"where": {"nameContains": "n1"}},
        {"where": None},
        {"order": {"field": "SIZE"}},
        {"order": {"field": "NAME", "direction": "DESC"}},
    ],
    ids=["parent", "filter", "no filter", "order", "direction"],
)
@pytest.mark.parametrize("end", ["after", "before"])
async def test_a_cursor_of_another_list_is_refused(query: str, change: dict[str, Any], end: str) -> None:
    """In another list a cursor would name a place that means nothing."""
    # given a cursor of one list
    cursor = await cursor_of(query)

    # when it is used in a list that differs in one thing
    error = await refused(query, **{**ASKED, **change, end: cursor})

    # then the client is told so
    assert error.code == "BAD_CURSOR"


@pytest.mark.parametrize(("given_by", "used_in"), [(PAGE, MERGED), (MERGED, PAGE)], ids=["merged", "own"])
async def test_a_cursor_of_another_field_is_refused(given_by: str, used_in: str) -> None:
    """Two fields may show the same files in the same order, and still have cursors of their own."""
    # given a cursor of one field
    cursor = await cursor_of(given_by)

    # when it is used in the other one
    error = await refused(used_in, after=cursor, **ASKED)

    # then the client is told so
    assert error.code == "BAD_CURSOR"


@patient
@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
async def test_nonsense_is_no_cursor(text: str) -> None:
    """Any text is refused with a code, as the caller's mistake and never as a defect of the gateway."""
    # given any text

    # when it is used as a cursor
    error = await refused(PAGE, after=text, **ASKED)

    # then the client is told so
    assert error.code == "BAD_CURSOR"


@pytest.mark.parametrize(
    "key",
    ["null", "1", '"x"', "{}", "[null]", '[false,5,"cases","a",["1","1"]]'],
    ids=["null", "number", "text", "object", "list", "other types"],
)
@pytest.mark.parametrize("query", FIELDS.values(), ids=FIELDS)
async def test_a_cursor_of_another_version_is_refused(query: str, key: str) -> None:
    """What cannot be compared is no defect: an older gateway may have written places in another form."""
    # given a cursor that belongs to the list, but with a place of another form
    owner, _ = msgspec.json.decode(IDS.cursors.open(await cursor_of(query)))
    other = IDS.cursors.seal(f'["{owner}",{key}]'.encode())

    # when it is used
    error = await refused(query, after=other, **ASKED)

    # then the client is told so
    assert error.code == "BAD_CURSOR"


@pytest.mark.parametrize("query", FIELDS.values(), ids=FIELDS)
async def test_a_cursor_shows_nothing_and_stays_with_its_tenant(query: str) -> None:
    """Sort keys hold names and identifiers of the source, which a cursor must neither show nor carry elsewhere."""
    # given a cursor, and the same place as another tenant would have it
    cursor = await cursor_of(query)
    content = IDS.cursors.open(cursor)
    foreign = Identifiers(DEVELOPMENT_KEYS, "another").cursors.seal(content)

    # when its bytes are looked at, and the foreign one and an identifier are used
    shown = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    errors = [await refused(query, after=text, **ASKED) for text in (foreign, IDS.seal(CASE))]

    # then nothing can be read, and neither is a cursor
    assert b"cases" in content
    assert b"cases" not in shown
    assert [error.code for error in errors] == ["BAD_CURSOR"] * 2


@pytest.mark.parametrize("query", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize(
    ("sizes_asked", "named"),
    [
        ({"first": 0}, "first"),
        ({"first": -1}, "first"),
        ({"first": 101}, "first"),
        ({"last": 0}, "last"),
        ({"last": 101}, "last"),
        ({"first": 1, "last": 1}, "first"),
    ],
    ids=str,
)
async def test_sizes_are_bounded(query: str, sizes_asked: dict[str, int], named: str) -> None:
    """No answer is larger than a page, and the source is not even asked for one that would be."""
    # given a source
    source = Cases([attachment(1)])

    # when a page of a wrong size is asked for
    answer = await ask(source, query, case="1", **sizes_asked)

    # then the argument is named, and nothing was asked
    (error,) = answer.errors
    assert as_gateway_error(error).code == "BAD_INPUT"
    assert f"`{named}`" in error.message
    assert source.asked == []


@pytest.mark.parametrize("query", FIELDS.values(), ids=FIELDS)
async def test_a_page_has_a_hundred_where_no_size_is_asked(query: str) -> None:
    """Leaving the size out is no way around the bound."""
    # given more files than a page holds
    source = Cases([attachment(number) for number in range(101)])

    # when they are asked for without a size, and with the largest one
    bare = connection_of((await ask(source, query, case="1")).data)
    full = connection_of((await ask(source, query, case="1", first=100)).data)

    # then a page comes that says there is more
    assert bare == full
    assert len(bare["edges"]) == 100
    assert bare["pageInfo"]["hasNextPage"]


@patient
@given(lists.filter(bool), orders)
def test_cursors_are_short_and_all_different(items: list[Attachment], order: Order) -> None:
    """A cursor goes into an address bar, and two items never share one."""
    # given files in an order

    # when they are shown on one page
    page = cut(items, order, PageRequest(first=MOST))

    # then each has a cursor of its own that fits an address
    cursors = {page.cursor(index) for index in range(len(items))}
    assert len(cursors) == len(page.items)
    assert all(len(cursor) < 300 for cursor in cursors)
    assert all(order.key(one) != order.key(other) for one, other in pairwise(page.items))
