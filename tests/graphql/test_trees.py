"""Trees over the public API: what an edge says of a place, and what one odd file does to the others."""

import pytest

from tests.graphql.writing import LIBRARY, a_file, a_folder, write
from tests.world import World

WALK = """query($id: ID!) { node(id: $id) { ... on Folder {
  descendants { edges { depth parent { id } node { ... on Folder { parent { id } } } } } } } }"""
FILES = "query($by: LibraryLookup!) { library(by: $by) { files { id documentDate } } }"


def test_an_edge_below_a_folder_names_its_parent(world: World) -> None:
    """The walk's edges and the folders themselves say the same, on the first level too."""
    # given
    top = a_folder(world)
    below = a_folder(world, top)
    a_folder(world, below)

    # when
    edges = world.data(WALK, {"id": top})["node"]["descendants"]["edges"]

    # then
    assert [(edge["depth"], edge["parent"]["id"]) for edge in edges] == [(1, top), (2, below)]
    assert all(edge["parent"] == edge["node"]["parent"] for edge in edges)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_moment_outside_of_our_years_is_refused(world: World, moment: str) -> None:
    """No source could give it back: it is the client's to change, and nothing is asked of the source."""
    # given
    file = a_file(world)

    # when
    text = "mutation($input: FilesUpdateInput!) { filesUpdate(input: $input) { files { id } } }"
    sent = {"idempotencyKey": moment, "files": [{"id": file, "documentDate": moment}]}
    answer = world.ask(text, {"input": sent})

    # then
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_INPUT"]
    assert world.requests() == 0


def test_a_date_of_long_ago_leaves_the_library_readable(world: World) -> None:
    """What one client may write, all must be able to read."""
    # given
    file = a_file(world)

    # when
    payload = write(
        world,
        "filesUpdate",
        "files { ... on File { documentDate } }",
        files=[{"id": file, "documentDate": "0999-12-31T00:00:00Z"}],
    )
    files = world.data(FILES, {"by": LIBRARY})["library"]["files"]

    # then
    assert payload["userErrors"] == []
    assert payload["files"][0]["documentDate"] == "0999-12-31T00:00:00Z"
    assert files
