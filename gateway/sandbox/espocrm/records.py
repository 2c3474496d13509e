"""What one may do with single records: read, create, change, delete, each refused as the real server refuses."""

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.espocrm import output
from gateway.sandbox.espocrm.access import may, may_change, may_read, may_write_on
from gateway.sandbox.espocrm.entities import LOADED, TYPES, EntityType
from gateway.sandbox.espocrm.errors import Refusal, foreign_forbidden, invalid, not_relatable
from gateway.sandbox.espocrm.state import Login, Record, State

PROSE = frozenset({"post", "description"})
"""Attributes whose blanks at both ends are kept."""

DATES = frozenset({"publishDate", "expirationDate"})


@dataclass(frozen=True, slots=True)
class Change:
    """What a request sets: stored attributes, and the sets of attachments by field."""

    values: dict[str, Any]
    sets: dict[str, list[str]]


def fetch(state: State, login: Login, kind: str, key: str) -> Record:
    """Find a record for reading; an admin gets deleted ones too, which say so."""
    record = state.records[kind].get(key)
    if record is None or (record.deleted and not login.admin):
        raise Refusal(404, f"Record {key} does not exist.")
    if not may_read(state, login, record):
        raise Refusal(403, "No 'read' access.")
    return record


def create(
    state: State, login: Login, kind: EntityType, given: Mapping[str, Any], *, twins: bool = False
) -> Record:
    """Make a record and take over the attachments it names; ``twins`` skips the check for duplicates."""
    if not may(login, kind.name, "create"):
        raise Refusal(403, "No create access.")
    change = _change(kind, given)
    values = {**copy.deepcopy(dict(kind.defaults)), **change.values}
    _validate(kind, values, kind.required)
    _check_links(state, login, kind, None, Change(values, change.sets))
    if kind.name == "Note":
        _check_parent(state, login, values)
    if not twins:
        _check_duplicates(state, login, kind, values)
    record = state.add(new(state, login.user_id, kind.name, values))
    _link(state, record, change)
    return record


def new(state: State, user_id: str, kind: str, values: Mapping[str, Any]) -> Record:
    """Make a record of given values, made by a user now; nothing is checked, and it isn't kept yet."""
    stamp = state.stamp()
    times = {"createdAt": stamp, "modifiedAt": stamp, "createdById": user_id}
    return Record(kind, {"id": state.new_id(), "deleted": False, **values, **times})


def update(
    state: State, login: Login, record: Record, given: Mapping[str, Any], version: str | None
) -> dict[str, Any]:
    """Change a record that ``changeable`` found and give the answer; ``version`` is X-Version-Number.

    The types of a set in the answer are those from before the change (recording 044).
    """
    kind = TYPES[record.type]
    change = _change(kind, {name: value for name, value in given.items() if name not in kind.fixed})
    _check_version(state, record, change, version)
    _validate(kind, change.values, [name for name in kind.required if name in change.values])
    _check_links(state, login, kind, record, change)
    types = {f"{field}Types": output.types_of(state, record, field) for field in kind.multiples()}
    _unlink(state, record, change)
    record.values.update(change.values)
    _link(state, record, change)
    state.touch(record, login.user_id)
    return {**output.read(state, record), **types}


def delete(state: State, login: Login, kind: str, key: str) -> None:
    """Delete a record; what hung on it stays, readable to its creator alone."""
    remove(state, changeable(state, login, kind, key, "delete"))


def remove(state: State, record: Record) -> None:
    """Hide a record, and drop the bytes of an attachment once no copy shares them."""
    record.values["deleted"] = True
    record.values["modifiedAt"] = state.stamp()
    if record.type == "Attachment":
        source = source_of(record)
        if not any(source_of(each) == source for each in state.alive("Attachment")):
            state.files.pop(source, None)


def source_of(attachment: Record) -> str:
    """Give the id under which the bytes of an attachment are kept."""
    return str(attachment.values.get("sourceId") or attachment.id)


def changeable(state: State, login: Login, kind: str, key: str, action: str) -> Record:
    """Find a record for ``edit`` or ``delete``; a deleted one counts as missing for admins too."""
    if not may(login, kind, action):
        raise Refusal(403, f"No {action} access.")
    record = state.find(kind, key)
    if record is None:
        raise Refusal(404, f"Record {key} not found.")
    if not may_change(login, record, action):
        raise Refusal(403, f"No {action} access.")
    return record


def _change(kind: EntityType, given: Mapping[str, Any]) -> Change:
    """Keep what may be written; a misspelt key is as silent here as on the real server."""
    sets = {field: _ids(given[f"{field}Ids"]) for field in kind.multiples() if f"{field}Ids" in given}
    computed = _computed(kind)
    values = {
        name: _clean(name, value)
        for name, value in given.items()
        if name in kind.attributes and name not in computed
    }
    return Change(values, sets)


