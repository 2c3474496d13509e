"""What a file says it is, against its first bytes."""

import pytest

from gateway.uploads.verification import fits

PAGE = b"<!DOCTYPE html><html></html>"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("media_type", "head", "expected"),
    [
        ("application/pdf", b"%PDF-1.7", True),
        ("application/pdf", PNG, False),
        ("application/pdf", PAGE, False),
        ("Application/PDF; version=1.7", PAGE, False),
        ("IMAGE/PNG", b"GIF89a", False),
        ("image/png", PNG, True),
        ("image/png", b"", True),
        ("text/plain", b"plain", True),
        ("text/plain", b"  \n" + PAGE, False),
        ("text/plain", b"\xef\xbb\xbf" + PAGE, False),
        ("text/plain", b"#!/bin/sh", False),
        ("text/html", PAGE, True),
        ("text/html; charset=utf-8", PAGE, True),
        ("text/html", b"MZ\x90", False),
        ("application/octet-stream", b"MZ\x90", True),
        ("application/octet-stream", PAGE, False),
    ],
)
def test_bytes_that_pretend_to_be_harmless_are_found_out(media_type: str, head: bytes, expected: bool) -> None:
    """Known types begin as they do; programs and pages that call themselves something else are refused."""
    # given a type and first bytes

    # when
    found = fits(media_type, head)

    # then
    assert found is expected
