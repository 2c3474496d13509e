"""The root of all mutations."""

import strawberry

from resolvers.mutations.attachments_link import AttachmentsLinkPayload, attachments_link
from resolvers.mutations.file_text_recognize import FileTextRecognizePayload, file_text_recognize
from resolvers.mutations.files_update import FilesUpdatePayload, files_update
from resolvers.mutations.folders_create import FoldersCreatePayload, folders_create
from resolvers.mutations.folders_delete import FoldersDeletePayload, folders_delete
from resolvers.mutations.folders_update import FoldersUpdatePayload, folders_update
from resolvers.mutations.staged_upload_parts_sign import StagedUploadPartsSignPayload, staged_upload_parts_sign
from resolvers.mutations.staged_upload_resolve import StagedUploadResolvePayload, staged_upload_resolve
from resolvers.mutations.staged_uploads_cancel import StagedUploadsCancelPayload, staged_uploads_cancel
from resolvers.mutations.staged_uploads_create import StagedUploadsCreatePayload, staged_uploads_create
from resolvers.mutations.staged_uploads_finalize import StagedUploadsFinalizePayload, staged_uploads_finalize
from resolvers.mutations.stored_files_delete import StoredFilesDeletePayload, stored_files_delete
from resolvers.scopes import deleting, writing


@strawberry.type(
    description="Writes take lists and answer per item, in order; a key keeps them from being done again."
)
class Mutation:
    """The root type of mutations."""

    staged_uploads_create: StagedUploadsCreatePayload | None = writing(
        staged_uploads_create,
        "Prepares uploads: one presigned target, or several parts, per item. No upstream request.",
    )
    staged_upload_parts_sign: StagedUploadPartsSignPayload | None = writing(
        staged_upload_parts_sign, "Signs further parts of an upload in parts, and lists those that arrived."
    )
    staged_uploads_finalize: StagedUploadsFinalizePayload | None = writing(
        staged_uploads_finalize,
        "Verifies the uploaded bytes and carries them to the source that owns the record; once, however often asked.",
    )
    staged_uploads_cancel: StagedUploadsCancelPayload | None = writing(
        staged_uploads_cancel, "Ends uploads that are not under way, and takes their bytes away."
    )
    staged_upload_resolve: StagedUploadResolvePayload | None = writing(
        staged_upload_resolve, "Decides an upload whose outcome at the source is not known."
    )
    files_update: FilesUpdatePayload | None = writing(
        files_update,
        "Renames and moves files, and changes their reference and date: 1 to 3 upstream requests per file.",
    )
    stored_files_delete: StoredFilesDeletePayload | None = deleting(
        stored_files_delete,
        "Deletes attachments and files: 1 upstream request each, 1 more where the source must say what it means. "
        "A source that only accepts the wish answers DELETING.",
    )
    file_text_recognize: FileTextRecognizePayload | None = writing(
        file_text_recognize,
        "Makes a text file of a scan, beside it: 2 upstream requests, which take as long as the source reads.",
    )
    folders_create: FoldersCreatePayload | None = writing(
        folders_create,
        "Makes folders: 1 upstream request each, 1 for all, and 1 for the folders that they stand in.",
    )
    folders_update: FoldersUpdatePayload | None = writing(
        folders_update,
        "Renames and moves folders, one after the other: 1 upstream request each, and 1 for the tree, in which no "
        "move may make a cycle.",
    )
    folders_delete: FoldersDeletePayload | None = deleting(
        folders_delete,
        "Deletes folders, one after the other: 1 upstream request each, and 2 for the tree, which says whether they "
        "hold anything.",
    )
    attachments_link: AttachmentsLinkPayload | None = writing(
        attachments_link,
        "Hangs attachments that exist on a record without dropping those that hang there: 3 upstream requests, "
        "and what listing them costs.",
    )
