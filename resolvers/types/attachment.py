"""Attachment: a file that hangs on a record."""

from typing import Any

import strawberry

from gateway.domain import model
from resolvers.types.details import AttachmentDetails
from resolvers.types.record import Record
from resolvers.types.stored_file import StoredFile


@strawberry.type(description="A file that hangs on a record.")
class Attachment(StoredFile):
    """A view of `gateway.domain.model.Attachment`."""

    record: Record | None = strawberry.field(
        description="The record it hangs on; null where its source does not tell, as for an EspoCRM upload "
        "that is not linked yet. No upstream request."
    )
    details: AttachmentDetails | None = strawberry.field(
        description="What only its kind of source knows. No further request."
    )

    @classmethod
    def is_type_of(cls, obj: Any, _: Any) -> bool:
        """Tell whether a value is shown as an Attachment."""
        return isinstance(obj, model.Attachment)
