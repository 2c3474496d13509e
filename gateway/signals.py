"""What SIGTERM and Ctrl-C do to a program that runs until it is stopped."""

import signal
import sys
import threading

_asked = threading.Event()


def exit_on_signals() -> None:
    """Make both raise SystemExit(0), before and again after a server handles them itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit)


def is_asked_to_stop() -> bool:
    """Tell whether one of them came. What was running then may have swallowed the exit, as event loops do."""
    return _asked.is_set()


def ignore_signals() -> None:
    """Let a stop that has begun come to its end, however impatient somebody gets."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _exit(_: int, __: object) -> None:
    _asked.set()
    sys.exit(0)
