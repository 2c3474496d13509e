"""`filesUpdate`: renames and moves files, and changes their reference and date."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import strawberry
from strawberry import UNSET

from gateway.context import RequestContext
from gateway.domain.capabilities import Operation
from gateway.domain.changes import KEEP, FileChange, Kept
from gateway.domain.errors import BadInput
from gateway.domain.refs import Ref
from gateway.uploads.naming import check_name
from gateway.writes import Outcome
from resolvers.mutations.items import FOLDER, STORED_FILE, Results, hand_over, identified, read_each
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, write
from resolvers.types.node import Info, resolved
from resolvers.types.stored_file import StoredFile

T = TypeVar("T")


@strawberry.input(
    description="What changes of one file: give at least one property. What is left out stays as it is."
)
class FileUpdateInput:
    """The input of `gateway.domain.changes.FileChange`."""

    id: strawberry.ID = strawberry.field(description="The attachment or file.")
    name: str | None = strawberry.field(
        default=UNSET, description="The new name, with its extension; 1 to 255 characters, never null."
    )
    folder: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="The folder it moves to, of the same source; null moves it to the root of its library. "
        "Files of an Arrhes only.",
    )
    reference: str | None = strawberry.field(
        default=UNSET, description="The owner's reference; null clears it. Files of an Arrhes only."
    )
    document_date: datetime | None = strawberry.field(
        default=UNSET, description="The date of the document; null clears it. Files of an Arrhes only."
    )


@strawberry.input(description="Which files change, and what of them.")
class FilesUpdateInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    files: list[FileUpdateInput] = strawberry.field(description="The files, 1 to 50, of any sources.")


@strawberry.type(description="What `filesUpdate` answers.")
class FilesUpdatePayload(MutationPayload):
    """A view of `Payload`."""

    files: list[StoredFile | None] = resolved(
        lambda root: root.results,
        "The files as they are now, in the order of the input; null where a user error says why.",
    )


async def files_update(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[FilesUpdateInput, strawberry.argument(description="Which files, and what.")],  # noqa: A002
) -> Payload:
    """Change files; what it costs is told by the adapters of their sources."""
    results, context = Results(info), info.context

    async def do() -> Sequence[Outcome]:
        return results.keep(
            await hand_over(
                read_each(input.files, lambda item: _change(item, context)),
                lambda change: change.ref,
                Operation.UPDATE,
                lambda adapter, changes: adapter.update(changes, context.call),
                context,
            )
        )

    work = Write(operation="filesUpdate", field="files", count=len(input.files), do=do, show=results.show)
    return await write(info, input, work)


def _change(item: FileUpdateInput, context: RequestContext) -> FileChange:
    ref = identified(item.id, STORED_FILE, context)
    check_change(ref, item.name, item.folder, item.reference, item.document_date)
    return FileChange(
        ref=ref,
        name=new_name(item.name),
        folder=new_place(item.folder, ref, context),
        reference=kept(item.reference),
        document_date=kept(item.document_date),
    )


def check_change(ref: Ref, *properties: object) -> None:
    """Refuse a change of nothing; raises BadInput."""
    if all(value is UNSET for value in properties):
        raise BadInput("Give at least one property that changes.", source=ref.source)


def kept(value: T) -> T | Kept:
    """Read a property that may be left out, and so stays."""
    return KEEP if value is UNSET else value


def new_name(name: str | None) -> str | Kept:
    """Read a name that may be left out; raises BadInput for null and for names that no source keeps."""
    if name is UNSET:
        return KEEP
    if name is None:
        raise BadInput("A name can be changed but not cleared.")
    check_name(name)
    return name


def new_place(folder: str | None, ref: Ref, context: RequestContext) -> Ref | Kept | None:
    """Read the folder that an object moves to: None for the root, KEEP where it is left out.

    Raises BadIdentifier, and BadInput for a folder of another source.
    """
    if folder is UNSET:
        return KEEP
    if folder is None:
        return None
    place = identified(folder, FOLDER, context)
    if place.source != ref.source:
        raise BadInput("Nothing can be moved to a folder of another source.", source=ref.source)
    return place
