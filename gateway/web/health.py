"""`/livez` and `/readyz`: whether the process runs, and whether it should be given requests."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

NO_STORE = {"cache-control": "no-store"}


class Health:
    """Answers the two probes of an orchestrator. Neither asks a source: one that is down is no reason to restart.

    ``ready`` is True between the start and the stop of the application.
    """

    def __init__(self) -> None:
        self.ready = False

    async def live(self, _: Request) -> Response:
        """Say that the event loop turns."""
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def is_ready(self, _: Request) -> Response:
        """Say whether requests may come: not before the start, and not once the stop has begun."""
        status = "ok" if self.ready else "stopping"
        return JSONResponse({"status": status}, 200 if self.ready else 503, headers=NO_STORE)
