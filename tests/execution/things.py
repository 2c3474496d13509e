"""What the world of the tests holds: every kind of object, with and without what may be missing."""

import weakref
from datetime import UTC, datetime
from typing import Any

from gateway.domain import details, model
from gateway.domain.errors import Unauthenticated, Unavailable
from gateway.domain.model import RecordKind, SourceKind
from gateway.domain.refs import Ref, RefType
from gateway.domain.snapshot import Forms, Origin
from gateway.domain.tree import Tree, build_tree
from tests.conformance.comparison import changed
from tests.execution.world import ContentSource, SigningSource, Source, World
from tests.identifiers import IDS

NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)

KINDS: tuple[tuple[type[Source], SourceKind, RecordKind | None], ...] = (
    (ContentSource, SourceKind.ARRHES, None),
    (Source, SourceKind.DECISIV, RecordKind.CASE),
    (SigningSource, SourceKind.DIRECTMAIL, RecordKind.MESSAGE),
    (ContentSource, SourceKind.ESPOCRM, RecordKind.ENTITY),
    (SigningSource, SourceKind.MAARCH, RecordKind.MAIL),
)
"""Each source is named after its kind."""
ROOM = 100_000
"""Bytes for what is written of a record's list."""


def whole_world() -> World:
    """Make a world without flaws: what is missing in it may be missing."""
    world = World()
    for cls, kind, record_kind in KINDS:
        source = cls(kind.value, kind, record_kind)
        world.sources[kind.value] = source
        world.ids.append(IDS.seal(Ref(kind.value, RefType.SOURCE, (kind.value,))))
        if record_kind is None:
            _fill_libraries(world, source)
        else:
            _fill_records(world, source, record_kind)
    world.ids += ["", "nonsense", IDS.seal(Ref("nowhere", RefType.FILE, ("1",)))]
    world.ids.append(IDS.seal(Ref("arrhes", RefType.RECORD, ("1",))))
    world.records += [
        {"mail": {"source": "nowhere", "resId": 1}},
        {"case": {"source": "maarch", "caseId": "m1"}},
        {"case": {"source": "decisiv", "caseId": ""}},
    ]
    world.libraries += [
        {"source": name, "organization": "org", "year": "2025"} for name in ("maarch", "nowhere")
    ]
    return world


# Records


def _fill_records(world: World, source: Source, kind: RecordKind) -> None:
    for native in ("m1", "m2", "m3", "gone"):
        lookup, ref = _named(source.name, kind, native)
        world.records.append(lookup)
        world.ids.append(IDS.seal(ref))
        if native != "gone":
            source.listings[ref] = _listing(model.Record(ref, kind), native)
    for listing in list(source.listings.values()):
        if isinstance(listing, model.AttachmentListing):
            source.entries |= {attachment.ref: attachment for attachment in listing.attachments}
    failing = Ref(source.name, RefType.ATTACHMENT, ("failing",))
    source.entries[failing] = Unauthenticated(
        "The source refused the gateway's credential.", source=source.name
    )
    world.ids += [IDS.seal(ref) for ref in source.entries]


def _named(source: str, kind: RecordKind, native: str) -> tuple[dict[str, Any], Ref]:
    """Name a record as clients do, and as the gateway does."""
    number = native.removeprefix("m") if native.startswith("m") else "404"
    lookups: dict[RecordKind, tuple[dict[str, Any], tuple[str, ...]]] = {
        RecordKind.MAIL: ({"mail": {"resId": int(number)}}, (number,)),
        RecordKind.CASE: ({"case": {"caseId": native}}, (native,)),
        RecordKind.MESSAGE: ({"message": {"project": "p", "messageId": native}}, ("p", native)),
        RecordKind.ENTITY: (
            {"entity": {"type": "Case", "recordId": native, "field": "file"}},
            ("Case", native, "file"),
        ),
    }
    lookup, key = lookups[kind]
    return {way: {"source": source, **names} for way, names in lookup.items()}, Ref(source, RefType.RECORD, key)


def _listing(record: model.Record, native: str) -> Any:
    """Make the attachments of a record: m1 has some, m2 has none, m3 fails."""
    if native == "m3":
        return Unavailable("The source answered 503.", source=record.ref.source, retry_after=2.5)
    bare = native == "m2"
    attachments = () if bare else tuple(_attachment(record, f"{native}-a{n}", n) for n in range(4))
    listed = model.Listed(attachments, None if bare else True)
    return model.AttachmentListing(record, lambda: listed, Origin(Forms(ROOM), native))


def saying(listing: model.AttachmentListing, **other: Any) -> model.AttachmentListing:
    """Change what a list says, so that nothing that was written of it holds."""
    return model.AttachmentListing.of(listing.record, listing.listed._replace(**other))


