"""What SIGTERM and Ctrl-C do to a program that runs until it is stopped.

They never raise into what happens to run: an exception out of nowhere can leave a lock held, as logging takes its own
just before the `try` that frees it, and then other threads keep the program from its end.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_asked = threading.Event()


def end_on_signals() -> None:
    """End with status 0 at once: for a program that has begun nothing yet that wants to be put in order."""
    _handle(lambda _number, _frame: os._exit(0))


def note_signals() -> None:
    """Remember that one came, until a server handles them itself and again afterwards."""
    _handle(lambda _number, _frame: _asked.set())


def is_asked_to_stop() -> bool:
    """Tell whether a signal came that was only noted: whoever begins something long asks first."""
    return _asked.is_set()


def ignore_signals() -> None:
    """Let a stop that has begun come to its end, however impatient somebody gets."""
    _handle(signal.SIG_IGN)


def _handle(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
