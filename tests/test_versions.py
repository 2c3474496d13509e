"""The packages that users get are those in which what is known was mended; each row names what that was."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

from gateway.transport import payloads
from tests.tooling.node import ROOT

FLOORS = (
    ("strawberry-graphql", "0.243.0", "CVE-2024-47082: CSRF by multipart"),
    ("strawberry-graphql", "0.257.0", "CVE-2025-22151: another type's object by its id"),
    (
        "strawberry-graphql",
        "0.312.3",
        "CVE-2026-35523, 35526: WebSockets without authentication and without limit",
    ),
    ("strawberry-graphql", "0.315.7", "CVE-2026-47706, 47707: limits that circular fragments and aliases pass"),
    ("strawberry-graphql", "0.327.2", "CVE-2026-107727: slots of WebSockets that are never given back"),
    ("starlette", "0.40.0", "CVE-2024-47874: memory of multipart fields"),
    ("starlette", "0.47.2", "CVE-2025-54121: large files block the loop"),
    ("starlette", "0.49.1", "CVE-2025-62727: ranges in quadratic time"),
    ("starlette", "1.0.1", "CVE-2026-48710: hosts that are paths"),
    ("starlette", "1.3.1", "CVE-2026-54283: forms without limits"),
    ("h11", "0.16.0", "CVE-2025-43859: smuggling of requests"),
    ("uvicorn", "0.11.7", "CVE-2020-7694, 7695: splitting of logs and answers"),
    ("pyjwt", "2.12.0", "CVE-2026-32597: critical headers that are not understood"),
    ("uvloop", "0.23.0", "a socket that is closed twice where connecting is cancelled (#738)"),
    ("aiohttp", "3.14.5", "total_raw_bytes, by which bodies that blow up are found"),
)
LOCKS = ("runtime.txt", "image.txt", "develop.txt")


def locked(name: str) -> dict[str, Version]:
    """Read the pins of a lock file."""
    text = (ROOT / ".lock" / name).read_text("utf-8")
    pins = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^ ;\\]+)", text, re.MULTILINE)
    return {package.lower(): Version(pinned) for package, pinned in pins}


@pytest.mark.parametrize(("package", "floor", "reason"), FLOORS, ids=[f"{one[0]} {one[1]}" for one in FLOORS])
def test_no_lock_is_below_the_floor(package: str, floor: str, reason: str) -> None:
    """What is installed by `make`, by the package's lock and in the image is mended."""
    # when
    found = {name: locked(name)[package] for name in LOCKS if package in locked(name)}

    # then
    assert found, f"no lock has {package}"
    assert [f"{name} has {pinned}: {reason}" for name, pinned in found.items() if pinned < Version(floor)] == []


@pytest.mark.parametrize(("package", "floor", "reason"), FLOORS, ids=[f"{one[0]} {one[1]}" for one in FLOORS])
def test_what_is_installed_is_not_below_the_floor(package: str, floor: str, reason: str) -> None:
    """The tests run on it too."""
    # when
    installed = Version(version(package))

    # then
    assert installed >= Version(floor), reason


@pytest.mark.parametrize("package", ["python-multipart", "multipart", "h2"])
@pytest.mark.parametrize("name", LOCKS)
def test_what_is_not_needed_is_not_there(package: str, name: str) -> None:
    """Forms are not read at all, and nothing speaks HTTP/2: no flaw of a parser of theirs can be ours."""
    # when
    there = package in locked(name)

    # then
    assert not there


def test_forms_cannot_be_read() -> None:
    """`python-multipart` is not installed by the side of anything else either (floor, if it were: 0.0.32)."""
    # when
    with pytest.raises(PackageNotFoundError) as missing:
        version("python-multipart")

    # then
    assert "python-multipart" in str(missing.value)


def test_the_project_asks_for_the_floors_itself() -> None:
    """Whoever installs without a lock gets no older ones of what the project names."""
    # given
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    named = dict(re.match(r"([\w-]+)(?:\[[^\]]*\])?>=([\w.]+)", text).groups() for text in wanted)  # type: ignore[union-attr]

    # when
    below = [
        f"{package} >= {named[package]}, not {floor}"
        for package, floor, _ in FLOORS
        if package in named and Version(named[package]) < Version(floor)
    ]

    # then
    assert below == []


@pytest.mark.parametrize(("parser", "warnings"), [((2, 5, 0), 1), ((2, 6, 0), 0), ((2, 7, 3), 0)])
def test_an_old_parser_of_xml_is_told(
    parser: tuple[int, int, int],
    warnings: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Expat before 2.6 comes with some Pythons; whoever goes into production with one is told once."""
    # given
    monkeypatch.setattr(payloads.pyexpat, "version_info", parser)
    payloads.check_parser.cache_clear()

    # when
    payloads.check_parser()
    payloads.check_parser()
    payloads.check_parser.cache_clear()

    # then
    assert [record.levelname for record in caplog.records] == ["WARNING"] * warnings
