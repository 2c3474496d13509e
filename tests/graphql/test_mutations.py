"""Changing, deleting, reading and linking files: what is done, and what each item that is not done is told."""

from gateway.domain.refs import Ref, RefType
from tests.graphql.writing import (
    GONE,
    NOBODYS,
    a_case,
    a_file,
    a_folder,
    a_mail,
    a_message,
    an_entity,
    attachments,
    done,
    node,
    posts,
    refusals,
    write,
)
from tests.identifiers import IDS
from tests.world import World

FILE = "id name ... on File { reference documentDate }"
PLACED = "id ... on File { folder { id } }"
DELETED = "deletions { deletedId state }"

# Changes


def test_a_file_is_renamed_and_described(world: World) -> None:
    """Name, reference and date change together, and the answer is the file as it is now."""
    # given a file
    file = a_file(world)

    # when its properties change
    change = {"id": file, "name": "Bilan d'été.pdf", "reference": "R-7", "documentDate": "2025-06-21T00:00:00Z"}
    (changed,) = done(world, "filesUpdate", f"files {{ {FILE} }}", files=[change])["files"]

    # then the answer has them, by 1 request, and so has the source
    assert (posts(world, "arrhes", method="PATCH"), world.requests()) == (1, 1)
    assert changed["id"] == file
    assert (changed["name"], changed["reference"]) == ("Bilan d'été.pdf", "R-7")
    assert changed["documentDate"] == "2025-06-21T00:00:00Z"
    assert node(world, file, f"... on StoredFile {{ {FILE} }}") == {"__typename": "File", **changed}


def test_what_is_left_out_stays_and_null_clears(world: World) -> None:
    """A client that sends one property changes one; null is a value of its own."""
    # given a file with a reference and a date
    file = a_file(world)
    described = {"id": file, "reference": "R-8", "documentDate": "2025-01-02T00:00:00Z"}
    (before,) = done(world, "filesUpdate", f"files {{ {FILE} }}", files=[described])["files"]

    # when the reference is cleared and nothing else is named
    (after,) = done(world, "filesUpdate", f"files {{ {FILE} }}", files=[{"id": file, "reference": None}])[
        "files"
    ]

    # then only the reference has gone
    assert before["reference"] == "R-8"
    assert after == {**before, "reference": None}


def test_a_file_moves_to_a_folder_and_back_to_the_root(world: World) -> None:
    """A folder is where it goes, null is the root."""
    # given a file and a folder
    file, folder = a_file(world), a_folder(world)

    # when it moves there and back
    (there,) = done(world, "filesUpdate", f"files {{ {PLACED} }}", files=[{"id": file, "folder": folder}])[
        "files"
    ]
    (back,) = done(world, "filesUpdate", f"files {{ {PLACED} }}", files=[{"id": file, "folder": None}])["files"]

    # then it is where it was sent
    assert there["folder"] == {"id": folder}
    assert back["folder"] is None


def test_an_attachment_is_renamed_by_its_own_source(world: World) -> None:
    """One request of a client changes files of unlike systems; each source takes its own."""
    # given a file, a mail's attachment, which keeps its extension, and a CRM record's
    mail = attachments(world, mail=a_mail())[0]["id"]
    crm = attachments(world, entity=an_entity(0))[0]["id"]
    file = a_file(world)

    # when all of them are renamed
    names = {mail: "réponse signée", file: "relevé.pdf", crm: "plan.pdf"}
    wanted = [{"id": one, "name": name} for one, name in names.items()]
    found = done(world, "filesUpdate", "files { __typename id name }", files=wanted)["files"]

    # then each has its name, in the order of the request
    assert [one["id"] for one in found] == list(names)
    assert [one["__typename"] for one in found] == ["Attachment", "File", "Attachment"]
    assert [one["name"].startswith(name) for one, name in zip(found, names.values(), strict=True)] == [True] * 3


