"""Sources that answer from what a test gives them, so that tests of paging say nothing about any upstream."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from gateway.context import RequestContext
from gateway.domain.details import DecisivDetails
from gateway.domain.errors import GatewayError, NotFound
from gateway.domain.model import Attachment, AttachmentListing, Entry, Listed, Record, RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.links import ContentLinks
from gateway.transport.call import Call
from gateway.upstreams.base import Listing
from resolvers.execution.executor import Answer, Executor
from resolvers.schema import make_schema
from tests.execution.comparison import plain
from tests.execution.world import ANYBODY
from tests.identifiers import IDS

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
EXECUTOR = Executor(make_schema())
LINKS = ContentLinks(bytes(32), "http://gateway")


def attachment(
    number: int, name: str = "a.pdf", size: int | None = None, minutes: int | None = None
) -> Attachment:
    """Make an attachment; its number tells it from others of the same name, size and time."""
    case = Ref("cases", RefType.RECORD, ("1",))
    return Attachment(
        ref=Ref("cases", RefType.ATTACHMENT, ("1", str(number))),
        name=name,
        size=size,
        media_type=None,
        created_at=None if minutes is None else EPOCH + timedelta(minutes=minutes),
        updated_at=None,
        record=Record(case, RecordKind.CASE),
        details=DecisivDetails(str(number), *[None] * 9),
        can_update=False,
        can_delete=False,
    )


@dataclass
class Cases:
    """A source of cases; every case holds the attachments that the test gives."""

    attachments: Sequence[Attachment]
    name: str = "cases"
    asked: list[Ref] = field(default_factory=list)

    kind: ClassVar = SourceKind.DECISIV
    record_kind: ClassVar[RecordKind | None] = RecordKind.CASE

    async def fetch(self, refs: Sequence[Ref], call: Call) -> Sequence[Entry | GatewayError]:  # noqa: ARG002
        """Know nothing by itself."""
        return [NotFound("There is no such object.", source=self.name) for _ in refs]

    async def children(self, parents: Sequence[Ref], call: Call) -> Sequence[Listing | GatewayError]:  # noqa: ARG002
        """List the same for every case."""
        self.asked.extend(parents)
        return [
            AttachmentListing.of(Record(one, RecordKind.CASE), Listed(tuple(self.attachments)))
            for one in parents
        ]

    async def probe(self, call: Call) -> None:
        """Do nothing: it is always there."""

    async def aclose(self) -> None:
        """Hold no connection."""


async def ask(source: Cases, query: str, **variables: Any) -> Answer:
    """Execute a query against one source."""
    context = RequestContext.make(ANYBODY, Call.lasting(10), {source.name: source}, LINKS, IDS)
    try:
        answer = await EXECUTOR.execute(EXECUTOR.document(query), variables, None, context, read_only=True)
        return answer._replace(data=plain(answer))
    finally:
        context.close()
