"""The doctor of object stores: a good one passes, and each weakness alone is found."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from gateway.domain.secret import Secret
from gateway.sandbox.server import in_thread, listen
from gateway.sandbox.store import Store
from gateway.uploads import doctor
from gateway.uploads.doctor import Finding, Verdict, examine, exit_code, report
from gateway.uploads.storage import StoreSettings
from tests.conformance.storeyard import ORIGIN
from tests.uploads.minio_server import absent, named, running
from tests.uploads.weak_store import WEAKNESSES, contents, weak_store

CHECKS = [doctor.FIRST.name, *(check.name for check in doctor.CHECKS)]


@pytest.fixture(scope="module")
def settings(store: Store) -> StoreSettings:
    """Give the settings of a store that is well set up."""
    return store.settings(f"test-{uuid4().hex}", [ORIGIN])


def found(findings: list[Finding], verdict: Verdict) -> list[str]:
    """Name the checks that ended so."""
    return [one.check for one in findings if one.verdict is verdict]


async def test_a_good_store_passes(store: Store, settings: StoreSettings) -> None:
    """The embedded store has no weakness, and the doctor leaves nothing behind."""
    # given
    nothing = contents(store, settings.bucket)

    # when
    findings = await examine(settings)

    # then
    assert [one.check for one in findings] == CHECKS
    assert found(findings, Verdict.OK) == CHECKS, report(findings)
    assert exit_code(findings) == 0
    assert contents(store, settings.bucket) == nothing == []


@pytest.fixture
def weak(request: pytest.FixtureRequest, store: Store, settings: StoreSettings) -> Iterator[StoreSettings]:
    """Put a proxy with the weaknesses of the test's parameter before the store."""
    with in_thread(weak_store(store, set(request.param)), date_header=False) as origin:
        yield msgspec.structs.replace(settings, public_endpoint=origin)


@pytest.mark.parametrize("weak", [()], indirect=True)
async def test_a_good_proxy_passes(weak: StoreSettings) -> None:
    """The double itself adds no weakness, so what the next test finds is what it turned on."""
    # when
    findings = await examine(weak)

    # then
    assert found(findings, Verdict.OK) == CHECKS, report(findings)


@pytest.mark.parametrize("weak", [(name,) for name in WEAKNESSES], indirect=True, ids=WEAKNESSES)
async def test_each_weakness_is_found(
    request: pytest.FixtureRequest, store: Store, weak: StoreSettings
) -> None:
    """A store with one weakness fails that check alone, in a sentence without any secret; the exit code is 1."""
    # given
    name = request.node.callspec.id

    # when
    findings = await examine(weak)
    text = report(findings)

    # then
    assert found(findings, Verdict.WEAKNESS) == [name], text
    assert found(findings, Verdict.FAILURE) == []
    assert exit_code(findings) == 1
    assert text.endswith(f"1 of {len(CHECKS)} checks found something.")
    assert contents(store, weak.bucket) == []


def test_every_check_can_fail() -> None:
    """No check of the doctor is without a store that fails it, the first one apart, which the next test fails."""
    # when
    names = {check.name for check in doctor.CHECKS}

    # then
    assert names == set(WEAKNESSES)


async def test_a_store_that_is_down_is_a_failure() -> None:
    """Without a store there is one finding, that names no address and no key."""
    # given
    with listen() as free:
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings = made_up(endpoint)

    # when
    findings = await examine(settings)
    text = report(findings)

    # then
    assert found(findings, Verdict.FAILURE) == [doctor.FIRST.name]
    assert len(findings) == 1
    assert exit_code(findings) == 1
    assert not [secret for secret in ("secret", "Signature", endpoint) if secret in text]


async def test_refused_keys_are_a_weakness(settings: StoreSettings) -> None:
    """Wrong keys are told at once, and not as a dozen strange findings."""
    # given
    wrong = msgspec.structs.replace(settings, signer_secret_key=Secret("wrong"))

    # when
    findings = await examine(wrong)

    # then
    assert [(one.check, one.verdict) for one in findings] == [(doctor.FIRST.name, Verdict.WEAKNESS)]
    assert "HTTP 403" in findings[0].sentence


async def test_one_key_for_both_is_a_weakness(store: Store, settings: StoreSettings) -> None:
    """An operator who was in a hurry and used one key twice is told what that costs."""
    # given
    admin = store.admin
    both = msgspec.structs.replace(
        settings,
        signer_access_key=admin.access_key,
        signer_secret_key=Secret(admin.secret_key),
        reader_access_key=admin.access_key,
        reader_secret_key=Secret(admin.secret_key),
    )

    # when
    findings = await examine(both)

    # then
    assert found(findings, Verdict.WEAKNESS) == ["split keys"], report(findings)


async def test_a_page_without_a_rule_is_told(store: Store, settings: StoreSettings) -> None:
    """A page that is configured here but not at the store is named."""
    # given
    more = msgspec.structs.replace(settings, origins=(ORIGIN, "https://forgotten.example"))

    # when
    findings = await examine(more)

    # then
    assert found(findings, Verdict.WEAKNESS) == ["cors"]
    assert "https://forgotten.example" in report(findings)
    assert contents(store, settings.bucket) == []


async def test_the_hole_of_minio_is_found(tmp_path: Path) -> None:
    """The last open MinIO takes unsigned trailers from everybody (CVE-2026-41145), and that is all it has."""
    # given
    if reason := absent():
        pytest.skip(reason)
    if named():
        pytest.skip("S3_TEST_ENDPOINT names a server whose weaknesses nobody knows")
    with running(tmp_path) as server:
        # when
        findings = await examine(server.settings)

    # then
    assert found(findings, Verdict.WEAKNESS) == ["unsigned trailers"], report(findings)
    assert found(findings, Verdict.FAILURE) == []


def made_up(endpoint: str) -> StoreSettings:
    """Give settings with keys that no store knows."""
    return StoreSettings(
        endpoint=endpoint,
        bucket="uploads",
        signer_access_key="signer-access",
        signer_secret_key=Secret("signer-secret"),
        reader_access_key="reader-access",
        reader_secret_key=Secret("reader-secret"),
    )