def test_what_cannot_be_changed_keeps_nothing_else_from_it(world: World) -> None:
    """Each item that fails says why at its place, and its neighbours are done."""
    # given a file among what is missing, of the wrong type, of no source, and of one that changes nothing
    file, folder = a_file(world), a_folder(world)
    case = attachments(world, case=a_case())[0]["id"]
    other = IDS.seal(Ref("maarch", RefType.FOLDER, ("1",)))
    items = [
        {"id": GONE, "name": "a.pdf"},
        {"id": file, "name": "seul.pdf"},
        {"id": folder, "name": "a"},
        {"id": NOBODYS, "name": "a.pdf"},
        {"id": case, "name": "a.pdf"},
        {"id": "no identifier", "name": "a.pdf"},
        {"id": file},
        {"id": file, "name": None},
        {"id": file, "name": "a\u202efdp.exe"},
        {"id": file, "folder": other},
        {"id": file, "folder": file},
    ]

    # when all are to change
    payload = write(world, "filesUpdate", "files { name } query { sources { name } }", files=items)

    # then the one is changed, the others are null, and each has its own error
    assert payload["files"] == [None, {"name": "seul.pdf"}, *[None] * 9]
    assert refusals(payload) == [
        ("NOT_FOUND", ["input", "files", "0"]),
        ("BAD_IDENTIFIER", ["input", "files", "2"]),
        ("UNKNOWN_SOURCE", ["input", "files", "3"]),
        ("UNSUPPORTED", ["input", "files", "4"]),
        ("BAD_IDENTIFIER", ["input", "files", "5"]),
        ("BAD_INPUT", ["input", "files", "6"]),
        ("BAD_INPUT", ["input", "files", "7"]),
        ("BAD_INPUT", ["input", "files", "8"]),
        ("BAD_INPUT", ["input", "files", "9"]),
        ("BAD_IDENTIFIER", ["input", "files", "10"]),
    ]
    assert {error["__typename"] for error in payload["userErrors"]} == {"InputError"}
    assert payload["query"]["sources"][0]["name"] == "arrhes"


# Deletions


def test_files_are_deleted_and_what_is_gone_counts_as_deleted(world: World) -> None:
    """Deleting is about what is there afterwards: once or twice is the same."""
    # given files of two systems, one of which is gone already
    file, crm = a_file(world), attachments(world, entity=an_entity(1))[0]["id"]

    # when they are deleted
    found = done(world, "storedFilesDelete", DELETED, ids=[file, GONE, crm])["deletions"]

    # then all are, and asking for them says so
    assert [(one["deletedId"], one["state"]) for one in found] == [
        (one, "DELETED") for one in (file, GONE, crm)
    ]
    assert node(world, file, "") is None
    assert node(world, crm, "") is None


def test_a_deletion_that_takes_time_is_followed_with_its_key(world: World) -> None:
    """Direct Mail only accepts the wish: the same request again tells how far it is, and wishes nothing again."""
    # given an attachment of a message that can be edited
    message = a_message(4)
    target = attachments(world, message=message)[0]["id"]

    # when its deletion is asked for, and asked after
    states = [
        done(world, "storedFilesDelete", DELETED, key="follow", ids=[target])["deletions"][0] for _ in range(4)
    ]

    # then it goes from accepted to gone by one DELETE, and the gateway does not call it gone before it is
    assert [state["state"] for state in states] == ["DELETING", "DELETING", "DELETING", "DELETED"]
    assert {state["deletedId"] for state in states} == {target}
    assert posts(world, "directmail", method="DELETE") == 1
    assert target not in [one["id"] for one in attachments(world, message=message)]


def test_what_cannot_be_deleted_says_why(world: World) -> None:
    """A source without deletions, a message that was sent and a folder are refused; the file between them goes."""
    # given one of each
    case = attachments(world, case=a_case())[0]["id"]
    sent = attachments(world, message=a_message(3))[0]["id"]
    file, folder = a_file(world), a_folder(world)

    # when all are to be deleted
    payload = write(world, "storedFilesDelete", DELETED, ids=[case, sent, file, folder, NOBODYS])

    # then the file is, and the others say why
    assert payload["deletions"] == [None, None, {"deletedId": file, "state": "DELETED"}, None, None]
    assert refusals(payload) == [
        ("UNSUPPORTED", ["input", "ids", "0"]),
        ("FORBIDDEN", ["input", "ids", "1"]),
        ("BAD_IDENTIFIER", ["input", "ids", "3"]),
        ("UNKNOWN_SOURCE", ["input", "ids", "4"]),
    ]
    assert payload["userErrors"][1]["__typename"] == "UpstreamError"
    assert payload["userErrors"][1]["source"] == "directmail"


# Text recognition


