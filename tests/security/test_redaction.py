"""What is logged holds no secret, whoever logs it and however it is written."""

import base64
import io
import logging
import sys
import threading
from collections.abc import Iterator
from urllib.parse import quote
from weakref import WeakValueDictionary

import pytest

from gateway import redaction
from gateway.domain import secret as secrets
from gateway.domain.secret import Secret
from gateway.redaction import redacted
from tests.security.logged import everything_logged

PLANTED = "x7Kq-planted/9+z"
CONTENTS = base64.b64encode(bytes(range(256)) * 4).decode()


@pytest.fixture(autouse=True)
def no_secrets_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Know the secrets of one test alone: those of others that still live may be words that are written here."""
    monkeypatch.setattr(secrets, "_living", WeakValueDictionary())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Log everything into a text, with redaction as the commands install it, and put things back at the end."""
    with everything_logged() as written:
        yield written


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {PLANTED}",
        f"authorization: Basic {PLANTED}\r\nHost: a",
        f"{{'Authorization': 'Token {PLANTED}', 'Accept': '*/*'}}",
        f"[(b'authorization', b'{PLANTED}')]",
        f'{{"X-Api-Key": "{PLANTED}"}}',
        f"X-Hmac-Authorization: {PLANTED}",
        f"X-DECISIV-TRANSITON-TOKEN={PLANTED}",
        f"Espo-Authorization: {PLANTED}",
        f"Cookie: session={PLANTED}; other={PLANTED}",
        f"set-cookie: a={PLANTED}",
        f"GET /a?X-Amz-Signature={PLANTED}&X-Amz-Expires=60",
        f"GET /a?X-Amz-Credential={PLANTED}&b=1",
        f"https://s3.example/a?AWSAccessKeyId=1&Signature={quote(PLANTED, safe='')}",
        f"X-Amz-Signature%3D{PLANTED}",
        f"https://files.example/a?token={PLANTED}",
        f"https://files.example/a?b=1&access_token={PLANTED}#c",
        f'{{"title":"a","encodedFile":"{PLANTED}"}}',
        f"{{'password': '{PLANTED}', 'user': 'a'}}",
        f"password={PLANTED} user=a",
        f"client_secret: {PLANTED}",
        f"postgresql://gateway:{PLANTED.replace('/', '-')}@db/journal",
        f"data:application/pdf;base64,{PLANTED}",
        f"data:image/png,{PLANTED}",
        f"body {CONTENTS} end",
        f"['{base64.b64encode(b'x7Kq-planted:password').decode()}=']",
        "GET /content/AAAAx7Kq-planted_9AAAAAAAAAA HTTP/1.1",
        f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4N0txLXBsYW50ZWQifQ.{PLANTED}",
    ],
)
def test_secrets_are_known_by_how_they_look(text: str) -> None:
    """Headers, fields, signatures, addresses and contents are taken out without anybody having named them."""
    # when
    safe = redacted(text)

    # then
    assert PLANTED not in safe
    assert "x7Kq" not in safe
    assert CONTENTS[:60] not in safe
    assert "…" in safe


