"""`fileTextRecognize`: lets the source make a text file of a scan."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from gateway.domain.capabilities import Operation
from gateway.domain.errors import GatewayError
from gateway.domain.model import Entry
from gateway.domain.refs import Ref
from gateway.writes import Outcome
from resolvers.mutations.items import STORED_FILE, Results, hand_over, identified, read_each
from resolvers.mutations.payloads import KEY, MutationPayload, Payload, Write, write
from resolvers.types.folder import File
from resolvers.types.node import Info, resolved


@strawberry.input(description="Which file is read.")
class FileTextRecognizeInput:
    """The input of the mutation."""

    idempotency_key: str = strawberry.field(description=KEY)
    id: strawberry.ID = strawberry.field(description="The file: an image or a PDF.")


@strawberry.type(description="What `fileTextRecognize` answers.")
class FileTextRecognizePayload(MutationPayload):
    """A view of `Payload`."""

    file: File | None = resolved(
        lambda root: root.result,
        "The new file with the text, beside the scan; null where a user error says why.",
    )


async def file_text_recognize(
    root: None,  # noqa: ARG001 - the root has no value
    info: Info,
    *,
    input: Annotated[FileTextRecognizeInput, strawberry.argument(description="Which file.")],  # noqa: A002
) -> Payload:
    """Make a text file; never done twice, since each time takes pages of the account and makes one more."""
    results, context = Results(info), info.context

    async def do() -> Sequence[Outcome]:
        return results.keep(
            await hand_over(
                read_each([input.id], lambda text: identified(text, STORED_FILE, context)),
                lambda ref: ref,
                Operation.RECOGNIZE_TEXT,
                recognized,
                context,
            )
        )

    async def recognized(adapter: Any, refs: list[Ref]) -> list[Entry | GatewayError]:
        return [await adapter.recognize_text(refs[0], context.call)]

    work = Write(operation="fileTextRecognize", field="id", do=do, show=results.show, repeatable=False)
    return await write(info, input, work)
