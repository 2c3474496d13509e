"""Requests to the GraphQL endpoint, whose headers are looked up some ten times each."""

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope


class IndexedHeaders(Headers):
    """Headers that are decoded once and found at once; of several with one name the first counts, as ever."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(raw=scope["headers"])
        self._first: dict[str, str] = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])
        }

    def __getitem__(self, key: str) -> str:
        """Give the value of a header; raises KeyError."""
        return self._first[key.lower()]

    def get(self, key: str, default: Any = None) -> Any:
        """Give the value of a header, or the default where it is not there."""
        return self._first.get(key.lower(), default)


class Incoming(Request):
    """A request that keeps its headers in a map."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self._indexed = IndexedHeaders(scope)

    @property
    def headers(self) -> Headers:
        """The headers."""
        return self._indexed
