"""Bodies that are streams: base64 over every seam, and bytes that are counted."""

import base64
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import Conflict
from gateway.transport.bodies import Measured, base64_between, base64_length, base64_of, whole


async def stream(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Give pieces one after another."""
    for piece in pieces:
        yield piece


async def joined(chunks: AsyncIterator[bytes]) -> bytes:
    """Put a stream together."""
    return b"".join([chunk async for chunk in chunks])


@given(st.lists(st.binary(max_size=20), max_size=12))
async def test_base64_is_one_padded_text(pieces: list[bytes]) -> None:
    """However the bytes are cut, their base64 is that of the whole, and as long as was announced."""
    # given
    contents = b"".join(pieces)

    # when
    text = await joined(base64_of(stream(pieces)))

    # then
    assert text == base64.b64encode(contents)
    assert len(text) == base64_length(len(contents))


@given(st.lists(st.binary(max_size=20), max_size=12), st.integers(1, 30))
async def test_parts_are_the_whole(pieces: list[bytes], size: int) -> None:
    """Parts of a chosen length, whatever the pieces are, hold each byte once and in order."""
    # given
    contents = b"".join(pieces)
    staged = Measured(stream(pieces))
    starts = range(0, len(contents), size)

    # when
    parts = [await joined(staged.part(min(size, len(contents) - start))) for start in starts]
    await staged.end()

    # then
    assert parts == [contents[start : start + size] for start in starts]


async def test_base64_between_two_texts_has_its_announced_length() -> None:
    """The length goes into a header before the first byte is read, so it has to be right."""
    # given
    staged = Measured(stream([b"ab", b"", b"cdefg"]))

    # when
    body = base64_between(b'{"file":"', staged, 4, b'"}')
    text = await joined(body.chunks)

    # then
    assert text == b'{"file":"YWJjZA=="}'
    assert body.length == len(text)
    assert await joined(staged.part(3)) == b"efg"


@pytest.mark.parametrize(
    ("pieces", "size", "said"),
    [
        ([b"abc"], 4, "fewer"),
        ([], 1, "fewer"),
        ([b"abc"], 2, "more"),
        ([b"ab", b"", b"c"], 2, "more"),
        ([b"a"], 0, "more"),
    ],
)
async def test_other_number_of_bytes_is_a_conflict(pieces: list[bytes], size: int, said: str) -> None:
    """What is staged is not what was announced: nothing of it may count as uploaded."""
    # given
    chunks = whole(stream(pieces), size)

    # when
    with pytest.raises(Conflict) as failure:
        await joined(chunks)

    # then
    assert said in str(failure.value)
