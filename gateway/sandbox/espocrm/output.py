"""How a record reads in an answer: stored attributes, names of what it is linked to, sets of attachments."""

import copy
from collections.abc import Collection
from typing import Any

from gateway.sandbox.espocrm.entities import LOADED, NOTE_TARGETS, TYPES, EntityType
from gateway.sandbox.espocrm.state import Record, State

STREAM_ATTRIBUTES = (
    *("id", "name", "type", "size", "createdAt", "parentId", "parentType", "createdById", "createdByName"),
)
"""What streamAttachments says of an attachment."""


def read(state: State, record: Record) -> dict[str, Any]:
    """Write a record as GET and PUT answer it."""
    return {name: value_of(state, record, name) for name in _shown(record)}


def created(state: State, record: Record) -> dict[str, Any]:
    """Write a record as POST answers it: without attributes that nobody set, and without the number."""
    known = (record.values.keys() | TYPES[record.type].always) - {"number"}
    return {name: value_of(state, record, name) for name in _shown(record) if name in known}


def listed(state: State, record: Record, select: Collection[str] | None, order_by: str) -> dict[str, Any]:
    """Write a record as a list has it; a selection always brings the owner and what the list is ordered by."""
    kind = TYPES[record.type]
    names: list[str] = [name for name in _shown(record) if name not in kind.unlisted]
    if select is not None:
        wanted = {"id", order_by, *select, *kind.owner, *_free(kind)}
        names = [name for name in kind.attributes if name in wanted]
    given = {name: value_of(state, record, name) for name in names}
    if "relatedName" in given:
        given["relatedName"] = None
    if "parentId" not in given and "parentName" in given:
        given["parentName"] = None
    return given


def picked(state: State, record: Record, names: Collection[str]) -> dict[str, Any]:
    """Write some attributes of a record."""
    return {name: value_of(state, record, name) for name in names}


def attached(state: State, record: Record, field: str) -> list[Record]:
    """Find the attachments of a set, oldest first.

    An attachment that was uploaded for another field may have this record as its parent, and is still not in
    the set (recording 293).
    """
    found = [
        each
        for each in state.alive("Attachment")
        if each.values.get("parentId") == record.id
        and each.values.get("parentType") == record.type
        and each.values.get("field") in (field, None)
    ]
    return sorted(found, key=lambda each: (each.values["createdAt"], each.values["name"], each.id))


def types_of(state: State, record: Record, field: str) -> dict[str, Any]:
    """Give the MIME types of a set by id."""
    return {each.id: each.values.get("type") for each in attached(state, record, field)}


def value_of(state: State, record: Record, name: str) -> Any:
    """Give one attribute of a record."""
    if name in record.values:
        return record.values[name]
    if name in LOADED:
        return copy.copy(LOADED[name])
    kind = TYPES[record.type]
    for key, (named, foreign) in kind.links.items():
        if named == name:
            return _name(state, foreign, record.values.get(key))
    for parent in kind.parents:
        if name == f"{parent}Name":
            return _name(state, record.values.get(f"{parent}Type"), record.values.get(f"{parent}Id"))
    return _of_set(state, record, kind, name)


def _of_set(state: State, record: Record, kind: EntityType, name: str) -> Any:
    for field in kind.multiples():
        if name == f"{field}Ids":
            return [each.id for each in attached(state, record, field)]
        if name == f"{field}Names":
            return {each.id: each.values["name"] for each in attached(state, record, field)}
        if name == f"{field}Types":
            return types_of(state, record, field)
    return None


def _shown(record: Record) -> list[str]:
    """Name the attributes that this record has; a note on a record has no targets."""
    on_record = record.type == "Note" and record.values.get("parentId")
    return [name for name in TYPES[record.type].attributes if not (on_record and name in NOTE_TARGETS)]


def _free(kind: EntityType) -> list[str]:
    """Name the attributes of parents that come along without being selected."""
    return [f"{parent}Name" for parent in kind.parents]


def _name(state: State, kind: str | None, key: Any) -> Any:
    found = state.find(kind, key)
    return None if found is None else found.values.get("name")