def _computed(kind: EntityType) -> set[str]:
    names = {*kind.readonly, *LOADED, *(named for named, _ in kind.links.values())}
    names |= {f"{parent}Name" for parent in kind.parents}
    return names | {f"{field}{end}" for field in kind.multiples() for end in ("Ids", "Names", "Types")}


def _ids(value: Any) -> list[str]:
    """Take ids; what is no list counts as an empty one (recording 287)."""
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _clean(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return (value if name in PROSE else value.strip(" \t\n\r\0\x0b")) or None


def _validate(kind: EntityType, values: Mapping[str, Any], required: Iterable[str]) -> None:
    for name in required:
        if values.get(name) is None:
            raise invalid(kind.name, name.removesuffix("Id"), "required")
    for name, value in values.items():
        rule = None if value is None else _broken_rule(kind, name, value)
        if rule:
            raise invalid(kind.name, name, rule)


def _broken_rule(kind: EntityType, name: str, value: Any) -> str | None:
    if name in kind.options and value not in kind.options[name]:
        return "valid"
    if name in DATES and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        return "valid"
    if name in kind.lengths and len(str(value)) > kind.lengths[name]:
        return "maxLength"
    if name == "size":
        return "valid" if not isinstance(value, int) else "min" if value < 0 else None
    return "valid" if name.endswith(("Id", "Type")) and not isinstance(value, str) else None


def _check_links(state: State, login: Login, kind: EntityType, record: Record | None, change: Change) -> None:
    """Refuse attachments that don't exist, or that the user can't read; those that are linked already pass."""
    for field in kind.file_links():
        key = change.values.get(f"{field}Id")
        if key and (record is None or record.values.get(f"{field}Id") != key):
            _check_attachment(state, login, kind, field, key)
    for field, ids in change.sets.items():
        old = {each.id for each in output.attached(state, record, field)} if record else set()
        for key in ids:
            if key not in old:
                _check_attachment(state, login, kind, field, key)


def _check_attachment(state: State, login: Login, kind: EntityType, field: str, key: str) -> None:
    attachment = state.find("Attachment", key)
    if attachment is None:
        raise not_relatable(kind.name, field)
    if not may_read(state, login, attachment):
        raise foreign_forbidden(kind.name, field)


def _check_parent(state: State, login: Login, values: Mapping[str, Any]) -> None:
    kind, key = values.get("parentType"), values.get("parentId")
    if key and not may_write_on(state, login, kind, key):
        raise Refusal(403, "No create access.")


def _check_duplicates(state: State, login: Login, kind: EntityType, values: Mapping[str, Any]) -> None:
    """Refuse a second account of one name, with the first in the body."""
    if kind.name != "Account":
        return
    twins = [each for each in state.alive("Account") if each.values["name"] == values["name"]]
    seen = [output.read(state, each) for each in twins if may_read(state, login, each)]
    if seen:
        raise Refusal(409, "duplicate", seen)


def _check_version(state: State, record: Record, change: Change, version: str | None) -> None:
    """Refuse a change of a record that changed meanwhile; types without version numbers don't look."""
    current = record.values.get("versionNumber")
    if version is None or current is None or version == str(current):
        return
    names = [*change.values, *(f"{field}Ids" for field in change.sets)]
    raise Refusal(409, "modified", {"values": output.picked(state, record, names), "versionNumber": current})


def _unlink(state: State, record: Record, change: Change) -> None:
    """Delete the file that another replaces, and set free those that a set doesn't name any more."""
    for field in TYPES[record.type].file_links():
        name = f"{field}Id"
        if name in change.values and change.values[name] != record.values.get(name):
            previous = state.find("Attachment", record.values.get(name))
            if previous is not None:
                remove(state, previous)
    for field, ids in change.sets.items():
        for each in output.attached(state, record, field):
            if each.id not in ids:
                each.values.update(parentId=None, parentType=None)


def _link(state: State, record: Record, change: Change) -> None:
    """Point attachments at a record, taking them away from wherever they were."""
    for field in TYPES[record.type].file_links():
        attachment = state.find("Attachment", change.values.get(f"{field}Id"))
        if attachment is not None:
            attachment.values.update(relatedId=record.id, relatedType=record.type, modifiedAt=state.stamp())
    for ids in change.sets.values():
        for attachment in (state.find("Attachment", key) for key in ids):
            if attachment is not None:
                attachment.values.update(parentId=record.id, parentType=record.type)
