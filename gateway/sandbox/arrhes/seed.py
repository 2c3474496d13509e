"""The data sets of the Arrhes sandbox: the demo's library, and a small damaged one for tests.

Both are the same at each start, ids and contents included. Contents are made when they are first asked for.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from gateway.sandbox.arrhes import contents
from gateway.sandbox.arrhes.state import (
    ALPHABET,
    ID_LENGTH,
    Account,
    File,
    Folder,
    Organization,
    Row,
    State,
    storage_key,
    timestamp,
)
from gateway.sandbox.arrhes.vocabulary import (
    AREAS,
    DEEPEST,
    DOCUMENTS,
    MONTHS,
    PARTNERS,
    PEOPLE,
    SEMESTERS,
    TYPES,
)

API_KEY = "sandbox-arrhes-key"
OTHER_API_KEY = "sandbox-arrhes-key-of-another-organization"
ORGANIZATION = "org1"
OTHER_ORGANIZATION = "org2"
YEAR = "2025"
USER = "user000000000001"
LEVELS = 6
FOLDERS = 200
FILES = 1_000
PENDING_FILES = 5
"""Files without contents, as a broken upload leaves them; they come on top of the others."""
ROOT_FILES = 12
"""Files that lie in no folder."""
YEAR_START = datetime(2025, 1, 1, tzinfo=UTC)


def seeded(*, pending: int = PENDING_FILES, clock: Callable[[], datetime] | None = None) -> State:
    """Make the demo's library: 200 folders on 6 levels, 1,000 files with contents, and some without any."""
    chance = random.Random(2025)  # noqa: S311 - reproducible, and nothing secret
    state = _empty(clock)
    paths = _folders(state, chance)
    places = [None] * ROOT_FILES + _places(chance, list(paths), FILES - ROOT_FILES)
    for number, place in enumerate(places, 1):
        area = paths[place] if place else "Juridique"
        _add(state, _file(chance, number, area, place))
    for number in range(pending):
        file = _file(chance, FILES + 1 + number, "Achats", None)
        file.storageKey = file.type = file.size = file.hash = None
        state.files[file.id] = file
    state.files = _shuffled(chance, state.files)
    state.folders = _shuffled(chance, state.folders)
    return state


def damaged() -> State:
    """Make a library with what the real server lets happen: cycles of folders, and orphans.

    ``Sain`` is well, with one file. ``Boucle A`` and ``Boucle B`` are in one another, ``Soi-même`` is in itself, and
    ``Orphelin`` is in another organization's folder, as is one of the files; each of these has a file too.
    """
    state = _empty(None)
    parents = {"sain": None, "bouclea": "boucleb", "boucleb": "bouclea", "soi": "soi", "orphelin": "ailleurs"}
    titles = {"sain": "Sain", "bouclea": "Boucle A", "boucleb": "Boucle B", "soi": "Soi-même"}
    for key, parent in parents.items():
        _insert(state, _folder(_padded(key), parent and _padded(parent), titles.get(key, "Orphelin")))
    foreign = _folder(_padded("ailleurs"), None, "Chez un autre")
    foreign.idOrganization = OTHER_ORGANIZATION
    _insert(state, foreign)
    chance = random.Random(1)  # noqa: S311 - as above
    for number, place in enumerate([*parents, "ailleurs"], 1):
        _add(state, _file(chance, number, "Achats", _padded(place)))
    return state


def document(file: File) -> bytes:
    """Make the contents of a seeded file out of its record; other records give other bytes."""
    number = int(hashlib.sha256(file.id.encode()).hexdigest()[:6], 16)
    amounts = [(number * step % 90_000 + 1_000) / 100 for step in range(3, 8 + number % 40)]
    if file.type == TYPES["png"]:
        return contents.png(number)
    if file.type == TYPES["csv"]:
        rows = [(f"{file.reference or file.id}-{i}", f"{amount:.2f}") for i, amount in enumerate(amounts, 1)]
        return contents.table([("Écriture", "Montant"), *rows])
    lines = [f"Ligne {i} : {amount:.2f} EUR" for i, amount in enumerate(amounts, 1)]
    title = [file.name, f"Référence {file.reference or '(sans)'}", f"Pièce {file.id}", ""]
    return contents.pdf([*title, *lines, f"Total : {sum(amounts):.2f} EUR"])


def recognized(file: File, scanned: bytes) -> str:
    """Stand in for the engine of text recognition: Markdown with the document's name and size."""
    return f"# {file.name}\n\nTexte reconnu dans {len(scanned)} octets.\n"


