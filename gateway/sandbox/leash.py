"""Runs one command for as long as its standard input stays open; `store.py` starts it as a process of its own.

The parent holds the other end of the pipe. The operating system closes that end when the parent dies, however
it dies and on whichever thread it started the command, so nothing is ever left running. On end of input the
command gets SIGTERM, and SIGKILL when it is still there after the grace period.

Usage: ``python leash.py <grace in seconds> <command> [arguments]``; exits with the command's status.
"""

import os
import signal
import subprocess
import sys
import threading


def main(grace: float, command: list[str]) -> int:
    """Run the command until it ends or the input does; give its exit status, negative for a signal."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the caller's own command
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=_stop_at_end_of_input, args=(child, grace), daemon=True).start()
    return child.wait()


def _stop_at_end_of_input(child: subprocess.Popen[bytes], grace: float) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    child.terminate()
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(abs(main(float(sys.argv[1]), sys.argv[2:])))
