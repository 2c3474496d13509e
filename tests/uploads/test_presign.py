"""The signer of S3 URLs: the signatures of another implementation, and a real store that goes by them."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from gateway.sandbox.store import Store
from gateway.uploads.presign import LONGEST, presign

GOLDEN = json.loads((Path(__file__).parent / "presign_vectors.json").read_text(encoding="utf-8"))
EMPTY_SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
HELLO_SHA256 = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def signed(url: str, **changes: Any) -> str:
    """Sign a GET of a URL with made-up keys."""
    given: dict[str, Any] = {
        "access_key": "access",
        "secret_key": "secret",
        "region": "us-east-1",
        "expires": 60,
        "signed_headers": {},
        "now": NOW,
        **changes,
    }
    return presign("GET", url, **given)


def parted(url: str) -> tuple[str, str, str, dict[str, list[str]]]:
    """Take a URL apart, so that the order of its query doesn't matter."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc, parts.path, parse_qs(parts.query, keep_blank_values=True)


@pytest.mark.parametrize("vector", GOLDEN["vectors"], ids=lambda vector: vector["name"])
def test_signs_like_botocore(vector: dict[str, Any]) -> None:
    """The signature is the one that AWS's own library gives, for every kind of URL and header that we use."""
    # given
    keys = {"access_key": GOLDEN["access_key"], "secret_key": GOLDEN["secret_key"], "region": vector["region"]}

    # when
    url = presign(
        vector["method"],
        vector["url"],
        expires=vector["expires"],
        signed_headers=vector["signed_headers"],
        now=datetime.fromisoformat(GOLDEN["now"]),
        **keys,
    )

    # then
    assert parted(url) == parted(vector["signed"])


def test_any_time_zone_gives_the_same_url() -> None:
    """Two clocks in two zones that show the same moment sign the same."""
    # given
    elsewhere = NOW.astimezone(timezone(timedelta(hours=9)))

    # when
    urls = {signed("http://127.0.0.1/b/k", now=moment) for moment in (NOW, elsewhere)}

    # then
    assert len(urls) == 1


@pytest.mark.parametrize(
    "changes", [{"now": NOW.replace(tzinfo=None)}, {"expires": 0}, {"expires": LONGEST + 1}], ids=str
)
def test_refuses_what_no_store_would_take(changes: dict[str, Any]) -> None:
    """A time without zone and a life that S3 refuses are found before a client has the URL."""
    # given
    url = "http://127.0.0.1/b/k"

    # when
    with pytest.raises(ValueError, match=r"zone|lives") as raised:
        signed(url, **changes)

    # then
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("changed", "body", "status"),
    [
        ({}, b"hello", 200),
        ({"content-type": "text/html"}, b"hello", 403),
        ({"if-none-match": ""}, b"hello", 403),
        ({}, b"hello!", 403),
        ({}, b"jello", 400),
        ({"x-amz-checksum-sha256": EMPTY_SHA256}, b"hello", 403),
    ],
    ids=["as signed", "other type", "overwrite", "longer", "other bytes", "other checksum"],
)
def test_a_real_store_takes_exactly_what_was_signed(
    store: Store, bucket: str, changed: dict[str, str], body: bytes, status: int
) -> None:
    """The store refuses every other type, length and content than the signed ones."""
    # given
    headers = {
        "content-length": "5",
        "content-type": "text/plain",
        "if-none-match": "*",
        "x-amz-checksum-sha256": HELLO_SHA256,
    }
    url = put_url(store, f"{bucket}/exact-{status}-{len(changed)}-{len(body)}", headers)

    # when
    sent = {**headers, **changed, "content-length": str(len(body))}
    answer = httpx.put(url, content=body, headers=sent, trust_env=False)

    # then
    assert answer.status_code == status, answer.text


def test_a_real_store_takes_it_once(store: Store, bucket: str) -> None:
    """A signed ``If-None-Match: *`` makes a second PUT with the same URL a 412."""
    # given
    headers = {"content-length": "5", "if-none-match": "*"}
    url = put_url(store, f"{bucket}/once", headers)

    # when
    statuses = [
        httpx.put(url, content=b"hello", headers=headers, trust_env=False).status_code for _ in range(2)
    ]

    # then
    assert statuses == [200, 412]


def test_a_real_store_refuses_an_expired_url(store: Store, bucket: str) -> None:
    """The life of a URL is signed as well."""
    # given
    url = put_url(store, f"{bucket}/late", {}, age=timedelta(seconds=61))

    # when
    answer = httpx.put(url, content=b"hello", trust_env=False)

    # then
    assert answer.status_code == 403
    assert "expired" in answer.text


def put_url(store: Store, key: str, headers: dict[str, str], age: timedelta = timedelta()) -> str:
    """Sign a PUT for 60 seconds with the store's own keys, ``age`` ago."""
    return presign(
        "PUT",
        f"{store.url}/{key}",
        access_key=store.admin.access_key,
        secret_key=store.admin.secret_key,
        region=store.region,
        expires=60,
        signed_headers=headers,
        now=datetime.now(UTC) - age,
    )
