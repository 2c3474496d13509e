"""Requests to the GraphQL endpoint, whose headers are looked up some ten times each."""

from functools import cached_property

from starlette.datastructures import Headers
from starlette.requests import Request


class IndexedHeaders(Headers):
    """Headers that are decoded once and found at once; of several with one name the first counts, as ever."""

    @cached_property
    def _first(self) -> dict[str, str]:
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self.raw)}

    def __getitem__(self, key: str) -> str:
        """Give the value of a header; raises KeyError."""
        return self._first[key.lower()]


class Incoming(Request):
    """A request that keeps its headers in a map."""

    @property
    def headers(self) -> Headers:
        """The headers."""
        if not hasattr(self, "_indexed"):
            self._indexed = IndexedHeaders(scope=self.scope)
        return self._indexed
