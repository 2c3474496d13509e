"""Who may do what (upstreams.md 5.3, "Read rule"): roles for whole types, owners for attachments and notes."""

from gateway.sandbox.espocrm.entities import TYPES
from gateway.sandbox.espocrm.state import Login, Record, State

OWN = ("Attachment", "Note")
"""Types that everybody may create, and whose records belong to their creators whatever the role says."""


def may(login: Login, kind: str, action: str) -> bool:
    """Whether a user may do something with records of a type at all."""
    if login.admin or kind in OWN:
        return True
    return login.role is not None and action in login.role.scopes.get(kind, frozenset())


def may_see(login: Login, kind: str) -> bool:
    """Whether a type's routes are open to a user."""
    return may(login, kind, "read") or kind == "User"


def may_read(state: State, login: Login, record: Record) -> bool:
    """Whether a user may read a record."""
    if login.admin:
        return True
    if record.type == "Attachment":
        return _may_read_attachment(state, login, record)
    if record.type == "Note":
        return _owns(login, record) or _may_read_note(state, login, record)
    if record.type == "User":
        return record.id == login.user_id
    return may(login, record.type, "read")


def may_change(login: Login, record: Record, action: str) -> bool:
    """Whether a user may edit or delete a record (``action``)."""
    if login.admin or record.type not in OWN:
        return may(login, record.type, action)
    return _owns(login, record)


def may_write_on(state: State, login: Login, kind: str | None, key: str | None) -> bool:
    """Whether a user may put a note on a record."""
    parent = state.find(kind, key)
    return parent is not None and may_read(state, login, parent)


def _owns(login: Login, record: Record) -> bool:
    return any(record.values.get(name) == login.user_id for name in TYPES[record.type].owner)


def _may_read_attachment(state: State, login: Login, record: Record) -> bool:
    """Look at the record that the attachment hangs on; where there is none, only the creator may read."""
    values = record.values
    if values.get("parentId") and values.get("parentType"):
        parent = state.find(values["parentType"], values["parentId"])
    else:
        parent = state.find(values.get("relatedType"), values.get("relatedId"))
    if parent is None:
        return _owns(login, record)
    if parent.type == "Note":
        return _may_read_note(state, login, parent) or _owns(login, record)
    return may_read(state, login, parent) or _owns(login, record)


def _may_read_note(state: State, login: Login, note: Record) -> bool:
    if note.values.get("targetType") == "all":
        return True
    return may_write_on(state, login, note.values.get("parentType"), note.values.get("parentId"))
