"""What one operation of the gateway carries to every upstream request it makes."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TracedRequest:
    """One upstream request as a trace shows it; ``path`` has no query, which may be signed.

    ``status`` is None where no answer came; ``shared`` says that another operation made the request and this
    one only waited for it.
    """

    source: str
    method: str
    path: str
    status: int | None
    ms: float
    shared: bool = False


@dataclass(slots=True)
class Call:
    """The budget and the trace of one operation.

    ``deadline`` is a reading of ``time.monotonic`` in seconds after which nobody waits for an answer any more.
    ``trace`` is None unless the client asked for it.
    """

    deadline: float
    request_id: str = ""
    trace: list[TracedRequest] | None = field(default=None, repr=False)

    @classmethod
    def lasting(cls, seconds: float, *, request_id: str = "", traced: bool = False) -> "Call":
        """Start an operation that may take so many seconds."""
        return cls(time.monotonic() + seconds, request_id, [] if traced else None)

    def remaining(self) -> float:
        """Tell the seconds left, never less than zero."""
        return max(0.0, self.deadline - time.monotonic())

    def note(self, request: TracedRequest) -> None:
        """Add a request to the trace, where one is kept."""
        if self.trace is not None:
            self.trace.append(request)
