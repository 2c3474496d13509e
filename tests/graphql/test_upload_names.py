"""What becomes of an upload whose name is taken, or whose field is filled."""

import pytest

from tests.graphql.uploading import PDF, carried, finalize, send, stage
from tests.graphql.writing import a_case, a_folder, an_entity, attachments, node, posts
from tests.world import World


def test_a_name_that_is_taken_fails_or_is_numbered(world: World) -> None:
    """FAIL refuses, RENAME numbers; the client says which when it announces the file."""
    # given a mail that has a file of that name
    place = {"case": {**a_case(), "internal": False}}
    assert carried(world, place)["state"] == "FINALIZED"
    world.reset()

    # when others of that name come
    failed = carried(world, place, PDF + b"a")
    renamed = [carried(world, place, PDF + more, onConflict="RENAME") for more in (b"b", b"c")]

    # then the first is refused, and the others have numbers
    assert (failed["state"], failed["problem"]["code"]) == ("FAILED", "CONFLICT")
    assert [upload["file"]["name"] for upload in renamed] == ["Reçu (2).pdf", "Reçu (3).pdf"]
    assert posts(world, "decisiv", "/attachments") == 2


@pytest.mark.parametrize(
    ("behavior", "names"),
    [("FAIL", ["Reçu.pdf"]), ("RENAME", ["Reçu (2).pdf", "Reçu (3).pdf", "Reçu.pdf"])],
)
def test_files_of_one_name_that_come_together_see_each_other(
    world: World, behavior: str, names: list[str]
) -> None:
    """Every photo of a telephone is image.jpg, and several are chosen at once."""
    # given
    place = a_case()
    bodies = [PDF + bytes([number]) for number in range(3)]
    uploads = [
        stage(world, {"case": {**place, "internal": False}}, body, onConflict=behavior) for body in bodies
    ]
    for upload, body in zip(uploads, bodies, strict=True):
        assert send(world, upload["targets"][0], body).is_success

    # when
    states = [upload["state"] for upload in finalize(world, *uploads)["stagedUploads"]]

    # then
    found = sorted(one["name"] for one in attachments(world, case=place))
    assert [name for name in found if name.startswith("Reçu")] == names
    assert states.count("FINALIZED") == len(names)


def test_files_in_a_folder_replace_nothing(world: World) -> None:
    """REPLACE is for fields that hold one file; a folder keeps both, without asking which names it has."""
    # given a folder with a file
    place = {"folder": {"id": a_folder(world)}}
    first = carried(world, place, PDF + b"5")

    # when another of its name comes
    second = carried(world, place, PDF + b"6", onConflict="REPLACE")

    # then both are there
    assert second["state"] == "FINALIZED"
    folder = node(world, place["folder"]["id"], "... on Folder { files { id name } }")
    assert {file["id"] for file in folder["files"]} == {first["file"]["id"], second["file"]["id"]}
    assert {file["name"] for file in folder["files"]} == {"Reçu.pdf"}


def test_a_field_that_holds_one_file_is_refilled_only_when_told(world: World) -> None:
    """EspoCRM's file fields: FAIL leaves the file that is there, REPLACE takes its place."""
    # given a document with its file
    field = an_entity(0, "Document", "file")
    (before,) = attachments(world, entity=field)

    # when others come, without and with the word for it
    refused = carried(world, {"entity": field})
    (kept,) = attachments(world, entity=field)
    replaced = carried(world, {"entity": field}, PDF + b"4", onConflict="REPLACE")

    # then only the second takes the place
    assert (refused["state"], refused["problem"]["code"]) == ("FAILED", "CONFLICT")
    assert kept == before
    assert [one["id"] for one in attachments(world, entity=field)] == [replaced["file"]["id"]]


def test_other_attachments_of_a_record_stay(world: World) -> None:
    """An upload to a field of several files adds one to them."""
    # given a CRM record with attachments
    entity = an_entity(12)
    before = {one["id"] for one in attachments(world, entity=entity)}

    # when one more is uploaded
    upload = carried(world, {"entity": entity}, onConflict="REPLACE")

    # then all are there
    assert {one["id"] for one in attachments(world, entity=entity)} == {*before, upload["file"]["id"]}
