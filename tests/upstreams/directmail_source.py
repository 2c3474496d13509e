"""What the tests of the Direct Mail adapter share: an account on a port, and questions to ask of it."""

import json
from datetime import UTC, datetime

from gateway.domain.refs import Ref, RefType
from gateway.domain.secret import Secret
from gateway.sandbox.directmail import seed
from gateway.sandbox.directmail.app import create_app
from gateway.sandbox.upstream import Fault
from gateway.upstreams.directmail import DirectMailSettings
from tests.conformance.subject import Place
from tests.upstreams.bench import put_up

SOURCE = "letters"
BASE = "/api/v2"
NOW = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)


class Bench:
    """An account of its own for one test, behind a running server, with a clock that stands still."""

    def __init__(self, place: Place) -> None:
        self.state = seed.seeded(lambda: NOW)
        self.sandbox = put_up(place, "directmail", create_app(self.state))
        self.origin = place.origin

    def settings(self, secret: str = seed.KEY_SECRET) -> DirectMailSettings:
        """Write the settings of the account's key."""
        return settings(self.origin, secret)

    def answer(self, body: object, headers: dict[str, str] | None = None, times: int | None = None) -> None:
        """Make the server answer this JSON, whatever it is asked, and so many times if given."""
        fixed = {"content-type": "application/json; charset=utf-8", **(headers or {})}
        self.sandbox.fault = Fault(status=200, body=json.dumps(body).encode(), headers=fixed, times=times)

    def message(self, position: int = 0) -> Ref:
        """Name a message of the festival."""
        uuid = list(self.state.projects[seed.FESTIVAL].messages)[position]
        return Ref(SOURCE, RefType.RECORD, (seed.FESTIVAL, uuid))

    def attachments(self, position: int = 0) -> list[Ref]:
        """Name the attachments of a message of the festival."""
        project, uuid = self.message(position).key
        files = self.state.projects[project].messages[uuid].attachments
        return [Ref(SOURCE, RefType.ATTACHMENT, (project, uuid, one)) for one in files]

    def seen(self) -> list[str]:
        """List the paths and queries that reached the server, without the base path."""
        found = [(one.path.removeprefix(BASE), one.query) for one in self.sandbox.requests]
        return [f"{path}?{query}" if query else path for path, query in found]


def settings(origin: str, secret: str = seed.KEY_SECRET) -> DirectMailSettings:
    """Write the settings of the account's key at an origin."""
    return DirectMailSettings(
        name=SOURCE, kind="directmail", url=origin + BASE, key_id=seed.KEY_ID, key_secret=Secret(secret)
    )


def path_of(ref: Ref) -> str:
    """Give the path of a message's list, or of an attachment, below the base path."""
    project, message, *native_id = ref.key
    return "/".join(["/projects", project, "messages", message, "attachments", *native_id])