def _attachment(record: model.Record, native: str, number: int) -> model.Attachment:
    bare = number == 3
    return model.Attachment(
        ref=Ref(record.ref.source, RefType.ATTACHMENT, (native,)),
        name=f"Lettre n° {number}.pdf",
        size=None if bare else 1000 * number,
        media_type=None if bare else "application/pdf",
        created_at=None if bare else NOON.replace(day=number + 1),
        updated_at=None if number % 2 else NOON,
        record=None if bare else record,
        details=_details(record.kind, native, bare=bare),
        can_update=number != 1,
        can_delete=number == 1,
    )


def _details(kind: RecordKind, native: str, *, bare: bool) -> Any:
    text = None if bare else "text"
    if kind is RecordKind.MESSAGE:
        return details.DirectMailDetails(native, text, text, text, None if bare else NOON)
    if kind is RecordKind.ENTITY:
        yes = None if bare else True
        return details.EspoCrmDetails(native, *[text] * 8, yes, yes, *[text] * 4)
    if kind is RecordKind.CASE:
        sender = None if bare else details.Sender("7", "Jo", None, "https://decisiv.example/7")
        return details.DecisivDetails(native, *[text] * 4, None if bare else False, None, sender, text, text)
    return _maarch(native, None if bare else 12, text)


def _maarch(native: str, number: int | None, text: str | None) -> details.MaarchDetails:
    return details.MaarchDetails(
        native, *[text] * 5, number, number, text, text, number and True, number and False,
        {"a": [1, {"b": None}]},
        text, number, number and NOON, number, None, text, text, text, number, text, number, None, text,
        versions=() if number is None else tuple(details.AttachmentVersion(f"v{n}", n or None) for n in range(2)),
    )  # fmt: skip


# Libraries


def _fill_libraries(world: World, source: Source) -> None:
    for year in ("2023", "2024", "2025", "2099"):
        library = model.Library(Ref(source.name, RefType.LIBRARY, ("org", year)))
        world.libraries.append({"source": source.name, "organization": "org", "year": year})
        world.ids.append(IDS.seal(library.ref))
        if year == "2023":
            source.listings[library.ref] = Unavailable("The source is asleep.", source=source.name)
        elif year != "2099":
            source.listings[library.ref] = grown(library, wide=2 if year == "2025" else 0)
    trees = [tree for tree in source.listings.values() if isinstance(tree, Tree)]
    for tree in trees:
        _fetched_alone(source, tree)
    stray = _folder(model.Library(Ref(source.name, RefType.LIBRARY, ("org", "2099"))), "stray", None)
    source.entries[stray.ref] = changed(stray, branch=None)
    world.ids += [IDS.seal(ref) for ref in source.entries]


def _fetched_alone(source: Source, tree: Tree) -> None:
    """Let what is fetched by its identifier come without its tree."""
    for folder in tree.folder_by_ref.values():
        source.entries[folder.ref] = changed(folder, branch=None)
    for file in tree.all_files[::2]:
        source.entries[file.ref] = changed(file, kept_in=None)


def grown(library: model.Library, wide: int, files: int = 2) -> Tree:
    """Grow a tree with folders in folders, an orphan and a cycle; none of them where ``wide`` is 0."""
    names: list[tuple[str, str | None]] = []
    for n in range(wide):
        names += [(f"d{n}", None), (f"d{n}-{n}", f"d{n}"), (f"d{n}-{n}-{n}", f"d{n}-{n}")]
    if wide:
        names += [("lost", "nowhere"), ("round", "about"), ("about", "round")]
    folders = [_folder(library, name, parent) for name, parent in names]

    def files_of(by_ref: dict[Ref, model.Folder]) -> list[model.File]:
        below = [_file(library, folder, n) for folder in by_ref.values() for n in range(files)]
        return [*below, *(_file(library, None, n) for n in range(wide))]

    return build_tree(library, folders, files_of)


def _folder(library: model.Library, name: str, parent: str | None) -> model.Folder:
    source, year = library.ref.source, library.ref.key[1]
    return model.Folder(
        ref=Ref(source, RefType.FOLDER, (f"{year}-{name}",)),
        name=name,
        library=library,
        parent_ref=parent and Ref(source, RefType.FOLDER, (f"{year}-{parent}",)),
        created_at=NOON,
        updated_at=None,
        created_by="u1",
        updated_by=None,
        branch=model.Branch(),
    )


def _file(library: model.Library, folder: model.Folder | None, number: int) -> model.File:
    stands = folder.name if folder else "top"
    native = f"{library.ref.key[1]}-{stands}-{number}"
    pending = number == 1
    return model.File(
        ref=Ref(library.ref.source, RefType.FILE, (native,)),
        name=f"Facture {number} {stands}.pdf",
        size=None if pending else 5_000_000_000 + number,
        media_type=None if pending else "application/pdf",
        created_at=NOON,
        updated_at=None if pending else NOON.replace(hour=number % 24),
        library=library,
        folder_ref=folder.ref if folder else None,
        document_date=None if pending else NOON,
        checksum=None,
        reference="R",
        state=model.FileState.PENDING if pending else model.FileState.AVAILABLE,
        details=details.ArrhesDetails(native, "org", None if pending else "key", "u1", None, None),
        kept_in=folder and weakref.ref(folder),
    )
