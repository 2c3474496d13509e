"""Names of uploads: which are refused, and how one that is taken is numbered."""

import pytest

from gateway.domain.errors import BadInput, Conflict
from gateway.domain.refs import Ref, RefType
from gateway.transport.call import Call
from gateway.uploads.naming import LONGEST_NAME, check_name, settled_name
from gateway.uploads.tickets import OnConflict
from tests.graphql.places import Cases, attachment

CASE = Ref("cases", RefType.RECORD, ("1",))


async def settled(name: str, behavior: OnConflict, *taken: str) -> str:
    """Settle a name at a case that has files of some names."""
    case = Cases([attachment(number, one) for number, one in enumerate(taken)])
    return await settled_name(name, behavior, case, CASE, Call.lasting(10))


@pytest.mark.parametrize("name", ["", " ", ".", " .. ", "a\0", "a\nb", "a\u202efdp.exe", "x" * 256])
def test_names_that_no_source_keeps_are_refused(name: str) -> None:
    """Some sources store such a name and cannot give it back, or show another than it is."""
    # given a name

    # when it is checked, then it is refused
    with pytest.raises(BadInput):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("a.pdf", [], "a.pdf"),
        ("a.pdf", ["b.pdf"], "a.pdf"),
        ("a.pdf", ["a.pdf"], "a (2).pdf"),
        ("a.pdf", ["a"], "a (2).pdf"),
        ("a.pdf", ["a.pdf", "a (2).pdf", "a (3)"], "a (4).pdf"),
        ("a", ["a"], "a (2)"),
        ("1/2.pdf", ["1/2.pdf"], "1/2 (2).pdf"),
        (".profile", [".profile"], ".profile (2)"),
        ("x" * 251 + ".pdf", ["x" * 251 + ".pdf"], "x" * 247 + " (2).pdf"),
    ],
)
async def test_a_taken_name_is_numbered(name: str, taken: list[str], expected: str) -> None:
    """The number stands before the extension, whatever else is in the name, and the name stays short enough."""
    # given names that are taken, with their extension or as some sources show them, without

    # when
    found = await settled(name, OnConflict.RENAME, *taken)

    # then
    assert found == expected
    assert len(found) <= LONGEST_NAME


async def test_a_taken_name_is_refused_or_left_to_the_source() -> None:
    """FAIL says so before anything is sent; with REPLACE nobody asks."""
    # given a name that is taken

    # when it may not be changed, then it is a conflict
    with pytest.raises(Conflict):
        await settled("a.pdf", OnConflict.FAIL, "a.pdf")

    # when the source decides, then it stays
    assert await settled("a.pdf", OnConflict.REPLACE, "a.pdf") == "a.pdf"
