"""Tests of compressed bodies: whole ones come out as they went in, in whatever pieces; others are named."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest

from gateway.transport.decompression import (
    MOST_MEMBERS,
    PIECE,
    RATIO,
    SMALL,
    Decompression,
    DecompressionError,
    InflatedError,
)

TEXT = b"".join(b'{"id": %d},' % number for number in range(20_000))


def bare(body: bytes) -> bytes:
    """Press a body without zlib's own header, as older servers do."""
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(body) + machine.flush()


PRESSED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "gzip, twice": ("x-gzip", lambda body: gzip.compress(body[:100]) + gzip.compress(body[100:])),
    "gzip, padded": ("gzip", lambda body: gzip.compress(body) + bytes(100)),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
    "brotli": ("br", brotli.compress),
}


def fed(decompression: Decompression, *pieces: bytes) -> list[bytes]:
    """Decompress pieces up to the end."""
    found = [out for piece in pieces for out in decompression.feed(piece)]
    decompression.check_end()
    return found


@pytest.mark.parametrize("form", PRESSED)
@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_a_body_comes_out_as_it_went_in(form: str, step: int) -> None:
    """Wherever it is cut, and never much of it at once."""
    # given
    coding, press = PRESSED[form]
    packed = press(TEXT)
    pieces = [packed[start : start + step] for start in range(0, len(packed), step)]

    # when
    found = fed(Decompression(coding), *pieces)

    # then
    assert b"".join(found) == TEXT
    assert max(map(len, found)) <= 2 * PIECE


@pytest.mark.parametrize("form", PRESSED)
@pytest.mark.parametrize("size", [*range(PIECE - 1, PIECE + 4), *range(2 * PIECE - 1, 2 * PIECE + 4)])
def test_a_body_may_end_where_a_piece_does(form: str, size: int) -> None:
    """What is left behind when a piece is full comes all the same."""
    # given
    coding, press = PRESSED[form]

    # when
    found = fed(Decompression(coding), press(bytes(size)))

    # then
    assert b"".join(found) == bytes(size)


def test_nothing_again_and_again_is_given_up() -> None:
    """Each of many empty bodies of gzip in one costs a copy of all that follow it."""
    # when, then
    with pytest.raises(DecompressionError):
        fed(Decompression("gzip"), gzip.compress(b"") * (MOST_MEMBERS + 1))


@pytest.mark.parametrize("form", PRESSED)
def test_half_a_body_is_none(form: str) -> None:
    """A connection that broke in time for the length does not make a list shorter."""
    # given
    coding, press = PRESSED[form]

    # when, then
    with pytest.raises(DecompressionError):
        fed(Decompression(coding), press(TEXT).rstrip(b"\0")[:-1])


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_other_bytes_are_no_body(coding: str) -> None:
    """What only says that it is compressed is refused."""
    # when, then
    with pytest.raises(DecompressionError):
        fed(Decompression(coding), b"\x0bpssst pssst pssst")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_no_body_is_whole(coding: str) -> None:
    """204 and the like may name a coding too."""
    # when, then
    assert fed(Decompression(coding), b"") == fed(Decompression(coding)) == []


@pytest.mark.parametrize("form", PRESSED)
def test_what_blows_up_is_given_up_on_the_way(form: str) -> None:
    """A hundred times what came, and a megabyte at least, is all that is made of it."""
    # given
    coding, press = PRESSED[form]
    packed = press(bytes(64 * SMALL))
    sizes: list[int] = []

    # when
    with pytest.raises(InflatedError):
        sizes.extend(map(len, Decompression(coding).feed(packed)))

    # then
    assert sum(sizes) <= max(SMALL, RATIO * len(packed))
