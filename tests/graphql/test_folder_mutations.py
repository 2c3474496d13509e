"""Making, moving and deleting folders: the tree stays a tree, and what is deleted with a folder is said before."""

from typing import Any

from gateway.domain.refs import Ref, RefType
from tests.graphql.writing import (
    GONE,
    LIBRARY,
    ROOT,
    a_file,
    a_folder,
    a_mail,
    attachments,
    done,
    node,
    posts,
    refusals,
    write,
)
from tests.identifiers import IDS
from tests.world import World

FOLDER = "folders { id name parent { id } placement }"
NO_FOLDER = IDS.seal(Ref("arrhes", RefType.FOLDER, ("0000000000000000",)))


def chain(world: World, depth: int) -> list[str]:
    """Make folders in one another, the outermost first."""
    folders = [a_folder(world)]
    for _ in range(depth - 1):
        folders.append(a_folder(world, folders[-1]))
    return folders


def change(world: World, **values: Any) -> dict[str, Any]:
    """Change one folder."""
    return write(world, "foldersUpdate", FOLDER, folders=[values])


# Making


def test_folders_are_made_at_the_root_and_in_folders(world: World) -> None:
    """A place is a library or a folder; equal names are two folders, as the source has it."""
    # given a folder
    parent = a_folder(world)
    places = [ROOT, {"folder": parent}, {"folder": parent}]

    # when others are made beside it and in it
    wanted = [{"name": "Archives d'été", "parent": place} for place in places]
    made = done(world, "foldersCreate", FOLDER, folders=wanted)["folders"]

    # then there are three, each in its place
    assert posts(world, "arrhes", "/folders") == 3
    assert len({one["id"] for one in made}) == 3
    assert [one["parent"] for one in made] == [None, {"id": parent}, {"id": parent}]
    assert {(one["name"], one["placement"]) for one in made} == {("Archives d'été", "IN_PLACE")}


def test_what_cannot_be_made_keeps_no_other_folder_from_it(world: World) -> None:
    """Each item that fails says why at its place, and its neighbours are made."""
    # given places that are none, and names that no source keeps
    file = a_file(world)
    names_and_places = [
        ("a", {"folder": NO_FOLDER}),
        ("fait quand même", ROOT),
        ("a", {"folder": file}),
        ("a", {"library": {**LIBRARY, "organization": "org2"}}),
        ("a", {"library": {**LIBRARY, "source": "maarch"}}),
        ("a", {"library": {**LIBRARY, "source": "nowhere"}}),
        ("a", {"folder": IDS.seal(Ref("maarch", RefType.FOLDER, ("1",)))}),
        ("", ROOT),
        ("x" * 256, ROOT),
    ]

    # when folders are to be made there
    wanted = [{"name": name, "parent": place} for name, place in names_and_places]
    payload = write(world, "foldersCreate", "folders { name }", folders=wanted)

    # then one is, and the others say why
    assert payload["folders"] == [None, {"name": "fait quand même"}, *[None] * 7]
    assert refusals(payload) == [
        (code, ["input", "folders", str(place)])
        for place, code in [
            (0, "NOT_FOUND"),
            (2, "BAD_IDENTIFIER"),
            (3, "NOT_FOUND"),
            (4, "UNSUPPORTED"),
            (5, "UNKNOWN_SOURCE"),
            (6, "UNSUPPORTED"),
            (7, "BAD_INPUT"),
            (8, "BAD_INPUT"),
        ]
    ]
    assert posts(world, "arrhes", "/folders") == 1


# Changing


def test_a_folder_is_renamed_and_moves_with_what_is_in_it(world: World) -> None:
    """What is in a folder follows it, to another folder and to the root."""
    # given a folder in another, and one that it moves to
    (_, folder, below), target = chain(world, 3), a_folder(world)

    # when it is renamed, moved, and moved to the root
    renamed = change(world, id=folder, name="Baux 2025")["folders"][0]
    moved = change(world, id=folder, parent=target)["folders"][0]
    freed = change(world, id=folder, parent=None)["folders"][0]

    # then it stands there, by the name it got, and what is in it has not moved
    assert (renamed["name"], moved["name"], freed["name"]) == ("Baux 2025",) * 3
    assert (moved["parent"], freed["parent"]) == ({"id": target}, None)
    above = node(world, below, "... on Folder { parent { id } }")
    assert above["parent"] == {"id": folder}


def test_a_move_into_itself_is_a_conflict(world: World) -> None:
    """The source would take it, and the folders would be nowhere any more."""
    # given folders in one another
    outer, middle, inner = chain(world, 3)

    # when the outer one is to move into itself and into what is in it
    payloads = [change(world, id=outer, parent=place) for place in (outer, middle, inner)]

    # then nothing moves
    assert [payload["folders"] for payload in payloads] == [[None]] * 3
    assert [refusals(payload) for payload in payloads] == [[("CONFLICT", ["input", "folders", "0"])]] * 3
    assert posts(world, "arrhes", method="PATCH") == 0


