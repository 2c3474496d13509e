"""Values that no source may give: what a defect of an adapter would put into a good world.

The answer must then be what graphql-core makes of them: the nearest place that may be null is null, and the error
names the place that failed.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway.domain.errors import Unavailable
from gateway.domain.model import Attachment, AttachmentListing, File, Placement
from gateway.domain.tree import Tree
from tests.conformance.comparison import changed
from tests.execution.things import saying, whole_world
from tests.execution.world import World

Change = Callable[[Any], Any]


def _entries(cls: type, change: Change, which: int = 1) -> Callable[[World], None]:
    """Change every entry of a class, or every second or third, and the same in listings and trees."""

    def flaw(world: World) -> None:
        for source in world.sources.values():
            found = [ref for ref, entry in source.entries.items() if isinstance(entry, cls)]
            source.entries |= {ref: change(source.entries[ref]) for ref in found[::which]}
            for ref, listing in source.listings.items():
                source.listings[ref] = _listed(listing, cls, change, which)

    return flaw


def _listed(listing: Any, cls: type, change: Change, which: int) -> Any:
    if isinstance(listing, AttachmentListing) and cls is Attachment:
        items = [change(item) if n % which == 0 else item for n, item in enumerate(listing.attachments)]
        return saying(listing, attachments=tuple(items))
    if isinstance(listing, Tree) and cls is File:
        return changed(listing, files=tuple(change(file) for file in listing.files))
    return listing


def _listings(change: Change) -> Callable[[World], None]:
    def flaw(world: World) -> None:
        for source in world.sources.values():
            source.listings = {ref: change(listing) for ref, listing in source.listings.items()}

    return flaw


def _attribute(cls: type, name: str, value: Any, which: int = 1) -> Callable[[World], None]:
    return _entries(cls, lambda entry: changed(entry, **{name: value}), which)


def _detail(name: str, value: Any) -> Callable[[World], None]:
    """Put a value into the details of whatever has that detail."""

    def change(entry: Attachment) -> Attachment:
        if not hasattr(entry.details, name):
            return entry
        return changed(entry, details=changed(entry.details, **{name: value}))

    return _entries(Attachment, change)


def _library_for_record(entry: Attachment) -> Attachment:
    return changed(entry, record=entry)  # type: ignore[arg-type]


def _files_with_none(listing: Any) -> Any:
    return changed(listing, files=(*listing.files, None)) if isinstance(listing, Tree) else listing


def _folders_with_error(listing: Any) -> Any:
    error = Unavailable("The source hid it.", source="arrhes")
    return changed(listing, folders=(*listing.folders, error)) if isinstance(listing, Tree) else listing


def _files_for_folders(listing: Any) -> Any:
    return changed(listing, folders=listing.files) if isinstance(listing, Tree) else listing


def _text_for_folders(listing: Any) -> Any:
    return changed(listing, folders="", files={}) if isinstance(listing, Tree) else listing


def _set_for_files(listing: Any) -> Any:
    return changed(listing, files=iter(())) if isinstance(listing, Tree) else listing


FLAWS: dict[str, Callable[[World], None]] = {
    "a name that is null": _attribute(Attachment, "name", None, 2),
    "a file's name that is null": _attribute(File, "name", None),
    "a name that is a number": _attribute(Attachment, "name", 12),
    "a name that is a list": _attribute(File, "name", ["a"]),
    "a size that is text": _attribute(Attachment, "size", "many", 2),
    "a size that is digits": _attribute(File, "size", "12"),
    "a size that is true": _attribute(File, "size", value=True),
    "a time that is text": _attribute(File, "created_at", "yesterday"),
    "a time without a zone": _attribute(Attachment, "created_at", datetime(2026, 1, 1)),  # noqa: DTZ001
    "a state of another enum": _attribute(File, "state", Placement.ORPHAN),
    "a state that is its value": _attribute(File, "state", "pending"),
    "a state that is a list": _attribute(File, "state", []),
    "a state that is null": _attribute(File, "state", None),
    "rights that are text": _attribute(Attachment, "can_update", "yes"),
    "rights that are null": _attribute(File, "can_delete", None),
    "details of another kind": _entries(Attachment, lambda entry: changed(entry, details=entry)),
    "details of a mail at a file": _attribute(File, "details", "details"),
    "details that are null": _attribute(Attachment, "details", None),
    "details that are an error": _attribute(Attachment, "details", Unavailable("No details.", source="maarch")),
    "a record that is an attachment": _entries(Attachment, _library_for_record, 2),
    "a library that is null": _attribute(File, "library", None),
    "a library that is text": _attribute(File, "library", "2025"),
    "a reference that is an error": _attribute(
        File, "reference", Unavailable("No reference.", source="arrhes")
    ),
    "a media type that fails": _attribute(File, "media_type", ValueError("Nobody knows this error.")),
    "versions that are null": _detail("versions", None),
    "versions that hold null": _detail("versions", (None,)),
    "versions that are text": _detail("versions", ""),
    "a state of others that is null": _detail("external_state", None),
    "a state of others that is an error": _detail("external_state", Unavailable("Hidden.", source="maarch")),
    "a number beyond 32 bits": _detail("typist_id", 2**40),
    "a number that is a fraction": _detail("version", 1.5),
    "a number that is whole": _detail("version", 2.0),
    "a boolean that is a number": _detail("internal", 1),
    "a sender of another class": _detail("sender", "Jo"),
    "an identifier that is null": _detail("native_id", None),
    "an identifier that is a number": _detail("native_id", 7),
    "a text that is a boolean": _detail("display_name", value=True),
    "entries that are null": _entries(Attachment, lambda _: None, 2),
    "entries that are records": _entries(File, lambda entry: entry.library, 2),
    "entries that are text": _entries(File, lambda _: "file", 3),
    "files that hold null": _listings(_files_with_none),
    "folders that hold an error": _listings(_folders_with_error),
    "folders that are files": _listings(_files_for_folders),
    "folders that are text": _listings(_text_for_folders),
    "files that can be read once": _listings(_set_for_files),
    "listings that are null": _listings(lambda _: None),
    "whether a mail can be registered, as text": _listings(
        lambda found: (
            saying(found, registered_mail="perhaps") if isinstance(found, AttachmentListing) else found
        )
    ),
}


def flawed_world(flaw: str) -> World:
    """Make a world with one flaw."""
    world = whole_world()
    FLAWS[flaw](world)
    return world
