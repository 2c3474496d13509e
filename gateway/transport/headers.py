"""The headers of requests, as far as HTTP allows them, and those of answers as the gateway reads them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"(?:[!-~](?:[\t -~]*[!-~])?)?")
"""RFC 9110, 5.5, without the obsolete bytes beyond ASCII."""


class BadHeaderError(Exception):
    """A header holds what HTTP does not allow; it is not quoted, for it may be a credential."""


def check_headers(headers: Iterable[tuple[str, str]]) -> None:
    """Raise BadHeaderError for a name or a value that would be something else on the wire."""
    if not all(NAME.fullmatch(name) and VALUE.fullmatch(value) for name, value in headers):
        raise BadHeaderError


class Received(Mapping[str, str]):
    """Headers by their names in lower case; those that came several times are one list (RFC 9110, 5.3).

    They are read when the first of them is asked for, which of most answers is never.
    """

    def __init__(self, received: Sequence[tuple[bytes, bytes]]) -> None:
        self._received = received

    def __getitem__(self, name: str) -> str:
        """Give the value of a header; raises KeyError."""
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(self._read)

    def __len__(self) -> int:
        """Tell how many different ones there are."""
        return len(self._read)

    @cached_property
    def _read(self) -> dict[str, str]:
        headers: dict[str, list[str]] = {}
        for name, value in self._received:
            headers.setdefault(name.decode("latin-1").lower(), []).append(_text(value.rstrip(b" \t")))
        return {name: ", ".join(texts) for name, texts in headers.items()}


def _text(value: bytes) -> str:
    """Read bytes that are no UTF-8 as Latin-1, which older servers mean."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
