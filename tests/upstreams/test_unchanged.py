"""What is remembered of answers that come again unchanged: it saves work, never a request, and is up to date."""

import pytest

from gateway.domain.errors import BadResponse
from gateway.domain.model import AttachmentListing, Listed, Record, RecordKind
from gateway.domain.refs import Ref, RefType
from gateway.transport.messages import Response
from gateway.upstreams.unchanged import MARK, Unchanged, UnchangedLists

ROOM = 10_000


class Maker:
    """Makes something new of answers each time it is asked."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> list[int]:
        """Make it."""
        self.times += 1
        return [self.times]


def test_the_same_answer_is_read_once() -> None:
    """What was made of an answer is given again while it comes unchanged."""
    # given
    unchanged, make = Unchanged[list[int]](MARK + 100), Maker()

    # when
    found = [unchanged.of("2025", (bytes([1, 2]), b"three"), make) for _ in range(3)]

    # then
    assert make.times == 1
    assert all(one is found[0] for one in found)


@pytest.mark.parametrize(
    "other", [(b"onf", b"two"), (b"one", b"tw"), (b"one", b"two", b""), (b"onet", b"wo"), ()]
)
def test_another_answer_is_read_anew(other: tuple[bytes, ...]) -> None:
    """A single byte that differs is another answer, and then the new one counts."""
    # given
    unchanged, make = Unchanged[list[int]](MARK + 100), Maker()
    unchanged.of("2025", (b"one", b"two"), make)

    # when
    found = [unchanged.of("2025", other, make), unchanged.of("2025", other, make)]

    # then
    assert found == [[2], [2]]


def test_questions_do_not_share_answers() -> None:
    """Equal answers to two questions make two things: a library's folders know their library."""
    # given
    unchanged, make = Unchanged[list[int]](MARK + 100), Maker()

    # when
    found = [unchanged.of(year, (b"[]",), make) for year in ("2024", "2025")]

    # then
    assert found == [[1], [2]]


def test_what_cannot_be_read_is_not_remembered() -> None:
    """A broken answer raises each time, and the next good one is read."""
    # given
    unchanged = Unchanged[list[int]](MARK + 100)

    def broken() -> list[int]:
        raise BadResponse("broken", source="mails")

    # when
    with pytest.raises(BadResponse):
        unchanged.of("2025", (b"[",), broken)

    # then
    assert unchanged.of("2025", (b"[",), Maker()) == [1]


@pytest.mark.parametrize(("most", "bytes_of_answer", "read"), [(100, 100, 1), (100, 101, 2), (0, 1, 2)])
def test_the_memory_is_bounded(most: int, bytes_of_answer: int, read: int) -> None:
    """What is larger than the setting allows is read each time."""
    # given
    unchanged, make = Unchanged[list[int]](most and MARK + most), Maker()

    # when
    for _ in range(2):
        unchanged.of("2025", (b"x" * bytes_of_answer,), make)

    # then
    assert make.times == read


def test_what_was_not_asked_for_longest_goes_first() -> None:
    """The memory holds what is in use."""
    # given
    unchanged, make = Unchanged[list[int]](2 * (MARK + 50)), Maker()
    answer = (b"x" * 40,)
    for year in ("2023", "2024"):
        unchanged.of(year, answer, make)

    # when
    unchanged.of("2023", answer, make)
    unchanged.of("2025", answer, make)

    # then
    assert unchanged.of("2023", answer, make) == [1]
    assert unchanged.of("2024", answer, make) == [4]


class Lists:
    """Reads lists, and counts how often each answer was read."""

    def __init__(self, most_bytes: int = ROOM) -> None:
        self.read: list[bytes] = []
        self._lists = UnchangedLists(most_bytes)

    def of(self, record: Record, answer: Response) -> AttachmentListing:
        """Give a list."""
        return self._lists.of(record, answer, self._read)

    def _read(self, _: Record, answer: Response) -> Listed:
        self.read.append(answer.body)
        if answer.body == b"broken":
            raise BadResponse("broken", source="mails")
        return Listed((), registered_mail=True)


def mail(number: int) -> Record:
    """Name a mail."""
    return Record(Ref("mails", RefType.RECORD, (str(number),)), RecordKind.MAIL)


def answer(body: bytes, status: int = 200) -> Response:
    """Make an answer of the source."""
    return Response(status, {}, body)


def test_a_list_that_comes_again_is_read_when_somebody_asks_for_it() -> None:
    """The first is read at once, for it may be wrong; of the others what was written may be enough."""
    # given
    lists = Lists()
    first = lists.of(mail(1), answer(b"list"))
    reads = [len(lists.read)]

    # when
    again = lists.of(mail(1), answer(b"list"))
    reads.append(len(lists.read))
    said = [again.registered_mail, again.attachments, first.registered_mail]
    reads.append(len(lists.read))

    # then
    assert reads == [1, 1, 2]
    assert said == [True, (), True]
    assert again.origin == first.origin
    assert again.origin is not None


@pytest.mark.parametrize(
    ("record", "other"),
    [(mail(1), answer(b"lisT")), (mail(2), answer(b"list")), (mail(1), answer(b"list", 500))],
)
def test_lists_that_differ_do_not_share_what_was_written(record: Record, other: Response) -> None:
    """Another content is another list, and so is the same of another mail, whose cursors are its own."""
    # given
    lists = Lists()
    first = lists.of(mail(1), answer(b"list"))

    # when
    second = lists.of(record, other)

    # then
    assert len(lists.read) == 2
    assert second.origin != first.origin


def test_a_list_that_cannot_be_read_fails_each_time_it_comes() -> None:
    """It is never taken for one that came before and was right."""
    # given
    lists = Lists()

    # when, then
    for _ in range(3):
        with pytest.raises(BadResponse):
            lists.of(mail(1), answer(b"broken"))


def test_without_room_lists_have_no_origin() -> None:
    """Where nothing may be kept nothing is, and nothing is compared."""
    # given
    lists = Lists(0)

    # when
    found = [lists.of(mail(1), answer(b"list")) for _ in range(2)]

    # then
    assert [one.origin for one in found] == [None, None]
    assert len(lists.read) == 2


def test_lists_that_came_longest_ago_are_forgotten() -> None:
    """However many records there are, what is known of their lists has a bound."""
    # given
    lists = Lists()
    for number in range(ROOM):
        lists.of(mail(number), answer(b"list"))
    before = len(lists.read)

    # when
    lists.of(mail(0), answer(b"list"))

    # then
    assert len(lists.read) == before + 1


def test_trees_of_nothing_are_counted_too() -> None:
    """Clients choose the years they ask for, and a source may have nothing in any: each takes its place."""
    # given
    unchanged, make = Unchanged[list[int]](3 * MARK), Maker()

    # when
    for year in range(10):
        unchanged.of(year, (b"",), make)
    before = make.times
    for year in (0, 9):
        unchanged.of(year, (b"",), make)

    # then
    assert make.times == before + 1
