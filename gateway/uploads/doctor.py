"""What ``attachment-gateway doctor`` finds out about the object store, by doing to it what an attacker would.

It works with throw-away objects below ``{prefix}/doctor/`` and through the public endpoint, as clients do, and
removes what it put. About thirty requests; nothing of what others stored is read or changed.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import httpx

from gateway.domain.errors import GatewayError
from gateway.uploads.probes import (
    Bench,
    clock,
    copies,
    cross_origin,
    exact_bytes,
    expiry,
    forms,
    once,
    opened,
    signatures,
    split_keys,
    swaps,
    trailers,
    works,
)
from gateway.uploads.storage import StoreSettings


class Verdict(StrEnum):
    """How a check ended: a FAILURE is one that could not be made."""

    OK = "ok"
    WEAKNESS = "weakness"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in a sentence that holds no key and no signature."""

    check: str
    verdict: Verdict
    sentence: str


@dataclass(frozen=True, slots=True)
class Check:
    """A question to the store: ``ask`` gives a sentence about the weakness it finds, or None.

    ``grave`` is one whose weakness lets strangers read, write or replace what they may not; what the others find
    costs comfort, or is made up for by what finalizing verifies.
    """

    name: str
    fine: str
    ask: Callable[[Bench], Awaitable[str | None]]
    grave: bool = False


FIRST = Check("works", "An upload through a signed URL arrives, can be read and be removed.", works)
CHECKS = (
    Check("signatures", "A URL of which anything was changed is refused.", signatures, grave=True),
    Check("expiry", "A URL is refused after its end.", expiry, grave=True),
    Check("exact bytes", "Other bytes, lengths and types than the signed ones are refused.", exact_bytes),
    Check("once", "A URL works once.", once),
    Check("forms", "A POST form takes the signed key, type and sizes only.", forms),
    Check("copy source", "An unsigned copy source on a URL is refused.", copies, grave=True),
    Check(
        "unsigned trailers",
        "A body with an unsigned trailer and no valid signature is refused.",
        trailers,
        grave=True,
    ),
    Check("swapped objects", "Reading by an ETag that is no more is refused.", swaps),
    Check(
        "split keys",
        "The signer's key can neither read, nor list, nor write elsewhere.",
        split_keys,
        grave=True,
    ),
    Check("cors", "The configured pages may upload and read ETag and Location.", cross_origin),
    Check("clock", "The store's clock is right.", clock),
)


async def examine(settings: StoreSettings, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Make every check, one after the other; only the first one is made where uploads don't work at all."""
    async with opened(settings) as bench:
        first = await _made(FIRST, bench)
        if first.verdict is not Verdict.OK:
            return [first]
        return [first, *[await _made(check, bench) for check in checks]]


async def dangers(settings: StoreSettings) -> list[Finding]:
    """Find the grave weaknesses of a store that its settings do not accept; about fifteen requests.

    A store that cannot be asked has none: uploads tell so by themselves, and what needs no store goes on.
    """
    grave = [check for check in CHECKS if check.grave and check.name not in settings.accepted_weaknesses]
    names = {check.name for check in grave}
    found = await examine(settings, grave) if grave else []
    return [one for one in found if one.check in names and one.verdict is Verdict.WEAKNESS]


def exit_code(findings: Sequence[Finding]) -> int:
    """Give 0 where all is well, and otherwise 1."""
    return int(any(one.verdict is not Verdict.OK for one in findings))


def report(findings: Sequence[Finding]) -> str:
    """Write a line for each check, and one that sums up."""
    width = max(len(one.check) for one in findings)
    lines = [f"{one.verdict:8}  {one.check:{width}}  {one.sentence}" for one in findings]
    bad = sum(one.verdict is not Verdict.OK for one in findings)
    total = "The store is fit for uploads." if not bad else f"{bad} of {len(findings)} checks found something."
    return "\n".join([*lines, total])


async def _made(check: Check, bench: Bench) -> Finding:
    try:
        weakness = await check.ask(bench)
    except httpx.HTTPError as exc:
        # The text of these errors has addresses in it, which may be signed; their class says enough.
        sentence = f"The public endpoint cannot be asked ({type(exc).__name__})."
        return Finding(check.name, Verdict.FAILURE, sentence)
    except GatewayError as exc:
        return Finding(check.name, Verdict.FAILURE, exc.message)
    if weakness is None:
        return Finding(check.name, Verdict.OK, check.fine)
    return Finding(check.name, Verdict.WEAKNESS, weakness)
