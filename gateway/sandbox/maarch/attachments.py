"""The routes that read and change attachments (upstreams.md 1.3), each check in the server's order."""

from starlette.responses import Response

from gateway.sandbox.maarch import checks, php, views
from gateway.sandbox.maarch.calls import Call, answered, nothing
from gateway.sandbox.maarch.records import Attachment, Crashed, Refused
from gateway.sandbox.maarch.state import GONE, in_range

CHANGEABLE = {"A_TRA", "TRA", "SEND_MASS"}


def create(call: Call) -> Response:
    """Store an attachment; answers its id."""
    text = checks.creation(call.state, call.user, call.body)
    if text is not None:
        raise Refused(400, text)
    return answered({"id": call.state.create(call.user, call.body).res_id})


def get(call: Call) -> Response:
    """Answer one attachment. An id that never was is out of perimeter, a deleted one does not exist."""
    row = call.attachment()
    if row is not None and row.status in GONE:
        raise Refused(400, "Attachment does not exist")
    if row is None or not call.sees(row):
        raise Refused(400, "Attachment out of perimeter")
    return answered(views.single(call.state, call.user, row))


def by_mail(call: Call) -> Response:
    """Answer the attachments of a mail, the last changed first; ``limit`` is all there is of paging."""
    mail = call.path["resId"]
    if not php.is_integer(mail) or not call.state.sees(call.user, in_range(mail)):
        raise Refused(403, "Document out of perimeter")
    limit = _limit(call.query.get("limit", ""))
    rows = call.state.listed(int(mail))[:limit]
    return answered(
        {
            "attachments": [views.listed(call.state, call.user, row) for row in rows],
            "mailevaEnabled": call.state.maileva_enabled,
        }
    )


def _limit(text: str) -> int | None:
    if php.is_empty(text):
        return None
    if not php.is_integer(text):
        raise Refused(400, "Query limit is not an integer")
    if int(text) < 0:
        raise Crashed("SQLSTATE[2201W]: <<Unknown error>>: 7 ERROR:  LIMIT must not be negative")
    return int(text) or None


def update(call: Call) -> Response:
    """Overwrite an attachment: every writable field that the body lacks becomes null."""
    row = call.attachment()
    if row is None or row.status not in CHANGEABLE:
        raise Refused(400, "Attachment does not exist")
    if not call.sees(row):
        raise Refused(400, "Attachment out of perimeter")
    if not call.state.may_change(call.user, row):
        raise Refused(403, "Attachment out of perimeter")
    text = checks.change(call.state, row, call.body)
    if text is not None:
        raise Refused(400, text)
    call.state.overwrite(call.user, row, call.body)
    return nothing()


def delete(call: Call) -> Response:
    """Delete an attachment with all its versions."""
    if not php.is_integer(call.path["id"]) or php.is_empty(call.path["id"]):
        raise Refused(400, "Route id must be an integer val")
    row = call.attachment()
    if row is None or row.status == "DEL":
        raise Refused(400, "Attachment does not exist")
    if row.type in checks.ARCHIVED:
        raise Refused(400, "Can not delete attachment use for record_management")
    if not call.sees(row):
        raise Refused(403, "Document out of perimeter")
    if not call.state.may_change(call.user, row):
        raise Refused(403, "Attachment out of perimeter")
    call.state.delete(row)
    return nothing()


def toggle_sending(call: Call) -> Response:
    """Turn ``inSendAttach`` over; twice is as before."""
    row = _toggled(call)
    row.in_send_attach = not row.in_send_attach
    return answered({"success": "success"})


def toggle_signature_book(call: Call) -> Response:
    """Turn ``inSignatureBook`` over; twice is as before."""
    row = _toggled(call)
    row.in_signature_book = not row.in_signature_book
    return answered({"success": "success"})


def _toggled(call: Call) -> Attachment:
    row = call.attachment()
    if row is None:
        raise Refused(400, "Attachment not found")
    if not call.sees(row):
        raise Refused(403, "Document out of perimeter")
    return row


def by_chrono(call: Call) -> Response:
    """Answer the first attachment with a chrono."""
    chrono = call.query.get("chrono")
    if php.is_empty(chrono):
        raise Refused(403, "Query chrono is not set")
    rows = call.state.attachments.values()
    row = next((row for row in rows if row.chrono == chrono and row.status not in GONE), None)
    if row is None:
        raise Refused(400, "Attachment does not exist")
    if not call.sees(row):
        raise Refused(403, "Attachment out of perimeter")
    return answered(views.brief(row))


def types(call: Call) -> Response:
    """Answer the types that an attachment may have, by their keys."""
    return answered(
        {"attachmentsTypes": {type_id: views.kind(kind) for type_id, kind in call.state.types.items()}}
    )
