"""Tests of the edits that the suite makes to the answers of a sandbox."""

from xml.etree import ElementTree as ET

import httpx
import pytest
from starlette.responses import Response

from tests.conformance.comparison import UNKNOWN_FIELD
from tests.conformance.rewriting import Edit, RewritingApp, add_unknown_fields, without_field


@pytest.mark.parametrize(
    ("media_type", "edit", "before", "after"),
    [
        (
            "application/json",
            add_unknown_fields,
            '[{"a": {"b": 1}}]',
            f'[{{"a": {{"b": 1, "{UNKNOWN_FIELD}": [{{"a": null}}]}}, "{UNKNOWN_FIELD}": [{{"a": null}}]}}]',
        ),
        ("application/json", without_field("b"), '[{"a": {"b": 1}, "b": 2}]', '[{"a": {}}]'),
        (
            "text/xml",
            without_field("b"),
            "<a xmlns='u'><b>1</b><c>2</c></a>",
            '<ns0:a xmlns:ns0="u"><ns0:c>2</ns0:c></ns0:a>',
        ),
        ("application/pdf", without_field("b"), '{"b": 1}', '{"b": 1}'),
    ],
)
async def test_json_and_xml_are_rewritten(media_type: str, edit: Edit, before: str, after: str) -> None:
    """An edit reaches every level of a body and its length follows; other bodies pass unread."""
    # given
    app = RewritingApp(Response(before, media_type=media_type))
    app.edit = edit

    # when
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as client:
        answer = await client.get("/")

    # then
    assert answer.text.removeprefix("<?xml version='1.0' encoding='utf-8'?>\n") == after
    assert answer.headers["content-length"] == str(len(answer.content))


def test_elements_of_an_xml_body_get_an_unknown_neighbour() -> None:
    """Elements that have children get one more, in their own namespace; texts stay what they are."""
    # given
    root = ET.fromstring("<a xmlns='u'><b>1</b></a>")  # noqa: S314 - our own text

    # when
    edited = add_unknown_fields(root)

    # then
    assert [one.tag for one in edited] == ["{u}b", f"{{u}}{UNKNOWN_FIELD}"]
    assert edited[0].text == "1"
    assert list(edited[0]) == []
