"""What a store has to do with uploads in parts: the checks S08 to S11 of the store's suite."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.errors import BadInput, NotFound
from gateway.uploads.storage import StoredPart
from gateway.uploads.targets import SMALLEST_PART, part_target
from tests.conformance.storeyard import REFUSED, Yard, break_off, now, swapped


async def begun(yard: Yard) -> tuple[str, str, list[bytes]]:
    """Start an upload in two parts, the second of which is small."""
    key = yard.key()
    upload = await yard.store.create_multipart(key, "text/plain")
    return key, upload, [b"a" * SMALLEST_PART, b"the rest"]


class PartsSuite:
    """The checks of uploads in parts."""

    async def test_s08_resumes_an_upload_whose_part_was_broken_off(self, yard: Yard) -> None:
        """MUST forget half a part, list the whole ones, take the part again and make one object of them."""
        # given
        key, upload, bodies = await begun(yard)
        targets = [
            part_target(yard.settings, key, upload, number, size=len(body), now=now())
            for number, body in enumerate(bodies, 1)
        ]
        await break_off(targets[0], bodies[0], len(bodies[0]) // 2)
        etag = (await yard.send(targets[1], bodies[1])).headers["etag"]

        # when
        arrived = await yard.store.list_parts(key, upload)
        again = await yard.send(targets[0], bodies[0])
        done = await yard.store.complete(key, upload, await yard.store.list_parts(key, upload))
        read = await yard.store.digest(key, done.etag)

        # then
        assert [(part.number, part.size, f'"{part.etag}"') for part in arrived] == [(2, 8, etag)]
        assert again.status_code == 200
        assert (done.size, done.media_type) == (SMALLEST_PART + 8, "text/plain")
        assert read.sha256 == hashlib.sha256(b"".join(bodies)).hexdigest()

    async def test_s09_refuses_a_part_that_was_not_signed(self, yard: Yard) -> None:
        """MUST refuse a part of another number, upload or size than the signed one."""
        # given
        key, upload, _ = await begun(yard)
        target = part_target(yard.settings, key, upload, 1, size=5, now=now())

        # when
        answers = [
            await yard.send(swapped(target, "partNumber=1", "partNumber=2"), b"hello"),
            await yard.send(swapped(target, "uploadId=[^&]+", "uploadId=other"), b"hello"),
            await yard.send(target, b"longer than signed"),
        ]

        # then
        assert {answer.status_code for answer in answers} <= REFUSED
        assert await yard.store.list_parts(key, upload) == []

    async def test_s10_completes_once_and_says_so_again(self, yard: Yard) -> None:
        """MUST refuse parts that don't fit; a repeated completion tells of the same object."""
        # given
        key, upload, _ = await begun(yard)
        sent = await yard.send(part_target(yard.settings, key, upload, 1, now=now()), b"hello")
        right = [StoredPart(1, sent.headers["etag"].strip('"'), 5)]

        # when
        with pytest.raises(BadInput):
            await yard.store.complete(key, upload, [replace(right[0], etag="0" * 32)])
        with pytest.raises(BadInput):
            await yard.store.complete(key, upload, [*right, StoredPart(2, "0" * 32, 5)])
        first = await yard.store.complete(key, upload, right)
        second = await yard.store.complete(key, upload, right)

        # then
        assert first == second
        assert first.size == 5

    async def test_s11_forgets_an_aborted_upload(self, yard: Yard) -> None:
        """MUST list an upload that was begun, and after it is aborted know nothing of it."""
        # given
        key, upload, _ = await begun(yard)
        prefix = None if yard.lists_uploads else key
        later = now() + timedelta(minutes=5)

        # when
        before = await yard.store.list_multiparts(later, prefix)
        too_young = await yard.store.list_multiparts(now() - timedelta(minutes=5), prefix)
        await yard.store.abort(key, upload)
        await yard.store.abort(key, upload)
        after = await yard.store.list_multiparts(later, prefix)

        # then
        assert (key, upload) in {(one.key, one.upload_id) for one in before}
        assert key not in {one.key for one in [*too_young, *after]}
        with pytest.raises(NotFound):
            await yard.store.list_parts(key, upload)
        with pytest.raises(NotFound):
            await yard.store.complete(key, upload, [StoredPart(1, "0" * 32, 5)])
