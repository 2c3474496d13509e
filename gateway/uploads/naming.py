"""Names of uploads: which are refused, and what happens to one that is taken."""

import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

from gateway.domain.errors import BadInput, Conflict, GatewayError, NotFound
from gateway.domain.model import AttachmentListing, File, Folder
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree
from gateway.transport.call import Call
from gateway.uploads.tickets import OnConflict
from gateway.upstreams.base import Adapter

LONGEST_NAME = 255
"""Characters: the shortest limit among the sources (`upstreams.md` 1.4, 5.4)."""
MOST_COPIES = 1000
LETTERS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
MEDIA_TYPE = re.compile(rf"{LETTERS}/{LETTERS}(?: *; *[ -~]+)?")


def check_name(name: str) -> None:
    """Refuse a name that some source stores and then cannot give back (`upstreams.md` 5.8, 5). Raises BadInput."""
    if not 0 < len(name) <= LONGEST_NAME:
        raise BadInput(f"A name has 1 to {LONGEST_NAME} characters.")
    if not all(character.isprintable() for character in name) or name.strip() in ("", ".", ".."):
        raise BadInput("A name holds no control or direction characters, and is more than blanks and dots.")


def check_media_type(text: str) -> None:
    """Refuse what is no media type and what no header can carry (RFC 9110, 8.3.1). Raises BadInput."""
    if len(text) > LONGEST_NAME or not MEDIA_TYPE.fullmatch(text):
        raise BadInput(f"A media type is such as application/pdf, and has at most {LONGEST_NAME} characters.")


async def settled_name(
    name: str, behavior: OnConflict, adapter: Adapter, target: Ref, call: Call, *, coming: Collection[str] = ()
) -> str:
    """Give the name to upload by: the wanted one, or with RENAME the first free one. 1 or 2 upstream requests.

    ``coming`` are the names of files that are on their way to the target. Raises Conflict with FAIL where the name is
    taken. With REPLACE nothing is asked: the source decides.
    """
    if behavior is OnConflict.REPLACE:
        return name
    taken = {*await _taken(adapter, target, call), *coming}
    if _is_free(name, taken):
        return name
    if behavior is OnConflict.FAIL:
        raise Conflict("The target has a file of this name.", source=target.source)
    return _free(name, taken)


def _free(name: str, taken: Collection[str]) -> str:
    """Put a number before the extension, as desktops do, within the longest name."""
    suffix = PurePosixPath(name).suffix
    for number in range(2, MOST_COPIES):
        ending = f" ({number}){suffix}"
        candidate = name.removesuffix(suffix)[: LONGEST_NAME - len(ending)] + ending
        if _is_free(candidate, taken):
            return candidate
    raise Conflict("The target has a thousand files of this name.")


def _is_free(name: str, taken: Collection[str]) -> bool:
    """Tell whether a name is free, with its extension and without, as some sources show it."""
    return name not in taken and name.removesuffix(PurePosixPath(name).suffix) not in taken


async def _taken(adapter: Adapter, target: Ref, call: Call) -> set[str]:
    """List the names at the target: those of a record, or of one folder or the root of a library."""
    parent = await _library_of(adapter, target, call) if target.type is RefType.FOLDER else target
    listing = (await adapter.children([parent], call))[0]
    if isinstance(listing, GatewayError):
        raise listing
    if isinstance(listing, AttachmentListing):
        return {attachment.name for attachment in listing.attachments}
    return {file.name for file in _files_in(listing, target)}


async def _library_of(adapter: Adapter, target: Ref, call: Call) -> Ref:
    folder = (await adapter.fetch([target], call))[0]
    if isinstance(folder, GatewayError):
        raise folder
    if not isinstance(folder, Folder):
        raise NotFound("There is no such folder, or it may not be seen.", source=target.source)
    return folder.library.ref


def _files_in(tree: Tree, target: Ref) -> Sequence[File]:
    if target.type is not RefType.FOLDER:
        return tree.files
    folder = tree.folder_by_ref.get(target)
    if folder is None or folder.branch is None:
        raise NotFound("There is no such folder, or it may not be seen.", source=target.source)
    return folder.branch.files