def test_a_scan_gets_a_text_file_once(world: World) -> None:
    """Each recognition takes pages of the account, so the same key never takes them twice."""
    # given a scan
    scan = a_file(world, ".pdf")
    text = "file { id name mediaType details { recognizedFrom } }"

    # when its text is asked for twice with one key
    first, again = (done(world, "fileTextRecognize", text, key="read once", id=scan) for _ in range(2))

    # then there is one new file beside it, and both answers are it
    assert first["file"]["id"] != scan
    assert first["file"]["name"].endswith(".md")
    assert first == again
    assert posts(world, "arrhes", "/ocr") == 1


def test_what_has_no_text_to_recognize_says_why(world: World) -> None:
    """A source without the operation, a file that is not there and a folder are refused at the input field."""
    # given
    mail = attachments(world, mail=a_mail())[0]["id"]
    folder = a_folder(world)

    # when
    payloads = [write(world, "fileTextRecognize", "file { id }", id=one) for one in (mail, GONE, folder)]

    # then
    assert [payload["file"] for payload in payloads] == [None] * 3
    codes = ["UNSUPPORTED", "NOT_FOUND", "BAD_IDENTIFIER"]
    assert [refusals(payload) for payload in payloads] == [[(code, ["input", "id"])] for code in codes]


# Links


def test_attachments_are_hung_on_a_record_beside_those_that_hang_there(world: World) -> None:
    """EspoCRM drops whatever a write does not name, so the gateway names all of it."""
    # given attachments of one record and what hangs on another
    moved = [one["id"] for one in attachments(world, entity=an_entity(2))[:2]]
    target = an_entity(3)
    before = [one["id"] for one in attachments(world, entity=target)]

    # when they are hung on it, named by what people know and by its identifier
    record = "record { id kind attachments { totalCount edges { node { id } } } }"
    by = {"by": {"entity": target}}
    first = done(world, "attachmentsLink", record, record=by, attachments=moved[:1])["record"]
    second = done(world, "attachmentsLink", record, record={"id": first["id"]}, attachments=moved[1:])["record"]

    # then it has them all
    assert first["kind"] == "ENTITY"
    assert {edge["node"]["id"] for edge in second["attachments"]["edges"]} == {*before, *moved}
    assert {one["id"] for one in attachments(world, entity=target)} == {*before, *moved}


def test_a_link_is_made_whole_or_not_at_all(world: World) -> None:
    """One attachment that cannot be hung keeps the others from it, and says which it is."""
    # given a record, one of its own kind, and what is none or of another source
    own = attachments(world, entity=an_entity(4))[0]["id"]
    target, file = an_entity(5), a_file(world)
    mail = attachments(world, mail=a_mail())[0]["id"]
    before = attachments(world, entity=target)

    # when all are to be hung on it
    by = {"by": {"entity": target}}
    payload = write(world, "attachmentsLink", "record { id }", record=by, attachments=[own, file, mail])

    # then nothing is, without a request
    assert payload["record"] is None
    assert refusals(payload) == [
        ("BAD_IDENTIFIER", ["input", "attachments", "1"]),
        ("BAD_INPUT", ["input", "attachments", "2"]),
    ]
    assert world.requests() == 0
    assert attachments(world, entity=target) == before


def test_a_record_that_takes_no_links_says_so(world: World) -> None:
    """Sources without links, records that are none, and lists that are too long are refused."""
    # given
    mail = attachments(world, mail=a_mail())[0]["id"]
    crm = attachments(world, entity=an_entity(6))[0]["id"]
    records = [
        ({"by": {"mail": a_mail()}}, [mail], "UNSUPPORTED"),
        ({"id": IDS.seal(Ref("arrhes", RefType.RECORD, ("1",)))}, [mail], "UNSUPPORTED"),
        ({"id": crm}, [crm], "BAD_IDENTIFIER"),
        ({"by": {"entity": {**an_entity(7), "source": "nowhere"}}}, [crm], "UNKNOWN_SOURCE"),
        ({"by": {"entity": {**an_entity(7), "recordId": "0" * 17}}}, [crm], "NOT_FOUND"),
        ({"by": {"entity": an_entity(7)}}, [crm] * 51, "BAD_INPUT"),
        ({"by": {"entity": an_entity(7)}}, [], "BAD_INPUT"),
    ]

    # when
    payloads = [
        write(world, "attachmentsLink", "record { id }", record=record, attachments=wanted)
        for record, wanted, _ in records
    ]

    # then
    assert [payload["record"] for payload in payloads] == [None] * len(records)
    codes = [payload["userErrors"][0]["code"] for payload in payloads]
    assert codes == [code for _, _, code in records]
