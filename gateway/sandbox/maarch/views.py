"""The two forms of an attachment, of a list and of a single get (upstreams.md 1.5; recordings/maarch)."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.sandbox.maarch import formats
from gateway.sandbox.maarch.records import Attachment, AttachmentType, User
from gateway.sandbox.maarch.state import State


def stamp(moment: datetime, zone: ZoneInfo) -> str:
    """Write a time as the database prints it: the server's local time, no zone, no trailing zeros."""
    text = moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S.%f")
    return text.rstrip("0").rstrip(".")


def listed(state: State, user: User, row: Attachment) -> dict[str, Any]:
    """Write the form that a mail's list has: without format and versions, with ``canConvert``."""
    return {
        "resId": row.res_id,
        "resIdMaster": row.res_id_master,
        "chrono": row.chrono,
        "title": row.title,
        "typist": row.typist,
        "modifiedBy": state.label(row.modified_by),
        **_times(state, row),
        "relation": row.relation,
        "status": row.status,
        "type": row.type,
        **_marks(row),
        **_labels(state, row),
        **_signature(state, row, single=False),
        "canConvert": formats.can_convert(row.format),
        **_rights(state, user, row),
    }


def single(state: State, user: User, row: Attachment) -> dict[str, Any]:
    """Write the form that ``GET /attachments/{id}`` has: with format, recipient, versions and signatory."""
    return {
        "resId": row.res_id,
        "resIdMaster": row.res_id_master,
        "status": row.status,
        "title": row.title,
        "chrono": row.chrono,
        "typist": row.typist,
        "modifiedBy": state.label(row.modified_by),
        "relation": row.relation,
        "type": row.type,
        "recipientId": row.recipient_id,
        "recipientType": row.recipient_type,
        "originId": row.origin_id,
        **_times(state, row),
        "validationDate": f"{row.validation_date} 00:00:00" if row.validation_date else None,
        "format": row.format,
        "fulltextResult": row.fulltext_result,
        **_marks(row),
        **_labels(state, row),
        "versions": _versions(state, row),
        **_signature(state, row, single=True),
        **_rights(state, user, row),
    }


def brief(row: Attachment) -> dict[str, Any]:
    """Write what ``GET /attachmentsInformations`` tells."""
    return {"resId": row.res_id, "resIdMaster": row.res_id_master, "status": row.status, "title": row.title}


def kind(described: AttachmentType) -> dict[str, Any]:
    """Write one type of ``GET /attachmentsTypes``."""
    return {
        "id": described.id,
        "typeId": described.type_id,
        "label": described.label,
        "visible": described.visible,
        "emailLink": described.email_link,
        "signable": described.signable,
        "signedByDefault": described.signed_by_default,
        "icon": described.icon,
        "chrono": described.chrono,
        "versionEnabled": described.version_enabled,
        "newVersionDefault": described.new_version_default,
    }


def _times(state: State, row: Attachment) -> dict[str, Any]:
    changed = row.modified_at if row.modified_at != row.created_at else None
    return {
        "creationDate": stamp(row.created_at, state.zone),
        "modificationDate": stamp(changed, state.zone) if changed else None,
    }


def _marks(row: Attachment) -> dict[str, Any]:
    """PHP has one array for lists and maps, so an empty ``external_state`` comes out as ``[]``."""
    return {
        "inSignatureBook": row.in_signature_book,
        "inSendAttach": row.in_send_attach,
        "external_state": row.external_state or [],
    }


def _labels(state: State, row: Attachment) -> dict[str, Any]:
    labels = {"typistLabel": state.label(row.typist)}
    if row.type in state.types:
        labels["typeLabel"] = state.types[row.type].label
    return labels


def _versions(state: State, row: Attachment) -> list[dict[str, int]]:
    if row.origin_id is None:
        return []
    others = (version for version in state.chain(row.origin_id) if version.res_id != row.res_id)
    return [
        {"resId": version.res_id, "relation": version.relation} for version in others if version.status != "DEL"
    ]


def _signature(state: State, row: Attachment, *, single: bool) -> dict[str, Any]:
    """Tell who signed and when; the ids are in the single form only (recorded)."""
    signed = state.signed_form(row) if row.status == "SIGN" else None
    if signed is None:
        return {}
    signatory = signed.signatory_id or signed.typist
    names = {"signatory": state.label(signatory)}
    date = {"signDate": stamp(signed.created_at, state.zone)}
    if not single:
        return {**names, **date}
    return {"signedResponse": signed.res_id, **names, "signatoryId": signatory, **date}


def _rights(state: State, user: User, row: Attachment) -> dict[str, bool]:
    allowed = state.may_change(user, row)
    return {"canUpdate": allowed, "canDelete": allowed}
