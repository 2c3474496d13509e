"""Goes on with a coroutine that was started by hand."""

from collections.abc import Coroutine, Generator
from typing import Any


class Started(Generator[Any, Any, Any]):
    """Awaits a coroutine whose first step was done by ``send(None)`` and gave ``pause``: it had to wait.

    The pause is what an event loop expects of a task, most often a future, and reaches it when this is awaited. That
    has to be in the task that did the first step, because a coroutine may have learned in it which task it is in.
    """

    def __init__(self, coroutine: Any, pause: Any) -> None:
        self._coroutine: Coroutine[Any, Any, Any] = coroutine
        self._pauses = [pause]

    def __await__(self) -> "Started":
        """Go on."""
        return self

    def send(self, value: Any) -> Any:
        """Hand on the pause, then whatever the coroutine waits for next."""
        return self._pauses.pop() if self._pauses else self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where the coroutine waits."""
        self._pauses.clear()
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End the coroutine."""
        self._coroutine.close()
