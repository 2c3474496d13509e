"""The root of all mutations."""

import strawberry

from resolvers.mutations.staged_upload_parts_sign import StagedUploadPartsSignPayload, staged_upload_parts_sign
from resolvers.mutations.staged_upload_resolve import StagedUploadResolvePayload, staged_upload_resolve
from resolvers.mutations.staged_uploads_cancel import StagedUploadsCancelPayload, staged_uploads_cancel
from resolvers.mutations.staged_uploads_create import StagedUploadsCreatePayload, staged_uploads_create
from resolvers.mutations.staged_uploads_finalize import StagedUploadsFinalizePayload, staged_uploads_finalize
from resolvers.types.node import resolved


@strawberry.type(
    description="Writes take lists and answer per item, in order; a key keeps them from being done again."
)
class Mutation:
    """The root type of mutations."""

    staged_uploads_create: StagedUploadsCreatePayload | None = resolved(
        staged_uploads_create,
        "Prepares uploads: one presigned target, or several parts, per item. No upstream request.",
    )
    staged_upload_parts_sign: StagedUploadPartsSignPayload | None = resolved(
        staged_upload_parts_sign, "Signs further parts of an upload in parts, and lists those that arrived."
    )
    staged_uploads_finalize: StagedUploadsFinalizePayload | None = resolved(
        staged_uploads_finalize,
        "Verifies the uploaded bytes and carries them to the source that owns the record; once, however often asked.",
    )
    staged_uploads_cancel: StagedUploadsCancelPayload | None = resolved(
        staged_uploads_cancel, "Ends uploads that are not under way, and takes their bytes away."
    )
    staged_upload_resolve: StagedUploadResolvePayload | None = resolved(
        staged_upload_resolve, "Decides an upload whose outcome at the source is not known."
    )
