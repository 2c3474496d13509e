"""Media types by name: the same on every machine, and what a setting accepts of them."""

import mimetypes

import pytest

from gateway.domain.media_types import is_accepted, media_type_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Facture.PDF", "application/pdf"),
        ("a/b.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("lettres.tar.gz", "application/gzip"),
        ("photo.webp", "image/webp"),
        ("README", None),
        (".pdf", None),
        ("name.", None),
        ("name.unknown", None),
        ("", None),
    ],
)
def test_last_extension_decides(name: str, expected: str | None) -> None:
    """Case and path do not count, nor does what stands before the last extension."""
    # given the name

    # when
    found = media_type_of(name)

    # then
    assert found == expected


def test_tables_of_the_machine_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `/etc/mime.types` or another library adds to Python's shared table changes no answer."""
    # given
    monkeypatch.setitem(mimetypes.types_map, ".pdf", "application/x-of-this-machine")
    monkeypatch.setitem(mimetypes.types_map, ".local", "application/x-of-this-machine")

    # when
    found = [media_type_of("a.pdf"), media_type_of("a.local")]

    # then
    assert mimetypes.types_map[".local"]
    assert found == ["application/pdf", None]


@pytest.mark.parametrize(
    ("patterns", "accepted"),
    [
        ((), True),
        ((".PDF",), True),
        (("application/pdf",), True),
        (("application/*",), True),
        ((".txt", "image/*"), False),
        (("pdf",), False),
        (("application/pd",), False),
    ],
)
def test_one_pattern_is_enough(patterns: tuple[str, ...], accepted: bool) -> None:
    """An extension, a media type or its family takes a file; no pattern at all takes all."""
    # given
    name, media_type = "Facture.pdf", "Application/PDF; version=1.7"

    # when
    found = is_accepted(patterns, name, media_type)

    # then
    assert found is accepted
