"""Source: one configured upstream system and what it can do."""

from typing import Any

import strawberry

from gateway.domain import model
from gateway.domain.capabilities import Operation
from gateway.domain.model import RecordKind, SourceKind
from resolvers.scalars import ByteCount
from resolvers.types.node import Node


@strawberry.type(description="What can be done at a source, and why not.")
class Capability:
    """A view of `gateway.domain.capabilities.Capability`."""

    operation: Operation = strawberry.field(description="The operation.")
    supported: bool = strawberry.field(description="Whether the source does it.")
    reason: str | None = strawberry.field(description="Why it is not supported, in a sentence for people.")
    max_bytes: ByteCount | None = strawberry.field(description="The largest size, where there is one.")


@strawberry.type(description="One configured upstream system. Asking for it costs no upstream request.")
class Source(Node):
    """A view of `gateway.domain.model.Source`."""

    name: str = strawberry.field(description="The name that its operator gave it.")
    kind: SourceKind = strawberry.field(description="Which system it is.")
    record_kind: RecordKind | None = strawberry.field(
        description="What its attachments hang on; null where files live in folders."
    )

    capabilities: list[Capability] = strawberry.field(
        description="What can be done at it, one entry per operation."
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as a Source."""
        return isinstance(obj, model.Source)
