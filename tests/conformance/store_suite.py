"""What every object store has to do before the gateway trusts it with uploads: the checks S01 to S18.

A store's test is a subclass with a fixture ``yard`` that opens it. Who adds a store to the README's list runs this.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest
from minio.error import S3Error

from gateway.domain.errors import Conflict, NotFound
from gateway.uploads.forgery import FORMS, forged
from gateway.uploads.s3 import S3Client
from gateway.uploads.targets import (
    StagedTarget,
    object_url,
    post_target,
    put_target,
)
from tests.conformance.store_parts import PartsSuite
from tests.conformance.storeyard import FOREIGN, REFUSED, Yard, exposed, now, swapped

HELLO = b"hello"
SHA256 = hashlib.sha256(HELLO).hexdigest()


def exact(yard: Yard, key: str, *, age: timedelta = timedelta()) -> StagedTarget:
    """Sign a PUT of HELLO, ``age`` ago."""
    return put_target(yard.settings, key, size=5, media_type="text/plain", sha256=SHA256, now=now() - age)


def form(yard: Yard, key: str, *, age: timedelta = timedelta()) -> StagedTarget:
    """Sign a form for two to eight bytes of text, ``age`` ago."""
    return post_target(yard.settings, key, sizes=range(2, 9), media_type="text/plain", now=now() - age)


class StoreSuite(PartsSuite):
    """The checks; each one's docstring is its promise. S08 to S11 are those of uploads in parts."""

    async def test_s01_takes_what_was_signed(self, yard: Yard) -> None:
        """MUST take the announced bytes, and tell their size, type and, if any, their right checksum."""
        # given
        key = yard.key()

        # when
        answer = await yard.send(exact(yard, key), HELLO)
        found = await yard.store.stat(key)

        # then
        assert answer.status_code == 200, answer.text
        assert (found.size, found.media_type) == (5, "text/plain")
        assert found.sha256 in {SHA256, None}
        assert answer.headers["etag"].strip('"') == found.etag
        assert abs(found.last_modified - now()) < timedelta(minutes=1)

    @pytest.mark.parametrize(
        ("pattern", "replacement"),
        [
            (r"X-Amz-Signature=\w{4}", "X-Amz-Signature=0000"),
            (r"&X-Amz-Signature=\w+", ""),
            (r"X-Amz-Expires=300", "X-Amz-Expires=3000"),
            (r"X-Amz-SignedHeaders=[^&]+", "X-Amz-SignedHeaders=host"),
            (r"/staging/", "/staging/other/"),
            (r"([0-9a-f]{32})\?", "00000000000000000000000000000000?"),
        ],
        ids=["signature", "no signature", "expiry", "signed headers", "folder", "key"],
    )
    async def test_s02_refuses_a_changed_url(self, yard: Yard, pattern: str, replacement: str) -> None:
        """MUST refuse a URL of which anything was changed, the key above all, and store nothing."""
        # given
        key = yard.key()
        target = swapped(exact(yard, key), pattern, replacement)

        # when
        answer = await yard.send(target, HELLO)

        # then
        assert answer.status_code in REFUSED, answer.text
        assert not await yard.exists(key)

    @pytest.mark.parametrize("sign", [exact, form], ids=["PUT", "POST"])
    async def test_s03_refuses_an_expired_target(self, yard: Yard, sign: Callable[..., StagedTarget]) -> None:
        """MUST refuse a URL or a form one second after its end."""
        # given
        key = yard.key()
        target = sign(yard, key, age=timedelta(seconds=yard.settings.expires + 1))

        # when
        answer = await yard.send(target, HELLO)

        # then
        assert answer.status_code in REFUSED, answer.text
        assert not await yard.exists(key)

    @pytest.mark.parametrize(
        ("body", "changed"),
        [
            (b"hello!", {}),
            (b"hell", {}),
            (b"", {}),
            (HELLO, {"content_type": "text/html"}),
            (HELLO, {"content_type": ""}),
            (HELLO, {"if_none_match": ""}),
            (HELLO, {"x_amz_checksum_sha256": base64.b64encode(b"0" * 32).decode()}),
            (HELLO, {"x_amz_checksum_sha256": ""}),
            (b"jello", {}),
        ],
        ids=[
            "longer",
            "shorter",
            "empty",
            "other type",
            "no type",
            "may replace",
            "other checksum",
            "no checksum",
            "bytes",
        ],
    )
    async def test_s04_refuses_any_other_body(self, yard: Yard, body: bytes, changed: dict[str, str]) -> None:
        """MUST refuse another length, type, condition, checksum, or other bytes, and store nothing."""
        # given
        key = yard.key()

        # when
        answer = await yard.send(exact(yard, key), body, **changed)

        # then
        assert answer.status_code in REFUSED, answer.text
        assert not await yard.exists(key)

    async def test_s05_takes_it_once(self, yard: Yard) -> None:
        """MUST answer 412 to a second PUT, and keep what the first one brought."""
        # given
        key = yard.key()
        target = put_target(yard.settings, key, size=5, media_type="text/plain", now=now())

        # when
        answers = [await yard.send(target, body) for body in (HELLO, b"jello")]

        # then
        assert [answer.status_code for answer in answers] == [200, 412]
        assert (await yard.store.digest(key, (await yard.store.stat(key)).etag)).sha256 == SHA256

    async def test_s06_takes_what_the_form_allows(self, yard: Yard) -> None:
        """MUST take a form of the right key, type and size, and answer 201 with the ETag."""
        # given
        key = yard.key()

        # when
        answer = await yard.send(form(yard, key), HELLO)
        found = await yard.store.stat(key)

        # then
        assert answer.status_code == 201, answer.text
        assert (found.size, found.media_type) == (5, "text/plain")

    @pytest.mark.parametrize(
        ("body", "changed"),
        [
            (b"123456789", {}),
            (b"1", {}),
            (HELLO, {"key": "staging/elsewhere"}),
            (HELLO, {"Content_Type": "text/html"}),
            (HELLO, {"x_amz_signature": "0" * 64}),
            (HELLO, {"policy": base64.b64encode(json.dumps({"conditions": []}).encode()).decode()}),
            (HELLO, {"x_amz_meta_more": "than signed"}),
        ],
        ids=["too big", "too small", "key", "type", "signature", "policy", "field"],
    )
    async def test_s07_refuses_what_the_form_forbids(
        self, yard: Yard, body: bytes, changed: dict[str, str]
    ) -> None:
        """MUST refuse every other key, type and size than the form's policy names, and a changed policy."""
        # given
        key = yard.key()

        # when
        answer = await yard.send(form(yard, key), body, **changed)

        # then
        assert answer.status_code in REFUSED, answer.text
        assert not await yard.exists(key)
        assert not await yard.exists("staging/elsewhere")

    async def test_s12_lets_known_pages_upload(self, yard: Yard) -> None:
        """MUST allow the signed headers to our page's preflight, and let it read ETag and Location; no other page."""
        # given
        target, posted = exact(yard, yard.key()), form(yard, yard.key())
        origin = yard.settings.origins[0]

        # when
        asked = [await yard.preflight(one, origin) for one in (target, posted)]
        foreign = await yard.preflight(target, FOREIGN)
        answer = await yard.client.put(target.url, content=HELLO, headers={**target.headers, "origin": origin})

        # then
        for one in asked:
            assert one.status_code in {200, 204}
            assert one.headers.get("access-control-allow-origin") in {origin, "*"}
        allowed = asked[0].headers["access-control-allow-headers"].lower()
        assert all(name in allowed or allowed == "*" for name in target.headers)
        assert foreign.headers.get("access-control-allow-origin") not in {FOREIGN, "*"}
        assert answer.status_code == 200, answer.text
        assert {"etag", "location"} <= exposed(answer) or "*" in exposed(answer)

    async def test_s13_keeps_the_signer_from_reading(self, yard: Yard) -> None:
        """MUST let the signer's key, which every client sees half of, do nothing but write below the prefix."""
        # given
        settings = yard.settings
        if settings.signer_access_key == settings.reader_access_key:
            pytest.skip("this store was given with one pair of keys: S3_TEST_SIGNER_ACCESS_KEY is not set")
        key, bucket = yard.key(), settings.bucket
        await yard.send(exact(yard, key), HELLO)
        signer = S3Client(
            settings.endpoint, settings.signer_access_key, settings.signer_secret_key, settings.region, 1
        )

        # when
        codes = []
        for forbidden in (
            lambda: signer.stat_object(bucket_name=bucket, object_name=key),
            lambda: signer.get_object(bucket_name=bucket, object_name=key),
            lambda: list(signer.list_objects(bucket_name=bucket, prefix=settings.prefix)),
        ):
            with pytest.raises(S3Error) as raised:
                forbidden()
            codes.append(raised.value.code)
        outside = await yard.send(exact(yard, f"elsewhere/{uuid4()}"), HELLO)
        read = await yard.client.get(signer.presigned_get_object(bucket_name=bucket, object_name=key))
        signer.close()

        # then
        assert set(codes) == {"AccessDenied"}
        assert (outside.status_code, read.status_code) == (403, 403)

    async def test_s14_refuses_an_object_that_was_swapped(self, yard: Yard) -> None:
        """MUST refuse to read by an ETag that is no more, so that what was verified is what is carried."""
        # given
        key = yard.key()
        await yard.send(form(yard, key), HELLO)
        verified = await yard.store.stat(key)
        await yard.send(form(yard, key), b"jello")

        # when
        with pytest.raises(Conflict):
            await yard.store.digest(key, verified.etag)
        with pytest.raises(Conflict):
            async with yard.store.open(key, verified.etag):
                raise AssertionError

        # then
        assert (await yard.store.stat(key)).etag != verified.etag

    async def test_s15_refuses_a_copy_that_nobody_signed(self, yard: Yard) -> None:
        """MUST NOT copy an object for the holder of a PUT's URL who adds a source to it (CVE-2026-97731)."""
        # given
        key, other = yard.key(), yard.key()
        await yard.send(exact(yard, other), HELLO)
        target = put_target(yard.settings, key, size=0, media_type="text/plain", now=now())

        # when
        answer = await yard.send(target, b"", x_amz_copy_source=f"/{yard.settings.bucket}/{other}")

        # then
        assert answer.status_code in REFUSED, answer.text
        assert not await yard.exists(key)

    @pytest.mark.parametrize("form", FORMS)
    async def test_s16_refuses_an_unsigned_trailer(self, yard: Yard, form: str) -> None:
        """MUST NOT store what somebody sends who knows no more than an access key."""
        # given
        key, settings = yard.key(), yard.settings
        url = object_url(settings, key)

        # when
        answer = await yard.client.send(
            forged(form, url, access_key=settings.signer_access_key, region=settings.region, now=now())
        )

        # then
        assert answer.status_code in REFUSED, answer.text
        assert not await yard.exists(key)

    async def test_s17_reads_lists_and_removes(self, yard: Yard) -> None:
        """MUST give the bytes back as they came, list them by age, and forget them when told, even twice."""
        # given
        key, body = yard.key(), bytes(range(256)) * 4096
        await yard.put(key, body)
        etag = (await yard.store.stat(key)).etag
        later = now() + timedelta(minutes=5)

        # when
        async with yard.store.open(key, etag) as chunks:
            read = b"".join([chunk async for chunk in chunks])
        digest = await yard.store.digest(key, etag)
        old = {one.key: one.size async for one in yard.store.list_objects(later)}
        young = {one.key async for one in yard.store.list_objects(now() - timedelta(minutes=5))}
        await yard.store.remove(key)
        await yard.store.remove(key)

        # then
        assert read == body
        assert (digest.sha256, digest.size) == (hashlib.sha256(body).hexdigest(), len(body))
        assert digest.head == body[:4096]
        assert old[key] == len(body)
        assert key not in young
        with pytest.raises(NotFound):
            await yard.store.stat(key)

    async def test_s18_signs_for_the_public_endpoint(self, yard: Yard) -> None:
        """MUST go by the host that clients reach, whatever host the gateway itself asks."""
        # given
        public = yard.settings.public_endpoint.replace("127.0.0.1", "localhost")
        settings = msgspec.structs.replace(yard.settings, public_endpoint=public)
        key = yard.key()
        target = put_target(settings, key, size=5, media_type="text/plain", now=now())

        # when
        answer = await yard.send(target, HELLO)
        moved = await yard.send(swapped(target, "//localhost", "//127.0.0.1"), HELLO)

        # then
        assert target.url.startswith(f"{public}/")
        assert (answer.status_code, moved.status_code) == (200, 403)
