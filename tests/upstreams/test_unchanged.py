"""What is remembered of answers that come again unchanged: it saves work, never a request, and is up to date."""

import pytest

from gateway.domain.errors import BadResponse
from gateway.upstreams.unchanged import Unchanged


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
    unchanged, make = Unchanged[list[int]](100), Maker()

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
    unchanged, make = Unchanged[list[int]](100), Maker()
    unchanged.of("2025", (b"one", b"two"), make)

    # when
    found = [unchanged.of("2025", other, make), unchanged.of("2025", other, make)]

    # then
    assert found == [[2], [2]]


def test_questions_do_not_share_answers() -> None:
    """Equal answers to two questions make two things: a library's folders know their library."""
    # given
    unchanged, make = Unchanged[list[int]](100), Maker()

    # when
    found = [unchanged.of(year, (b"[]",), make) for year in ("2024", "2025")]

    # then
    assert found == [[1], [2]]


def test_what_cannot_be_read_is_not_remembered() -> None:
    """A broken answer raises each time, and the next good one is read."""
    # given
    unchanged = Unchanged[list[int]](100)

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
    unchanged, make = Unchanged[list[int]](most), Maker()

    # when
    for _ in range(2):
        unchanged.of("2025", (b"x" * bytes_of_answer,), make)

    # then
    assert make.times == read


def test_what_was_not_asked_for_longest_goes_first() -> None:
    """The memory holds what is in use."""
    # given
    unchanged, make = Unchanged[list[int]](100), Maker()
    answer = (b"x" * 40,)
    for year in ("2023", "2024"):
        unchanged.of(year, answer, make)

    # when
    unchanged.of("2023", answer, make)
    unchanged.of("2025", answer, make)

    # then
    assert unchanged.of("2023", answer, make) == [1]
    assert unchanged.of("2024", answer, make) == [4]