def _empty(clock: Callable[[], datetime] | None) -> State:
    accounts = {
        API_KEY: Account(Organization(ORGANIZATION), USER),
        OTHER_API_KEY: Account(Organization(OTHER_ORGANIZATION), "user000000000002"),
    }
    state = State(accounts, recognize=recognized)
    if clock is not None:
        state.clock = clock
    return state


def _folders(state: State, chance: random.Random) -> dict[str, str]:
    """Grow the tree level by level; gives the area, that is the first level's name, of each folder's id."""
    areas: dict[str, str] = {}

    def grow(parents: Sequence[str | None], names: Callable[[int, str | None], Sequence[str]]) -> list[str]:
        grown = []
        for place, parent in enumerate(parents):
            for name in names(place, parent):
                folder = _folder(_id(chance), parent, name)
                _insert(state, folder)
                areas[folder.id] = areas[parent] if parent else name
                grown.append(folder.id)
        return grown

    first = grow([None], lambda _place, _parent: list(AREAS))
    second = grow(first, lambda _place, parent: AREAS[areas[parent or ""]])
    third = grow(second, lambda place, _parent: [PARTNERS[(2 * place + i) % len(PARTNERS)] for i in (0, 1)])
    fourth = grow(_spread(third, 30), lambda _place, _parent: SEMESTERS)
    fifth = grow(_spread(fourth, 40), lambda place, _parent: [MONTHS[place % len(MONTHS)].capitalize()])
    grow(_spread(fifth, 20), lambda place, _parent: [DEEPEST[place % len(DEEPEST)]])
    return areas


def _spread(items: Sequence[str], count: int) -> list[str]:
    """Choose so many items, evenly over the whole."""
    return [items[place * len(items) // count] for place in range(count)]


def _places(chance: random.Random, folders: list[str], count: int) -> list[str]:
    """Choose folders for so many files: each gets one at least, and chance the rest."""
    return [*folders, *chance.choices(folders, k=count - len(folders))]


def _file(chance: random.Random, number: int, area: str, folder: str | None) -> File:
    """Make a finalized file; every seventh has no reference, and every fifth was changed once."""
    pattern, mark, extension = chance.choice(DOCUMENTS[area])
    day = YEAR_START + timedelta(days=chance.randrange(365))
    words = {
        "partner": chance.choice(PARTNERS),
        "person": chance.choice(PEOPLE),
        "month": MONTHS[day.month - 1],
        "day": day.day,
        "year": day.year,
        "number": f"{number:04}",
    }
    created = day + timedelta(days=chance.randrange(1, 20), seconds=chance.randrange(28_800, 64_800))
    file = File(
        id=_id(chance),
        idOrganization=ORGANIZATION,
        idFolder=folder,
        reference=None if number % 7 == 0 else f"{mark}-{YEAR}-{number:04}",
        name=f"{pattern.format(**words)}.{extension}",
        storageKey=None,
        type=TYPES[extension],
        size=None,
        createdAt=timestamp(created),
        lastUpdatedAt=timestamp(created + timedelta(days=3)) if number % 5 == 0 else None,
        date=timestamp(day),
        createdBy=USER,
        lastUpdatedBy=USER if number % 5 == 0 else None,
    )
    body = document(file)
    file.storageKey, file.size, file.hash = storage_key(file), len(body), hashlib.sha256(body).hexdigest()
    return file


def _folder(key: str, parent: str | None, name: str) -> Folder:
    return Folder(key, ORGANIZATION, parent, name, timestamp(YEAR_START), createdBy=USER)


def _insert(state: State, folder: Folder) -> None:
    state.folders[folder.id] = folder


def _add(state: State, file: File) -> None:
    """Insert a finalized file and count it; its contents wait until they are asked for, as they are now."""
    state.files[file.id] = file
    state.contents[file.id] = partial(document, replace(file))
    state.accounts[API_KEY].organization.storage_used += file.size or 0


def _id(chance: random.Random) -> str:
    return "".join(chance.choices(ALPHABET, k=ID_LENGTH))


def _padded(name: str) -> str:
    """Make an id that tells in a failing test what it is."""
    return name.ljust(ID_LENGTH, "0")


def _shuffled(chance: random.Random, rows: dict[str, Row]) -> dict[str, Row]:
    """Put rows into no order, as a real database does: clients that rely on one are found out so."""
    return dict(chance.sample(list(rows.items()), len(rows)))
