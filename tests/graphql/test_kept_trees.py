"""Trees that a source lists unchanged are given as they were written; what changes in them shows at once."""

from typing import Any

from tests.graphql.writing import LIBRARY, a_folder, done
from tests.world import World

TREE = (
    "query($by: LibraryLookup!) { library(by: $by) { folders { id name files { id name folder { name } } } } }"
)
BOTH_LISTS = 2


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