@pytest.mark.parametrize(
    "text",
    [
        "request 0f1e2d3c4b5a69788796a5b4c3d2e1f0 failed",
        'File "/usr/local/lib/python3.11/site-packages/gateway/upstreams/steps/arrhes.py", line 12, in one',
        "cannot listen on 127.0.0.1:8000: it is taken",
        "GET /v1/organizations/org1/years/2025/files/68d6ab9c0007ad856 404 in 12.3 ms",
        "https://files.example.org/a/b?page=2",
        "SELECT upload_ticket.id, upload_ticket.state FROM upload_ticket WHERE upload_ticket.key = ?",
        "The source refused the credential; the token was renewed.",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """A log from which everything is taken helps nobody."""
    # when
    safe = redacted(text)

    # then
    assert safe == text


def test_secrets_are_known_by_their_texts(log: io.StringIO) -> None:
    """Whatever is a secret for the gateway is one for its log, in each spelling, as long as it lives."""
    # given
    plain, url = Secret("correct horse/battery"), Secret("postgresql://gateway:st%40ple@db/journal")
    header = Secret("Basic c3RhcGxl")
    keys = Secret("aaaaaaaaaaaaaaaa1, bbbbbbbbbbbbbbbb2")
    texts = ["correct horse/battery", "correct%20horse%2Fbattery", "st@ple", "c3RhcGxl", "bbbbbbbbbbbbbbbb2"]

    # when
    for text in texts:
        logging.getLogger("somebody.else").warning("it is %s or %r", text, text)

    # then
    written = log.getvalue()
    assert written.count("somebody.else it is") == len(texts)
    assert not [text for text in texts if text in written]
    assert all((plain, url, header, keys))


@pytest.mark.parametrize(
    ("known", "text", "expected"),
    [
        ("secret", f"client_secret: {PLANTED}", "client_…: …"),
        ("password", f"{{'password': '{PLANTED}'}}", "{'…': '…'}"),
        ("Signature", f"/a?X-Amz-Signature={PLANTED}&b=1", "/a?X-Amz-…=…&b=1"),
        ("staple, horse", "password=correct-staple, horse battery", "password=… battery"),
        (f"{PLANTED}-tail", f"token={PLANTED}-tail", "token=…"),
    ],
)
def test_a_secret_does_not_hide_another(known: str, text: str, expected: str) -> None:
    """A password that is a word, as people choose them, leaves the name by which the next one is known."""
    # given
    secret = Secret(known)

    # when
    safe = redacted(text)

    # then
    assert safe == expected
    assert secret.reveal() == known


def test_secrets_that_overlap_are_both_gone() -> None:
    """The end of one may be the beginning of another."""
    # given
    known = (Secret("first-shared"), Secret("shared-second"))

    # when
    safe = redacted("it is first-shared-second then")

    # then
    assert safe == "it is … then"
    assert known


def test_a_secret_is_forgotten_with_its_object() -> None:
    """Tokens that end leave nothing behind, in the gateway's memory either."""
    # given
    secret = Secret("only for a moment")
    twin = Secret("only for a moment")

    # when
    while_it_lives = redacted("only for a moment")
    del secret
    while_its_twin_lives = redacted("only for a moment")
    del twin

    # then
    assert (while_it_lives, while_its_twin_lives) == ("…", "…")
    assert redacted("only for a moment") == "only for a moment"


def test_tracebacks_are_redacted(log: io.StringIO) -> None:
    """An exception's text and those of its causes are logged without secrets, and with where they came from."""

    # given
    def refuse() -> None:
        raise ValueError(f"refused Authorization: Bearer {PLANTED}")

    def fail() -> None:
        try:
            refuse()
        except ValueError as exc:
            raise RuntimeError(f"https://a:{quote(PLANTED, safe='')}@host/?token={PLANTED}") from exc

    # when
    try:
        fail()
    except RuntimeError:
        logging.getLogger("gateway").exception("request failed with %s", {"password": PLANTED}, stack_info=True)

    # then
    written = log.getvalue()
    assert "RuntimeError" in written
    assert "in fail" in written
    assert "x7Kq" not in written


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("%s", (f"token={PLANTED}",)),
        ("%(token)s", ({"token": f"token={PLANTED}"},)),
        ("token=%s", (PLANTED,)),
        ("%s %s", (f"token={PLANTED}",)),
        ("%d", (f"token={PLANTED}",)),
        (f"token={PLANTED} 100%", ()),
        ("%s", (Exception(f"token={PLANTED}"),)),
    ],
)
def test_arguments_are_redacted(log: io.StringIO, message: str, arguments: tuple[object, ...]) -> None:
    """However a message is put together, and even where it cannot be."""
    # when
    logging.getLogger("gateway").warning(message, *arguments)

    # then
    assert "token=…" in log.getvalue()
    assert PLANTED not in log.getvalue()


def test_exceptions_that_nobody_caught_are_redacted(
    log: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Python prints at the end of a program or a thread has no secrets either."""
    # given
    assert log.getvalue() == ""
    died = ValueError(f"token={PLANTED}")

    def fail() -> None:
        raise died

    # when
    sys.excepthook(ValueError, died, None)
    monkeypatch.setattr(threading.Thread, "run", lambda _: fail())
    hook = threading.excepthook
    thread = threading.Thread()
    thread._invoke_excepthook = lambda one: hook(threading.ExceptHookArgs((*sys.exc_info(), one)))  # type: ignore[attr-defined]
    thread.start()
    thread.join()

    # then
    assert capsys.readouterr().err.count("ValueError: token=…") == 2


def test_installing_twice_is_installing_once(log: io.StringIO) -> None:
    """The demo's and the server's start do not redact what is redacted."""
    # given
    before = logging.getLogRecordFactory()

    # when
    redaction.install()

    # then
    assert logging.getLogRecordFactory() is before
    assert log.getvalue() == ""