def test_two_moves_at_once_make_no_cycle(world: World) -> None:
    """Each is fine by itself; whichever comes second is judged by what the first has done."""
    # given two folders beside each other
    one, other = a_folder(world), a_folder(world)

    # when each is to move into the other
    moves = [{"id": one, "parent": other}, {"id": other, "parent": one}]
    payload = write(world, "foldersUpdate", FOLDER, folders=moves)

    # then only the first does
    assert payload["folders"][0]["parent"] == {"id": other}
    assert payload["folders"][1] is None
    assert refusals(payload) == [("CONFLICT", ["input", "folders", "1"])]
    assert node(world, other, "... on Folder { parent { id } placement }")["placement"] == "IN_PLACE"


def test_what_cannot_be_changed_says_why(world: World) -> None:
    """Files are no folders, a change changes something, and places are folders of the same source."""
    # given
    folder, file = a_folder(world), a_file(world)
    changes = [
        ({"id": file, "name": "a"}, "BAD_IDENTIFIER"),
        ({"id": folder}, "BAD_INPUT"),
        ({"id": folder, "name": None}, "BAD_INPUT"),
        ({"id": folder, "parent": file}, "BAD_IDENTIFIER"),
        ({"id": folder, "parent": IDS.seal(Ref("maarch", RefType.FOLDER, ("1",)))}, "BAD_INPUT"),
        ({"id": folder, "parent": NO_FOLDER}, "NOT_FOUND"),
        ({"id": NO_FOLDER, "name": "a"}, "NOT_FOUND"),
        ({"id": IDS.seal(Ref("maarch", RefType.FOLDER, ("1",))), "name": "a"}, "UNSUPPORTED"),
    ]

    # when
    payload = write(world, "foldersUpdate", FOLDER, folders=[values for values, _ in changes])

    # then
    assert payload["folders"] == [None] * len(changes)
    assert refusals(payload) == [
        (code, ["input", "folders", str(place)]) for place, (_, code) in enumerate(changes)
    ]


# Deleting


def test_a_folder_that_holds_anything_stays_unless_told(world: World) -> None:
    """Nobody loses a tree by mistake: an empty folder goes, the others are conflicts."""
    # given an empty folder, one with a folder in it, and one with a file
    (outer, _), empty, full = chain(world, 2), a_folder(world), a_folder(world)
    file = a_file(world)
    done(world, "filesUpdate", "files { id }", files=[{"id": file, "folder": full}])

    # when all are to be deleted without saying more
    payload = write(world, "foldersDelete", "deletedFolderIds", ids=[outer, empty, full, file, NO_FOLDER, GONE])

    # then only the empty one is gone
    assert payload["deletedFolderIds"] == [None, empty, None, None, None, None]
    assert refusals(payload) == [
        ("CONFLICT", ["input", "ids", "0"]),
        ("CONFLICT", ["input", "ids", "2"]),
        ("BAD_IDENTIFIER", ["input", "ids", "3"]),
        ("NOT_FOUND", ["input", "ids", "4"]),
        ("BAD_IDENTIFIER", ["input", "ids", "5"]),
    ]
    assert node(world, outer, "") is not None


def test_sub_folders_go_with_their_folder_and_files_move_to_the_root(world: World) -> None:
    """What the flag does is what its description says."""
    # given a folder with a folder in it that holds a file
    (outer, inner), file = chain(world, 2), a_file(world)
    done(world, "filesUpdate", "files { id }", files=[{"id": file, "folder": inner}])

    # when it is deleted with its contents
    payload = done(world, "foldersDelete", "deletedFolderIds", ids=[outer], withContents=True)

    # then both folders are gone and the file is at the root
    assert payload["deletedFolderIds"] == [outer]
    assert (node(world, outer, ""), node(world, inner, "")) == (None, None)
    kept = node(world, file, "... on File { folder { id } }")
    assert kept == {"__typename": "File", "id": file, "folder": None}


def test_sources_without_folders_say_so(world: World) -> None:
    """A mail's attachment is no folder, and a folder of a source that has none cannot be deleted there."""
    # given
    mail = attachments(world, mail=a_mail())[0]["id"]
    other = IDS.seal(Ref("espocrm", RefType.FOLDER, ("1",)))

    # when
    payload = write(world, "foldersDelete", "deletedFolderIds", ids=[mail, other])

    # then
    assert refusals(payload) == [
        ("BAD_IDENTIFIER", ["input", "ids", "0"]),
        ("UNSUPPORTED", ["input", "ids", "1"]),
    ]
    assert world.requests() == 0
