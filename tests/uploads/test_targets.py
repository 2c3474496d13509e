"""Where clients send bytes: signed as other implementations sign, and in the shape that Uppy takes."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import minio.datatypes
import pytest
from hypothesis import given, strategies
from minio.credentials import Credentials
from minio.datatypes import PostPolicy

from gateway.domain.secret import Secret
from gateway.uploads.storage import StoreSettings
from gateway.uploads.targets import (
    MIB,
    MOST_PARTS,
    part_lengths,
    part_size,
    part_target,
    post_target,
    put_target,
)

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEY = "staging/0123456789abcdef/6f1d0f4e-6a8d-4b6e-9a53-000000000001/00112233445566778899aabbccddeeff"
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
SETTINGS = StoreSettings(
    endpoint="http://store.internal:9000",
    public_endpoint="https://files.example.org",
    region="eu-west-3",
    bucket="uploads",
    signer_access_key="signer-access",
    signer_secret_key=Secret("signer-secret"),
    reader_access_key="reader-access",
    reader_secret_key=Secret("reader-secret"),
)
SIGNATURES = {
    "exact bytes": "291cab3ebb68daa4a8eb87555f58a6fa03cfca77356565c91d1d764192b4c4c9",
    "exact size": "05afb079d6feea27653d2cb64e26728eb8b97817f2e9bc946448392ecd122218",
    "part": "7330706d346f3fae92b68797a38c6138e952cfe35f0eee5ca1d336e6ce835995",
}
"""What botocore 1.44.5 signs at NOW with the same keys, URLs and headers."""


def query_of(url: str) -> dict[str, str]:
    """Give the parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize(("name", "sha256"), [("exact bytes", SHA256), ("exact size", None)])
def test_a_put_is_signed_over_all_that_was_announced(name: str, sha256: str | None) -> None:
    """Size, type, condition and checksum are signed, as AWS's own library signs them, for the public host."""
    # when
    target = put_target(SETTINGS, KEY, size=5, media_type="text/plain", sha256=sha256, now=NOW)

    # then
    assert target.url.startswith(f"https://files.example.org/uploads/{KEY}?")
    assert query_of(target.url)["X-Amz-Signature"] == SIGNATURES[name]
    signed = set(query_of(target.url)["X-Amz-SignedHeaders"].split(";"))
    assert signed == {"host", "content-length", *target.headers}
    assert target.expires_at == NOW + timedelta(seconds=300)


def test_a_part_is_signed_for_its_number_and_upload() -> None:
    """The number and the upload are in the signed query, whatever characters a store puts into its ids."""
    # when
    target = part_target(SETTINGS, KEY, "a/b=c", 2, size=8, now=NOW)

    # then
    assert query_of(target.url)["X-Amz-Signature"] == SIGNATURES["part"]
    assert (query_of(target.url)["partNumber"], query_of(target.url)["uploadId"]) == ("2", "a/b=c")
    assert target.headers == {}


class StoppedClock(datetime):
    """A clock for the SDK that shows NOW."""

    @classmethod
    def utcnow(cls) -> datetime:
        """Give NOW without a zone, as the SDK wants it."""
        return NOW.replace(tzinfo=None)


def test_a_form_is_signed_like_the_sdk_signs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our policy has the SDK's conditions, and its text signed by the SDK gives our signature."""
    # given
    monkeypatch.setattr(minio.datatypes, "datetime", StoppedClock)
    policy = PostPolicy("uploads", StoppedClock(2026, 11, 22, 9, 5, tzinfo=UTC))
    for name, value in {"key": KEY, "Content-Type": "text/plain", "success_action_status": "201"}.items():
        policy.add_equals_condition(name, value)
    policy.add_content_length_range_condition(1, 5)
    theirs = policy.form_data(Credentials("signer-access", "signer-secret"), "eu-west-3")

    # when
    ours = post_target(SETTINGS, KEY, sizes=range(1, 6), media_type="text/plain", now=NOW)
    resigned = minio.datatypes.post_presign_v4(
        ours.parameters["policy"], "signer-secret", NOW.replace(tzinfo=None), "eu-west-3"
    )

    # then
    assert ours.parameters["x-amz-signature"] == resigned
    assert _policy(ours.parameters) == _policy(theirs)
    assert {name: ours.parameters[name] for name in theirs if name not in {"policy", "x-amz-signature"}} == {
        name: value for name, value in theirs.items() if name not in {"policy", "x-amz-signature"}
    }
    assert ours.url == "https://files.example.org/uploads"


def _policy(form: Any) -> dict[str, Any]:
    """Read a form's policy; the order of its conditions means nothing."""
    policy: dict[str, Any] = json.loads(base64.b64decode(form["policy"]))
    return {**policy, "conditions": sorted(policy["conditions"], key=str)}


@pytest.mark.parametrize("kind", ["PUT", "POST"])
def test_a_target_shows_no_signature(kind: str) -> None:
    """Whoever has a target may upload, so a log that shows one shows neither its URL nor its form."""
    # given
    if kind == "PUT":
        target = put_target(SETTINGS, KEY, size=5, media_type="text/plain", now=NOW)
    else:
        target = post_target(SETTINGS, KEY, sizes=range(6), media_type="text/plain", now=NOW)

    # when
    text = repr(target)

    # then
    assert not [part for part in ("X-Amz-Signature", "x-amz-signature", KEY, "secret") if part in text]


@pytest.mark.parametrize("sha256", ["abc", "zz" * 32, "00" * 31], ids=["odd", "no hex", "short"])
def test_a_checksum_that_is_none_is_refused(sha256: str) -> None:
    """What no store could compare is told before a client has a URL that can't work."""
    # when
    with pytest.raises(ValueError, match=r"hex") as raised:
        put_target(SETTINGS, KEY, size=5, media_type="text/plain", sha256=sha256, now=NOW)

    # then
    assert sha256 not in str(raised.value)


@pytest.mark.parametrize("number", [0, MOST_PARTS + 1])
def test_a_part_that_s3_does_not_know_is_refused(number: int) -> None:
    """S3 counts parts from 1 to 10,000."""
    # when
    with pytest.raises(ValueError, match="count from 1"):
        part_target(SETTINGS, KEY, "upload", number, now=NOW)

    # then
    assert part_target(SETTINGS, KEY, "upload", min(max(number, 1), MOST_PARTS), now=NOW).method == "PUT"


@given(strategies.integers(0, 5 * 1024**4))
def test_parts_hold_every_size(size: int) -> None:
    """Up to S3's 5 TiB, the chosen parts are neither too small nor too many, and sum up to the file."""
    # given
    part = part_size(size)

    # when
    lengths = part_lengths(size, part)

    # then
    assert part >= 8 * MIB
    assert part % MIB == 0
    assert sum(lengths) == size
    assert 1 <= len(lengths) <= MOST_PARTS
    assert all(length == part for length in lengths[:-1])


@pytest.mark.parametrize(("size", "part"), [(1, 5 * MIB - 1), (5 * MIB * MOST_PARTS + 1, 5 * MIB)])
def test_parts_that_s3_refuses_are_refused_before(size: int, part: int) -> None:
    """Too small or too many parts would be told by the store after the last byte."""
    # when
    with pytest.raises(ValueError, match="do not hold") as raised:
        part_lengths(size, part)

    # then
    assert f"{size:,}" in str(raised.value)
