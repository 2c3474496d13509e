"""The headers of an answer as the gateway reads them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


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
        headers: dict[str, str] = {}
        for name, value in self._received:
            key, text = name.decode("latin-1").lower(), _text(value)
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return headers


def _text(value: bytes) -> str:
    """Read bytes that are no UTF-8 as Latin-1, which older servers mean."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
