"""Text that must not be shown."""

import threading
from weakref import WeakValueDictionary


class Secret:
    """A password, key or token: its text is reached only through ``reveal``.

    As long as it lives, `gateway.redaction` keeps its text out of logs.
    """

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        with _lock:
            _living[id(self)] = self

    def reveal(self) -> str:
        """Give the text, for the one place that sends it."""
        return self._text

    def __repr__(self) -> str:
        """Show nothing of the text, not even its length."""
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare two secrets by their texts."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash like the text."""
        return hash((Secret, self._text))


_lock = threading.Lock()
_living: WeakValueDictionary[int, Secret] = WeakValueDictionary()


def living_texts() -> frozenset[str]:
    """Give the texts of all secrets that there are."""
    with _lock:
        return frozenset(secret.reveal() for secret in _living.values())
