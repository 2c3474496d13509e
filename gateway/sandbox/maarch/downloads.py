"""The routes that give bytes: the original, its PDF rendition and its picture (upstreams.md 1.3)."""

import base64
from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from gateway.sandbox.maarch import formats, php, samples
from gateway.sandbox.maarch.calls import Call, answered
from gateway.sandbox.maarch.contents import Content, Made, head, read
from gateway.sandbox.maarch.records import Attachment, Crashed, Refused
from gateway.sandbox.maarch.state import GONE, State, in_range

NO_CONVERTER = (
    "[ConvertPdf]  Conversion failed ! timeout: failed to run command 'unoconv': No such file or directory"
)


def original(call: Call) -> Response:
    """Answer the stored bytes as an attachment, or in JSON with ``mode=base64``."""
    row = _readable(call, hidden={"DEL"})
    call.state.views[row.res_id] += 1
    mime = formats.sniffed(head(row.content))
    extension = row.format.lower()
    name = f"{php.filename(row.title)}{_version(call.state, row)}.{extension}"
    if call.query.get("mode") == "base64":
        encoded = base64.b64encode(read(row.content)).decode()
        return answered(
            {"encodedDocument": encoded, "extension": extension, "mimeType": mime, "filename": name}
        )
    return _sent(row.content, mime, f"attachment; filename={name}")


def rendition(call: Call) -> Response:
    """Answer the PDF made of the file, with a watermark unless ``watermark`` is falsy."""
    row = _readable(call, hidden={"DEL"})
    content = Made(lambda: _rendered(call, row))
    if not call.state.has_converter:
        raise Refused(400, f"Conversion error : {NO_CONVERTER}")
    if not formats.can_convert(row.format):
        raise Refused(400, "Document can not be converted")
    call.state.views[row.res_id] += 1
    name = php.filename(row.title)
    if call.query.get("mode") != "base64":
        return _sent(content, "application/pdf", f"inline; filename={name}.pdf")
    signatory = row.signatory_id or row.typist if row.type == "signed_response" else None
    return answered(
        {
            "encodedDocument": base64.b64encode(read(content)).decode(),
            "originalFormat": row.format,
            "filename": f"{name}.{row.format}",
            "mimeType": "application/pdf",
            "signatoryId": signatory,
        }
    )


def thumbnail(call: Call) -> Response:
    """Answer the picture of the first page."""
    row = _readable(call, hidden=GONE)
    if not call.state.has_converter:
        raise Refused(404, "Thumbnail not found on docserver")
    return _sent(Made(lambda: samples.png(row.res_id)), "image/png", "inline; filename=maarch.png")


def thumbnail_page(call: Call) -> Response:
    """Answer the picture of one page in JSON; every document here has one page."""
    if not php.is_integer(call.path["id"]):
        raise Refused(400, "id param is not an integer")
    row = call.attachment()
    if row is None:
        raise Refused(400, "Document does not exist")
    if not call.sees(row):
        raise Refused(403, "Document out of perimeter")
    if not call.state.has_converter or call.path["page"] != "1":
        raise Refused(400, "Thumbnail not found on docserver or not readable", lang="thumbnailNotFound")
    return answered({"fileContent": base64.b64encode(samples.png(row.res_id)).decode(), "pageCount": 1})


def _readable(call: Call, hidden: set[str]) -> Attachment:
    """Find an attachment whose bytes the user may read; another text than ``GET /attachments/{id}`` has."""
    if not php.is_integer(call.path["id"]):
        raise Refused(400, "Route id is not an integer")
    row = call.state.attachments.get(in_range(call.path["id"]))
    if row is None or row.status in hidden:
        raise Refused(400, "Attachment not found")
    if not call.sees(row):
        raise Refused(403, "Document out of perimeter")
    return row


def _version(state: State, row: Attachment) -> str:
    """Give the suffix of a file name that tells versions apart; empty where there is but one."""
    later = any(other.relation > row.relation and other.status != "DEL" for other in state.chain(row.res_id))
    return f"_V{row.relation}" if row.relation > 1 or later else ""


def _rendered(call: Call, row: Attachment) -> bytes:
    """Make the rendition: a PDF stays as it is, unless it gets a watermark."""
    watermark = None if php.is_empty(call.query.get("watermark", "1")) else call.state.watermark
    if row.format.lower() == "pdf" and watermark is None:
        return read(row.content)
    return samples.pdf(row.title or "", row.chrono or "", *([watermark] if watermark else []))


def _sent(content: Content, mime: str, disposition: str) -> Response:
    """Stream bytes; the file name goes out raw, as UTF-8, and crashes on a control character [inferred]."""
    if not php.is_header_safe(disposition):
        raise Crashed("Header values must be RFC 7230 compatible strings.")
    answer = StreamingResponse(_pieces(content))
    charset = ";charset=UTF-8" if mime.startswith("text/") else ""
    answer.raw_headers = [
        (b"content-type", f"{mime}{charset}".encode()),
        (b"content-disposition", disposition.encode()),
        (b"content-length", str(content.size).encode()),
    ]
    return answer


def _pieces(content: Content) -> Iterator[bytes]:
    yield from content.pieces()
