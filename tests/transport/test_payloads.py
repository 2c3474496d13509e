"""Tests of what becomes of the bodies that sources send."""

import traceback
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from gateway.domain.errors import BadResponse
from gateway.transport.payloads import LARGEST_XML, decode_json, decode_xml, parse_time, text_or_none

SECRET = "pssst"


class Inner(msgspec.Struct):
    """Something inside."""

    number: int


class Thing(msgspec.Struct):
    """Something with something inside."""

    name: str
    inner: list[Inner] = []


def test_json_takes_its_shape_and_drops_the_rest() -> None:
    """Keys of a later version don't disturb, and numbers that came as text are numbers."""
    # given
    body = b'{"name": "a", "inner": [{"number": "5", "more": {}}], "more": [1]}'

    # when
    thing = decode_json(body, Thing, "source")

    # then
    assert thing == Thing("a", [Inner(5)])


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"name": "a", "inner": [{"number": 1}, {"number": "pssst"}]}', " at `$.inner[1].number`"),
        (b'{"name": "a", "inner": [{"pssst": 1}]}', " at `$.inner[0]`"),
        (b'{"name": ["pssst"]}', " at `$.name`"),
        (b'{"pssst": 1}', ""),
        (b'"pssst"', ""),
        (b"null", ""),
    ],
)
def test_a_wrong_shape_is_named_by_its_place(body: bytes, place: str) -> None:
    """The operator learns where the source broke its contract; nobody learns what stood there."""
    # given
    shape = Thing

    # when
    with pytest.raises(BadResponse) as bad:
        decode_json(body, shape, "source")

    # then
    assert bad.value.message == f"The source sent an unexpected shape{place}."
    assert SECRET not in "".join(traceback.format_exception(bad.value))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"name": "pssst"',
        b"<html>pssst</html>",
        b'{"name": "\xff"}',
        b"\x00pssst",
        b'{"more": ' + b"[" * 100_000,
        b'{"name": "\\ud800"}',
    ],
)
def test_what_is_no_json_is_a_bad_response(body: bytes) -> None:
    """Half a body, another format, wrong bytes or a million brackets: one error, without a word of it."""
    # given
    shape = Thing

    # when
    with pytest.raises(BadResponse) as bad:
        decode_json(body, shape, "source")

    # then
    assert bad.value.message == "The source sent something that is not JSON."
    assert SECRET not in "".join(traceback.format_exception(bad.value))


def laughs() -> bytes:
    """Make a body that would grow a thousand million times."""
    entities = '<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{level} "{f"&a{level - 1};" * 10}">' for level in range(1, 10)
    )
    return f"<!DOCTYPE a [{entities}]><a>&a9;</a>".encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"pssst",
        b"<a>pssst</b>",
        b"<a>pssst</a><a/>",
        b"<a>pssst",
        b'{"a": "pssst"}',
        b"<!DOCTYPE a><a>pssst</a>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/pssst.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY e "pssst">]><a>&e;</a>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        b'<!DOCTYPE a [<!ENTITY % e SYSTEM "http://127.0.0.1:9/"> %e;]><a/>',
        b"<a>&undefined;</a>",
        b"<?xml version='1.0' encoding='pssst'?><a/>",
        b"<a>\xff</a>",
        laughs(),
        b"<a>" + b" " * LARGEST_XML + b"</a>",
    ],
)
def test_dangerous_or_broken_xml_is_refused(body: bytes) -> None:
    """DTD, entities and anything external never reach the parser's imagination, and nothing of them is told."""
    # given
    given = body

    # when
    with pytest.raises(BadResponse) as bad:
        decode_xml(given, "source")

    # then
    assert SECRET not in bad.value.message
    assert bad.value.source == "source"


