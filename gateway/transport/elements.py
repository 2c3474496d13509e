"""Reads XML elements by the local names of their children, whatever their order and namespaces."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from gateway.domain.errors import BadResponse

COUNT = re.compile(r"[0-9]{1,18}")
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def local_name(element: Element) -> str:
    """Give the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


class Fields:
    """The children of an element as fields, none of which is sure to be there; of two with one name, the last."""

    def __init__(self, element: Element, source: str) -> None:
        self._source = source
        self._element = element
        self._parts = {local_name(child): child for child in element}

    def text(self, name: str) -> str | None:
        """Give a text as it is written; None for an element that is missing or blank."""
        text = self._parts[name].text if name in self._parts else None
        return text if text and not text.isspace() else None

    def word(self, name: str) -> str | None:
        """Give a text without the space around it."""
        text = self.text(name)
        return text.strip() if text else None

    def boolean(self, name: str) -> bool | None:
        """Read an ``xs:boolean``; raises BadResponse."""
        word = self.word(name)
        if word is not None and word not in BOOLEANS:
            raise BadResponse(f"The source sent a `{name}` that is not a boolean.", source=self._source)
        return BOOLEANS[word] if word else None

    def count(self, name: str) -> int | None:
        """Read a number that is not negative; raises BadResponse."""
        word = self.word(name)
        if word is not None and not COUNT.fullmatch(word):
            raise BadResponse(f"The source sent a `{name}` that is no count.", source=self._source)
        return int(word) if word else None

    def inner(self, name: str) -> "Fields | None":
        """Give the fields of a child."""
        return Fields(self._parts[name], self._source) if name in self._parts else None

    def every(self, name: str) -> "Iterator[Fields]":
        """Give the fields of each child of one name, in their order."""
        return (Fields(child, self._source) for child in self._element if local_name(child) == name)
