"""Sealed identifiers: one for each object, for one tenant, that nobody can read, change or make up."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import identifiers
from gateway.domain.errors import BadIdentifier
from gateway.domain.refs import SEPARATOR, Ref, RefType
from gateway.identifiers import (
    DEVELOPMENT_KEYS,
    LONGEST_IDENTIFIER,
    NO_IDENTIFIER,
    Identifiers,
    Seal,
    read_keys,
)

OLD, NEW, LONG = b"o" * 32, b"n" * 32, b"l" * 64
REF = Ref("maarch", RefType.ATTACHMENT, ("1000",))
IDS = Identifiers([NEW], "acme")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

refs = st.builds(
    Ref,
    st.text(min_size=1, max_size=64),
    st.sampled_from(RefType),
    st.lists(st.text(max_size=60), min_size=1, max_size=4).map(tuple),
)


def raw(text: str) -> bytes:
    """Give the bytes of an identifier."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def written(content: bytes) -> str:
    """Write bytes as an identifier."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def refused(ids: Identifiers, text: str) -> bool:
    """Tell whether a text is refused, with the one message that there is."""
    try:
        ids.open(text)
    except BadIdentifier as exc:
        return exc.message == NO_IDENTIFIER and exc.source is None
    return False


@given(refs, st.sampled_from([[OLD], [NEW, OLD], [LONG]]))
def test_what_is_sealed_opens_again(ref: Ref, keys: list[bytes]) -> None:
    """An identifier gives exactly its object back, whatever characters the source uses, and is always the same."""
    # given
    ids = Identifiers(keys, "acme")

    # when
    text = ids.seal(ref)

    # then
    assert ids.open(text) == ref
    assert Identifiers(keys, "acme").seal(ref) == text
    assert set(text) <= set(ALPHABET)


def test_parts_never_run_together() -> None:
    """Parts keep their borders, whatever stands in them: two objects never share an identifier."""
    # given keys whose parts are alike once joined
    keys = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (f"ab{SEPARATOR}c",), ("ab", SEPARATOR, "c")]

    # when
    texts = {IDS.seal(Ref("maarch", RefType.ATTACHMENT, key)) for key in keys}

    # then
    assert len(texts) == len(keys)


def test_every_flipped_bit_is_noticed() -> None:
    """No bit of an identifier can be changed, those of the key's name included."""
    # given
    content = raw(IDS.seal(REF))

    # when
    flipped = [
        bytes([*content[:place], content[place] ^ (1 << bit), *content[place + 1 :]])
        for place in range(len(content))
        for bit in range(8)
    ]

    # then
    assert len(flipped) > 200
    assert all(refused(IDS, written(each)) for each in flipped)


def test_every_other_character_is_noticed() -> None:
    """The same in the text: no character can be another one, be missing or be there twice."""
    # given
    text = IDS.seal(REF)

    # when
    changed = [
        text[:place] + other + text[place + 1 :]
        for place in range(len(text))
        for other in ["", text[place] * 2, *ALPHABET]
        if other != text[place]
    ]

    # then
    assert all(refused(IDS, each) for each in changed)


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_an_object_has_one_spelling(padding: int) -> None:
    """Base64 has several spellings of the same bytes; clients compare identifiers, so one of them is right."""
    # given identifiers that need any number of padding characters
    ref = Ref("maarch", RefType.ATTACHMENT, ("1" * (6 + padding),))
    text = IDS.seal(ref)
    last = ALPHABET.index(text[-1])

    # when they are spelled in other ways
    others = [text + "=", text + "==", f"{text}\n", f" {text}", f"{text[:4]}\n{text[4:]}", f"{text}!"]
    others += [text.replace("-", "+").replace("_", "/")] if {"-", "_"} & set(text) else []
    others += [text[:-1] + ALPHABET[last | low] for low in range(1, 1 << 2 * (-len(text) % 4))]

    # then none of them opens
    assert IDS.open(text) == ref
    assert all(refused(IDS, each) for each in set(others) - {text})


@pytest.mark.parametrize(
    "text",
    ["", "A", "nonsense", "é", "\ud800", "\x00", written(b"\x00"), REF.to_text(), "A" * LONGEST_IDENTIFIER],
    ids=ascii,
)
def test_nonsense_is_refused(text: str) -> None:
    """What never was an identifier is refused like one that was changed, text of the journal included."""
    # then
    assert refused(IDS, text)


def test_long_texts_are_not_looked_at() -> None:
    """Nobody makes the gateway decrypt megabytes: what is too long is refused even where it was sealed."""
    # given
    longest = IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("x" * 3710,)))
    longer = IDS.seal(Ref("maarch", RefType.ATTACHMENT, ("x" * 3730,)))

    # then
    assert len(longest) <= LONGEST_IDENTIFIER < len(longer)
    assert IDS.open(longest).key == ("x" * 3710,)
    assert refused(IDS, longer)


def test_tenants_share_nothing() -> None:
    """The identifier of one tenant tells another nothing: not even that it is one."""
    # given
    theirs = Identifiers([NEW], "umbrella")

    # when
    ours, other = IDS.seal(REF), theirs.seal(REF)

    # then
    assert ours != other
    assert refused(IDS, other)
    assert refused(theirs, ours)


