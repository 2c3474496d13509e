"""Takes apart what an adapter answered."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from gateway.domain.errors import GatewayError
from gateway.domain.model import Attachment, AttachmentListing, Entry, File, Folder, Placement
from gateway.domain.refs import Ref
from gateway.domain.tree import Tree, branch_of, descendants
from gateway.upstreams.base import Listing
from tests.conformance.comparison import values_of
from tests.conformance.subject import Damaged


def entry(outcome: object) -> Entry:
    """Take an outcome as an entry; an error is a failed check."""
    assert isinstance(outcome, Attachment | File | Folder), f"no entry: {outcome!r}"
    return outcome


def listing(outcome: object) -> Listing:
    """Take an outcome as a listing; an error is a failed check."""
    assert isinstance(outcome, AttachmentListing | Tree), f"no listing: {outcome!r}"
    return outcome


def ref_of(outcome: object) -> Ref | None:
    """Give the reference of an entry, None for an error."""
    return None if isinstance(outcome, GatewayError) else entry(outcome).ref


def parent_of(outcome: object) -> Ref | None:
    """Give the reference that a listing is of, None for an error."""
    if isinstance(outcome, Tree):
        return outcome.library.ref
    return outcome.record.ref if isinstance(outcome, AttachmentListing) else None


def children_of(one: Listing) -> list[Entry]:
    """List everything in a listing."""
    if isinstance(one, Tree):
        return [*one.folder_by_ref.values(), *one.all_files]
    return list(one.attachments)


def owner_of(child: Entry) -> Ref | None:
    """Give the record or library that an entry says it belongs to."""
    if isinstance(child, Attachment):
        return child.record.ref if child.record else None
    return child.library.ref


def flaws(one: Entry) -> Iterator[str]:
    """Name what no field of an entry may hold."""
    for path, value in values_of(one):
        if value == "":
            yield f"{path} is an empty text"
        if isinstance(value, datetime) and value.utcoffset() is None:
            yield f"{path} has no zone"
        if path == "size" and not (value is None or (isinstance(value, int) and value >= 0)):
            yield f"{path} is no number of bytes"


def misplacements(tree: Tree, damaged: Damaged) -> Iterator[str]:
    """Name what a tree shows wrongly: each folder stands in it once, and the damaged ones at its root."""
    expected = {folder.ref: Placement.IN_PLACE for folder in tree.folder_by_ref.values()}
    expected |= dict.fromkeys(damaged.on_cycle, Placement.CYCLE)
    expected |= dict.fromkeys(damaged.orphans, Placement.ORPHAN)
    most = len(expected) + len(tree.all_files)
    walked = list(islice(descendants(tree.folders, tree.files, most), 2 * most))
    seen = Counter(one.node.ref for one in walked)
    yield from (f"{ref.key} is seen {seen[ref]} times" for ref in expected if seen[ref] != 1)
    roots = {folder.ref for folder in tree.folders}
    for ref, placement in expected.items():
        folder = tree.folder_by_ref.get(ref)
        if folder is None or branch_of(folder).placement is not placement:
            yield f"{ref.key} is not shown as {placement.value}"
        elif placement is not Placement.IN_PLACE and (ref not in roots or _has_parent(folder)):
            yield f"{ref.key} does not stand at the root"


def _has_parent(folder: Folder) -> bool:
    return branch_of(folder).parent is not None