def test_a_schema_location_is_not_followed() -> None:
    """It is an attribute like any other; sockets are counted by nobody, for none is opened."""
    # given
    body = b"""<a xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="u http://127.0.0.1:9/a.xsd"/>"""

    # when
    root = decode_xml(body, "source")

    # then
    assert root.tag == "a"
    assert list(root.attrib.values()) == ["u http://127.0.0.1:9/a.xsd"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"<a>x</a>", "x"),
        (b"\n <?xml version='1.0'?><a>x</a>", "x"),
        (b"<?xml version='1.0'?>\n<?xml version='1.0' encoding='UTF-8'?>\n<a>\xc3\xa9</a>", "é"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9</a>", "é"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><a>x</a>", "x"),
        ("<?xml version='1.0' encoding='UTF-16'?><a>é</a>".encode("utf-16"), "é"),
        (b"<a>&lt;&amp;&#233;<![CDATA[<b>]]></a>", "<&é<b>"),
        (b"<a>" + b"x" * (LARGEST_XML - 7) + b"</a>", "x" * (LARGEST_XML - 7)),
    ],
)
def test_plain_xml_is_read(body: bytes, text: str) -> None:
    """A repeated prolog, which one source sends with its errors, is no trouble, and encodings are kept."""
    # given
    given = body

    # when
    root = decode_xml(given, "source")

    # then
    assert root.text == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("", None),
        ("2026-11-22 05:40:45+00", datetime(2026, 11, 22, 5, 40, 45, tzinfo=UTC)),
        ("2026-03-14T16:38:06Z", datetime(2026, 3, 14, 16, 38, 6, tzinfo=UTC)),
        ("2026-03-14T16:38:06+0000", datetime(2026, 3, 14, 16, 38, 6, tzinfo=UTC)),
        ("2025-07-14T10:20:30.5+02:00", datetime(2025, 7, 14, 8, 20, 30, 500_000, tzinfo=UTC)),
        ("2025-07-14 10:20:30", datetime(2025, 7, 14, 8, 20, 30, tzinfo=UTC)),
        ("2025-03-14", datetime(2025, 3, 13, 23, 0, tzinfo=UTC)),
    ],
)
def test_times_are_aware_and_in_utc(text: str | None, moment: datetime | None) -> None:
    """Every spelling of the sources gives the same kind of time; one without a zone has the source's."""
    # given
    zone = ZoneInfo("Europe/Paris")

    # when
    found = parse_time(text, "source", zone)

    # then
    assert found == moment
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize("name", ["Europe/Paris", "America/Havana", "America/Sao_Paulo", "Australia/Lord_Howe"])
def test_local_times_are_right_on_every_day(name: str) -> None:
    """On those too whose offset changes, at night or at midnight, by an hour or by half of one."""
    # given each half hour of a year in which all of them had summer time
    zone = ZoneInfo(name)
    moments = [datetime(2018, 1, 1) + timedelta(minutes=30 * number) for number in range(365 * 48)]  # noqa: DTZ001

    # when
    found = [parse_time(str(moment), "source", zone) for moment in moments]

    # then
    assert found == [moment.replace(tzinfo=zone).astimezone(UTC) for moment in moments]


def test_the_last_day_there_is_can_be_read() -> None:
    """Some sources write it for "never"."""
    # when
    found = parse_time("9999-12-31 23:59:59", "source", ZoneInfo("Europe/Paris"))

    # then
    assert found == datetime(9999, 12, 31, 22, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["pssst", "14/03/2025", "2025-13-01", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_time_is_a_bad_response(text: str) -> None:
    """A source that changes its dates is found out, not guessed at."""
    # given
    given = text

    # when
    with pytest.raises(BadResponse) as bad:
        parse_time(given, "source")

    # then
    assert SECRET not in bad.value.message


def test_an_empty_text_is_none() -> None:
    """Several sources write it for "not known"."""
    # given
    texts = [None, "", " ", "a"]

    # when
    found = [text_or_none(text) for text in texts]

    # then
    assert found == [None, None, " ", "a"]
