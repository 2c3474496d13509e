"""How long it takes to read what sources send: JSON into typed structs, those into the domain, and these into a tree.

The bodies are those that nginx serves in the other benchmarks. Figures are for people to compare: nothing here
asserts a time. Times are remembered, so all rounds but the first find them known, as most are in a gateway that runs.
"""

import json
from collections.abc import Callable
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from gateway.domain.model import Branch, File, Folder, Library
from gateway.domain.refs import Ref, RefType
from gateway.domain.tree import Tree, build_tree
from gateway.transport.payloads import decode_json, parse_time
from gateway.upstreams.wire import maarch
from gateway.upstreams.wire.arrhes import FILES, FOLDERS, Reader
from tests.benchmark import static

pytestmark = pytest.mark.slow

ARRHES = Reader("org1", "org1", "2025")
MAARCH = maarch.Reader("maarch", ZoneInfo("Europe/Paris"))
LIBRARY = Library(Ref("org1", RefType.LIBRARY, ("org1", "2025")))
SIZES = (1_000, 10_000)
MAILS = 50


def bodies(size: int) -> tuple[bytes, bytes]:
    """Write the lists of a library with so many files: the folders and the files."""
    folders = size // 5
    lists = (
        [static.folder(number, "org1", folders) for number in range(folders)],
        [static.file(number, "org1", folders) for number in range(size)],
    )
    return json.dumps(lists[0]).encode(), json.dumps(lists[1]).encode()


def mails() -> list[bytes]:
    """Write the attachments of 50 mails."""
    return [json.dumps(static.listing(mail)).encode() for mail in range(1, MAILS + 1)]


@pytest.mark.parametrize("size", SIZES)
def test_decode_files(benchmark: BenchmarkFixture, size: int) -> None:
    """Read the JSON of Arrhes' files into structs, each checked to be of its organisation."""
    # given
    _, body = bodies(size)

    # when
    wires = benchmark(ARRHES.several, FILES, body)

    # then
    assert len(wires) == size


@pytest.mark.parametrize("size", SIZES)
def test_make_files(benchmark: BenchmarkFixture, size: int) -> None:
    """Make files of the domain of those structs."""
    # given
    wires = ARRHES.several(FILES, bodies(size)[1])

    # when
    files = benchmark(lambda: [ARRHES.file(wire, LIBRARY, {}) for wire in wires])

    # then
    assert files[-1].name == f"Pièce numéro {size - 1} de org1.pdf"


@pytest.mark.parametrize("size", SIZES)
def test_build_tree(benchmark: BenchmarkFixture, size: int) -> None:
    """Hang files and folders of the domain into each other; each round has folders of its own, as each tree has."""
    # given
    lists = bodies(size)
    wires, files = ARRHES.several(FOLDERS, lists[0]), ARRHES.several(FILES, lists[1])

    def setup() -> tuple[tuple[list[Folder], list[File]], dict[str, object]]:
        by_id = {wire.id: ARRHES.folder(wire, LIBRARY, Branch()) for wire in wires}
        return (list(by_id.values()), [ARRHES.file(wire, LIBRARY, by_id) for wire in files]), {}

    # when
    tree: Tree = benchmark.pedantic(
        lambda folders, made: build_tree(LIBRARY, folders, lambda _: made), setup=setup, rounds=20
    )

    # then
    assert len(tree.folder_by_ref) == size // 5
    assert tree.files == ()


@pytest.mark.parametrize("size", SIZES)
def test_read_tree(benchmark: BenchmarkFixture, size: int) -> None:
    """All of it: two bodies in, a tree out."""
    # given
    folders, files = bodies(size)

    # when
    tree: Tree = benchmark(ARRHES.tree, LIBRARY, folders, files)

    # then
    assert len(tree.all_files) == size


def test_decode_mails(benchmark: BenchmarkFixture) -> None:
    """Read the JSON of 50 mails of Maarch into structs."""
    # given
    written = mails()

    # when
    listings = benchmark(lambda: [decode_json(body, maarch.WireListing, "maarch") for body in written])

    # then
    assert sum(len(listing.attachments) for listing in listings) == MAILS * static.PER_MAIL


def test_make_attachments(benchmark: BenchmarkFixture) -> None:
    """Make attachments of the domain of them."""
    # given
    listings = [decode_json(body, maarch.WireListing, "maarch") for body in mails()]
    mail = MAARCH.mail("1")

    # when
    made = benchmark(lambda: [MAARCH.attachment(wire, mail) for each in listings for wire in each.attachments])

    # then
    assert made[0].name == "Réponse à la demande n° 1"


@pytest.mark.parametrize("text", ["2025-03-04 05:06:07+00", "2025-03-04 14:25:01.123456"])
def test_read_a_time(benchmark: BenchmarkFixture, text: str) -> None:
    """Read a time in Arrhes' spelling, and one in Maarch's that was read before."""
    # given
    read: Callable[..., object] = parse_time

    # when
    moment = benchmark(read, text, "source", ZoneInfo("Europe/Paris"))

    # then
    assert moment is not None


def test_untyped(benchmark: BenchmarkFixture) -> None:
    """Read the JSON of 1,000 files into dicts, to compare: nothing is checked, and nothing of the domain is made."""
    # given
    _, body = bodies(1_000)

    # when
    found = benchmark(msgspec.json.decode, body)

    # then
    assert len(found) == 1_000