def test_other_gateways_share_nothing() -> None:
    """Without the key nobody makes an identifier."""
    # then
    assert refused(IDS, Identifiers([OLD], "acme").seal(REF))


def test_cursors_are_no_identifiers() -> None:
    """What was sealed for one purpose opens for no other."""
    # given
    content = IDS.cursors.open(IDS.cursors.seal(b"content"))

    # then
    assert content == b"content"
    assert refused(IDS, IDS.cursors.seal(b"content"))
    with pytest.raises(ValueError, match="sealed by no key"):
        IDS.cursors.open(IDS.seal(REF))


def test_old_identifiers_open_after_a_rotation() -> None:
    """Keys can be changed while clients hold identifiers: the first key seals, all open."""
    # given identifiers of before
    before = Identifiers([OLD], "acme").seal(REF)

    # when a new key is put first, and the old one is taken away later
    during, after = Identifiers([NEW, OLD], "acme"), Identifiers([NEW], "acme")

    # then the old ones open until then, and new ones are sealed by the new key at once
    assert during.open(before) == REF
    assert during.seal(REF) == after.seal(REF) != before
    assert refused(after, before)


def test_keys_whose_names_collide_open_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key's name is one byte, so two keys may share it; then both are tried."""
    # given
    monkeypatch.setattr(identifiers, "_name_of", lambda _: b"k")
    before = Identifiers([OLD], "acme").seal(REF)

    # then
    assert Identifiers([NEW, OLD], "acme").open(before) == REF
    assert refused(Identifiers([NEW], "acme"), before)


def test_what_an_older_version_sealed_is_no_defect() -> None:
    """Contents of another form are refused, not misread: authentic ones too."""
    # given
    seal = Seal([NEW], b"attachment-gateway identifier 1", "acme", LONGEST_IDENTIFIER)

    # then
    for content in (b"\x90", b"\x93\xa1x\xa1y\xa1z", b"\x01", b"\xc1"):
        assert refused(IDS, seal.seal(content))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers are remembered because they are asked for again and again, but not without bound."""
    # given
    monkeypatch.setattr(identifiers, "MOST_REMEMBERED", 100)
    ids = Identifiers([NEW], "acme")
    all_refs = [Ref("maarch", RefType.ATTACHMENT, (str(n),)) for n in range(1000)]

    # when
    first = [ids.seal(ref) for ref in all_refs]
    held = len(ids)
    again = [ids.seal(ref) for ref in all_refs]

    # then
    assert held <= 100
    assert again == first


def test_the_longest_lookups_have_identifiers_that_open() -> None:
    """What a lookup takes, three texts of 256 characters of four bytes, can be asked for again."""
    # given
    ref = Ref("espocrm", RefType.RECORD, ("\U0001f4ce" * 256,) * 3)

    # when
    text = IDS.seal(ref)

    # then
    assert IDS.open(text) == ref


def test_long_identifiers_are_not_remembered() -> None:
    """Lookups take texts that clients choose: what would fill the memory is sealed anew each time, to the same."""
    # given
    ids = Identifiers([NEW], "acme")
    refs_of_clients = [Ref("espocrm", RefType.RECORD, (f"{n}" * 64, "x" * 256, "file")) for n in range(9)]

    # when
    first = [ids.seal(ref) for ref in refs_of_clients]

    # then
    assert len(ids) == 0
    assert [ids.seal(ref) for ref in refs_of_clients] == first


def test_identifiers_of_the_demo_stay_as_they_are() -> None:
    """They stand in bookmarks, documents and examples: a change of the key or of the form would break them all."""
    # given
    ids = Identifiers(DEVELOPMENT_KEYS, "default")

    # then
    assert ids.seal(REF) == "V4CDbf2IWMnqZiClYL5zcqVneJobiCgCfRj8LFdBWys"
    assert (
        ids.seal(Ref("arrhes", RefType.FOLDER, ("y9quhmcz",)))
        == "V5axHmzuxzw57ZnEExGqGf2G-K-CaBgYWFNO5-rfPVqUOXtO"
    )


# Keys


def test_keys_are_read_in_hex_and_base64() -> None:
    """What `openssl rand` prints is a key, in either of its forms."""
    # given
    key, other = bytes(range(32)), bytes(range(64))
    plain = base64.b64encode(key).decode()

    # then
    assert read_keys(f"{key.hex()}, {other.hex().upper()}\n") == (key, other)
    assert read_keys(f"{plain} {base64.urlsafe_b64encode(other).decode()}") == (key, other)
    assert read_keys(plain.rstrip("=")) == (key,)


@pytest.mark.parametrize(
    "text", ["", " ", "00" * 31, "00" * 33, "g" * 64, "!" * 43, f"{'00' * 32} {'00' * 32}"]
)
def test_bad_keys_are_refused_without_being_shown(text: str) -> None:
    """A key that is too short, no key at all or twice the same is a mistake, and the error does not tell it."""
    # when
    with pytest.raises(ValueError, match="64 or 128 hex digits") as caught:
        read_keys(text)

    # then
    assert not text.strip() or text not in str(caught.value)
