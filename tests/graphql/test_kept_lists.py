"""What a source lists unchanged is given as it was written; what changes in it shows at once."""

from typing import Any

import pytest

from tests.graphql.writing import LIBRARY, a_case, a_folder, a_mail, done
from tests.world import World

TREE = (
    "query($by: LibraryLookup!) { library(by: $by) { folders { id name files { id name folder { name } } } } }"
)
BOTH_LISTS = 2
PAGE = """query($by: RecordLookup!) { record(by: $by) { attachments(first: 5) {
  totalCount pageInfo { endCursor hasNextPage } edges { cursor node { id name mediaType updatedAt } } } } }"""


def folders(world: World) -> list[dict[str, Any]]:
    """Read the folders at the root, with what is in them."""
    found: list[dict[str, Any]] = world.data(TREE, {"by": LIBRARY})["library"]["folders"]
    return found


def test_a_tree_is_asked_for_however_often_it_was_written(world: World) -> None:
    """Nothing is given without asking the source, and the answer is the same each time."""
    # given
    a_folder(world)
    world.reset()

    # when
    answers = [folders(world) for _ in range(4)]

    # then
    assert all(answer == answers[0] for answer in answers)
    assert world.requests() == BOTH_LISTS * len(answers)


def test_a_change_shows_in_the_next_answer(world: World) -> None:
    """A folder that is renamed and one that is new are there, though the tree was written and kept before."""
    # given
    renamed = a_folder(world)
    for _ in range(3):
        before = {folder["id"]: folder["name"] for folder in folders(world)}

    # when
    done(world, "foldersUpdate", "folders { id }", folders=[{"id": renamed, "name": "Renommé"}])
    made = a_folder(world, name="Nouveau")
    after = [{folder["id"]: folder["name"] for folder in folders(world)} for _ in range(3)]

    # then
    assert before[renamed] != "Renommé"
    assert all(one == before | {renamed: "Renommé", made: "Nouveau"} for one in after)


def page(world: World, by: dict[str, Any]) -> dict[str, Any]:
    """Read the first page of what hangs on a record."""
    found: dict[str, Any] = world.data(PAGE, {"by": by})["record"]["attachments"]
    return found


def names(found: dict[str, Any]) -> dict[str, str]:
    """Give the names on a page by their identifiers."""
    return {edge["node"]["id"]: edge["node"]["name"] for edge in found["edges"]}


@pytest.mark.parametrize("by", [{"mail": a_mail()}, {"case": a_case()}])
def test_a_page_is_asked_for_however_often_it_was_written(world: World, by: dict[str, Any]) -> None:
    """Nothing is given without asking the source, and the answer is the same each time."""
    # given
    world.reset()

    # when
    answers = [page(world, by) for _ in range(4)]

    # then
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["edges"]
    assert world.requests() == len(answers)


def test_what_changes_on_a_record_shows_in_the_next_answer(world: World) -> None:
    """An attachment that is renamed and one that is deleted are gone from a page that was written and kept before."""
    # given
    by = {"mail": a_mail()}
    before = [names(page(world, by)) for _ in range(4)][-1]
    renamed, deleted, *_ = before

    # when
    done(world, "filesUpdate", "files { id }", files=[{"id": renamed, "name": "Renommée.pdf"}])
    done(world, "storedFilesDelete", "deletions { deletedId }", ids=[deleted])
    after = [names(page(world, by)) for _ in range(4)]

    # then
    assert before[renamed] != after[0][renamed]
    assert after[0][renamed].startswith("Renommée")
    assert all(deleted not in one for one in after)
    assert all(one == after[0] for one in after)
