"""The settings: what may be written, where it may come from, and what a mistake looks like."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gateway.domain.secret import Secret
from gateway.identifiers import DEVELOPMENT_KEYS
from gateway.identity.addresses import is_loopback
from gateway.settings import Settings, SettingsError, load_settings
from gateway.toml_lines import find_lines
from gateway.upstreams.decisiv import DecisivSettings
from gateway.upstreams.espocrm import EspoCrmSettings
from gateway.upstreams.maarch import MaarchSettings
from gateway.upstreams.registry import KINDS

EXAMPLE = Path(__file__).parent / "data" / "gateway.example.toml"
ID_KEYS_FORM = (
    "'id_keys' must be one key or several different ones, each of 64 or 128 hex digits or the same in base64"
)
SECRETS = (
    "CONTENT_KEY",
    "ID_KEYS",
    "ARRHES_KEY",
    "DIRECTMAIL_SECRET",
    "ESPO_KEY",
    "ESPO_SECRET",
    "MAARCH_PASSWORD",
)
KEY = "0123456789abcdef" * 4
PASSWORD = "hunter2-which-nobody-may-see"
MAARCH = f"""[[sources]]
name = "maarch"
kind = "maarch"
url = "https://mail.example.org/rest"
username = "gateway"
password = "{PASSWORD}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Name the settings file of a test."""
    return tmp_path / "gateway.toml"


def load(file: Path, text: str, **environ: str) -> Settings:
    """Write the settings and load them."""
    file.write_text(text, "utf-8")
    return load_settings(file, environ)


def mistake(file: Path, text: str, **environ: str) -> str:
    """Give the error of settings, without the folder of the file."""
    with pytest.raises(SettingsError) as caught:
        load(file, text, **environ)
    return str(caught.value).replace(f"{file.parent}/", "")


def changed(old: str, new: str) -> str:
    """Change one line of good settings."""
    assert old in MAARCH
    return MAARCH.replace(old, new)


def test_example_loads(tmp_path: Path) -> None:
    """The settings that the README shows are good, have every kind, and take their secrets from where they say."""
    # given
    copy = tmp_path / "gateway.toml"
    copy.write_text(EXAMPLE.read_text("utf-8"), "utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "decisiv").write_text("from a file\n")
    environ = {name: f"from {name}" for name in SECRETS} | {"CONTENT_KEY": KEY, "ID_KEYS": KEY}

    # when
    settings = load_settings(copy, environ)

    # then
    sources = {source.kind: source for source in settings.sources}
    assert sources.keys() == KINDS.keys()
    assert settings.content_key == Secret(KEY)
    assert settings.public_url == "https://files.example.org"
    assert isinstance(sources["decisiv"], DecisivSettings)
    assert sources["decisiv"].token == Secret("from a file")
    assert isinstance(sources["espocrm"], EspoCrmSettings)
    assert sources["espocrm"].secret == Secret("from ESPO_SECRET")
    assert isinstance(sources["maarch"], MaarchSettings)
    assert sources["maarch"].password == Secret("from MAARCH_PASSWORD")


def test_defaults_serve_loopback(file: Path) -> None:
    """Settings that name sources alone are enough to try the gateway on one's own machine."""
    # when
    settings = load(file, MAARCH)

    # then
    assert (settings.host, settings.port, settings.profile) == ("127.0.0.1", 8000, "development")
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.content_key is None
    assert settings.sources[0].url == "https://mail.example.org/rest"


@pytest.mark.parametrize(
    ("host", "address"), [("localhost", "http://localhost:8000"), ("::1", "http://[::1]:8000")]
)
def test_public_address_follows_the_host(file: Path, host: str, address: str) -> None:
    """Links lead to where the gateway listens, unless the operator says otherwise."""
    # when
    settings = load(file, f'host = "{host}"\n{MAARCH}')

    # then
    assert settings.public_url == address


def test_environment_overrides_the_file(file: Path) -> None:
    """One file serves several machines: what differs comes from the environment, numbers included."""
    # given
    secret = file.parent / "key"
    secret.write_text(KEY + "\n")
    text = f'port = 1\nprofile = "demo"\n{MAARCH}'

    # when
    settings = load(
        file,
        text,
        ATTACHMENT_GATEWAY_PORT="9000",
        ATTACHMENT_GATEWAY_DEADLINE="2.5",
        ATTACHMENT_GATEWAY_PROFILE="production",
        ATTACHMENT_GATEWAY_CONTENT_KEY_FILE=str(secret),
        ATTACHMENT_GATEWAY_ID_KEYS_FILE=str(secret),
    )

    # then
    assert (settings.port, settings.deadline, settings.profile) == (9000, 2.5, "production")
    assert (settings.content_key, settings.id_keys) == (Secret(KEY), Secret(KEY))
    assert settings.public_url == "http://127.0.0.1:9000"


def test_port_of_kubernetes_is_no_port(file: Path) -> None:
    """For a service of our name Kubernetes sets the variable to an address, which is not meant for us."""
    # when
    settings = load(file, MAARCH, ATTACHMENT_GATEWAY_PORT="tcp://10.0.0.7:8000")

    # then
    assert settings.port == 8000


def test_secret_file_loses_one_newline_only(file: Path) -> None:
    """Editors end files with a newline that is no part of the secret; anything else is."""
    # given
    (file.parent / "secret").write_bytes(b" two words \n\r\n")

    # when
    settings = load(file, changed(f'"{PASSWORD}"', '{ file = "secret" }'))

    # then
    assert isinstance(settings.sources[0], MaarchSettings)
    assert settings.sources[0].password.reveal() == " two words \n"


MISTAKES = {
    "unknown key": (
        changed("username", "usrname"),
        "gateway.toml:5: unknown key 'usrname' in [[sources]] (maarch): did you mean 'username'?",
    ),
    "unknown key at the top": (
        f"prot = 1\n{MAARCH}",
        "gateway.toml:1: unknown key 'prot': did you mean 'port'?",
    ),
    "unlike any key": (
        f"colour = 1\n{MAARCH}",
        ("gateway.toml:1: unknown key 'colour'; there are " + ", ".join(sorted(Settings.__struct_fields__))),
    ),
    "missing key": (
        changed('username = "gateway"\n', ""),
        "gateway.toml:1: the key 'username' is missing in [[sources]] (maarch)",
    ),
    "missing name": (
        changed(
            'name = "maarch"\n',
            "",
        ),
        "gateway.toml:1: the key 'name' is missing in [[sources]] (maarch)",
    ),
    "no sources": ("port = 1", "gateway.toml: the key 'sources' is missing"),
    "empty sources": ("sources = []", "gateway.toml: there is no [[sources]] table"),
    "one table": (
        MAARCH.replace("[[sources]]", "[sources]"),
        "gateway.toml:1: each source must be a table [[sources]]",
    ),
    "wrong type": (f'port = "8000"\n{MAARCH}', "gateway.toml:1: 'port' is wrong: expected `int`, got `str`"),
    "wrong type in a source": (
        f"{MAARCH}concurrency = true\n",
        "gateway.toml:7: 'concurrency' in [[sources]] (maarch) is wrong: expected `int`, got `bool`",
    ),
    "wrong choice": (
        f'{MAARCH}auth = "digest"\n',
        "gateway.toml:7: 'auth' in [[sources]] (maarch) must be one of 'basic', 'bearer'",
    ),
    "number out of range": (
        f"{MAARCH}concurrency = 0\n",
        "gateway.toml:7: 'concurrency' in [[sources]] (maarch) must be 1 to 1,000",
    ),
    "no number": (f"deadline = nan\n{MAARCH}", "gateway.toml:1: 'deadline' must be 0.1 to 600"),
    "unknown kind": (
        changed('kind = "maarch"', 'kind = "march"'),
        "gateway.toml:3: unknown kind 'march' in [[sources]] (maarch): did you mean 'maarch'?",
    ),
    "bad name": (
        changed('name = "maarch"', 'name = "2 mails"'),
        (
            "gateway.toml:2: 'name' in [[sources]] (2 mails) must begin with a letter and hold up to 64 letters,"
            " digits, '_' and '-'"
        ),
    ),
    "same name": (MAARCH + MAARCH, "gateway.toml:8: two sources have the name 'maarch'"),
    "bad scheme": (
        changed("https://mail.example.org/rest", "mail.example.org/rest"),
        (
            "gateway.toml:4: 'url' in [[sources]] (maarch) must be an address that begins with http:// or https://"
            " and has a host"
        ),
    ),
    "refused by the kind": (
        f'{MAARCH}timezone = "Europe/Pari"\n',
        "gateway.toml:1: [[sources]] (maarch): There is no time zone named 'Europe/Pari'.",
    ),
    "bad link host": (
        f'{MAARCH}link_hosts = ["https://files.example.org"]\n',
        (
            "gateway.toml:7: 'link_hosts' in [[sources]] (maarch) must hold hosts in small letters, as"
            " 'files.example.org' or 'files.example.org:8443'"
        ),
    ),
    "secret of a wrong form": (
        changed(f'"{PASSWORD}"', '{ vault = "x" }'),
        'gateway.toml:6: \'password\' in [[sources]] (maarch) must be text, { env = "NAME" } or { file = "path" }',
    ),
    "empty secret": (
        changed(f'"{PASSWORD}"', '""'),
        "gateway.toml:6: 'password' in [[sources]] (maarch) is empty",
    ),
    "secret not in the environment": (
        changed(f'"{PASSWORD}"', '{ env = "MAARCH" }'),
        "gateway.toml:6: 'password' in [[sources]] (maarch) is empty: the variable MAARCH is not set or empty",
    ),
    "secret not on the disk": (
        changed(f'"{PASSWORD}"', '{ file = "nowhere" }'),
        "gateway.toml:6: 'password' in [[sources]] (maarch) cannot be read from nowhere: No such file or directory",
    ),
    "short content key": (
        f'content_key = "abc"\n{MAARCH}',
        "gateway.toml:1: 'content_key' must be 64 hex digits, as `openssl rand -hex 32` prints",
    ),
    "production without content key": (
        f'port = 1\nprofile = "production"\n{MAARCH}',
        "gateway.toml:2: `profile` production needs the key `content_key`",
    ),
    "production without keys of identifiers": (
        f'port = 1\nprofile = "production"\ncontent_key = "{KEY}"\n{MAARCH}',
        "gateway.toml:2: `profile` production needs the key `id_keys`",
    ),
    "production with the keys of development": (
        f'profile = "production"\ncontent_key = "{KEY}"\nid_keys = "{KEY} {DEVELOPMENT_KEYS[0].hex()}"\n{MAARCH}',
        "gateway.toml:3: `id_keys` are those of development, which everybody knows",
    ),
    "short key of identifiers": (
        f'id_keys = "{KEY},abcd"\n{MAARCH}',
        f"gateway.toml:1: {ID_KEYS_FORM}",
    ),
    "same key of identifiers twice": (
        f'id_keys = "{KEY} {KEY}"\n{MAARCH}',
        f"gateway.toml:1: {ID_KEYS_FORM}",
    ),
    "no TOML": (
        f"{MAARCH}port 1\n",
        "gateway.toml:7: this is not TOML: Expected '=' after a key in a key/value pair",
    ),
    "no TOML at the end": (f"{MAARCH}port = ", "gateway.toml:7: this is not TOML: Invalid value"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_told_in_one_line(file: Path, name: str) -> None:
    """Who makes a mistake learns the file, the line, what is wrong and what was probably meant."""
    # given
    text, expected = MISTAKES[name]

    # when
    message = mistake(file, text)

    # then
    assert message == expected


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{PASSWORD}@mail.example.org/rest",
        f"https://{PASSWORD}@mail.example.org/rest",
        f"https://mail.example.org/rest?key={PASSWORD}",
        f"https://mail.example.org/rest#{PASSWORD}",
        f"ftp://{PASSWORD}",
        f"https:///{PASSWORD}",
        f"https://mail.example.org:{PASSWORD}/",
        f"https://mail.example.org/ {PASSWORD}",
    ],
)
def test_bad_address_is_not_quoted(file: Path, url: str) -> None:
    """An address may hold a password by mistake, so the error does not repeat it."""
    # when
    message = mistake(file, changed("https://mail.example.org/rest", url))

    # then
    assert message.startswith("gateway.toml:4: 'url' in [[sources]] (maarch) must ")
    assert PASSWORD not in message


@pytest.mark.parametrize("name", MISTAKES)
def test_no_mistake_shows_a_secret(file: Path, name: str) -> None:
    """Whatever else is wrong, a password that stands in the file is not in the error, nor in what caused it."""
    # given
    file.write_text(MISTAKES[name][0], "utf-8")

    # when
    with pytest.raises(SettingsError) as caught:
        load_settings(file, {})

    # then
    assert PASSWORD not in repr(caught.value) + repr(caught.value.__cause__)


def test_settings_show_no_secret(file: Path) -> None:
    """Settings can be logged."""
    # when
    settings = load(file, f'content_key = "{KEY}"\n{MAARCH}')

    # then
    assert PASSWORD not in repr(settings)
    assert KEY not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PORT", "eight", "PORT is wrong: expected `int`, got `str`"),
        ("PORT", "0", "PORT must be 1 to 65,535"),
        ("PROFILE", "prod", "PROFILE must be one of 'demo', 'development', 'production'"),
        ("CONTENT_KEY", "", "CONTENT_KEY is empty"),
        ("PUBLIC_URL", "files.example.org", "PUBLIC_URL must be an address that begins with http"),
        ("HOST", "localhost/x", "HOST must be an address or a host name"),
    ],
)
def test_mistake_in_the_environment_names_the_variable(
    file: Path, variable: str, value: str, expected: str
) -> None:
    """A mistake outside the file is not blamed on the file."""
    # when
    message = mistake(file, MAARCH, **{f"ATTACHMENT_GATEWAY_{variable}": value})

    # then
    assert message.startswith(f"environment: ATTACHMENT_GATEWAY_{expected}")


def test_file_that_cannot_be_read_is_told(file: Path) -> None:
    """A wrong path and a wrong encoding are mistakes like any other."""
    # given
    latin = file.with_name("latin.toml")
    latin.write_bytes(b'# first\nname = "\xe9"\n')

    # when
    with pytest.raises(SettingsError) as missing:
        load_settings(file, {})
    with pytest.raises(SettingsError) as wrong:
        load_settings(latin, {})

    # then
    assert str(missing.value) == f"{file}: No such file or directory"
    assert str(wrong.value) == f"{latin}:2: this is not UTF-8"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - what must be recognised
        ("::", False),
        ("192.168.1.4", False),
        ("gateway.example.org", False),
    ],
)
def test_loopback_is_recognised(host: str, expected: bool) -> None:
    """Nobody but this machine reaches what counts as loopback; a name may lead anywhere."""
    # when
    loopback = is_loopback(host)

    # then
    assert loopback is expected


LINES = '''# a comment with [[brackets]] and = signs
"top" = 1
text = """
[not.a.table]
also = "no key" \\""" still text"""
raw = \'\'\'
x = 1\'\'\'\'
list = [
  1,  # one ]
  "two ]",
]
[ first . "quoted \\"key\\"" ]
dotted.'key' = { inline = { deep = 1 } }

[[sources]]
name = "a"
[sources.extra]
x = 1
[[sources]]
name = "b"
'''


def test_lines_are_those_of_the_keys() -> None:
    """Text, lists and comments that look like keys are not taken for keys."""
    # when
    lines = find_lines(LINES)

    # then
    assert lines == {
        ("top",): 2,
        ("text",): 3,
        ("raw",): 6,
        ("list",): 8,
        ("first", 'quoted "key"'): 12,
        ("first", 'quoted "key"', "dotted"): 13,
        ("first", 'quoted "key"', "dotted", "key"): 13,
        ("sources", 0): 15,
        ("sources", 0, "name"): 16,
        ("sources", 0, "extra"): 17,
        ("sources", 0, "extra", "x"): 18,
        ("sources", 1): 19,
        ("sources", 1, "name"): 20,
    }


@examples(deadline=None)
@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters='"\\\x7f', exclude_categories=["Cc"])),
        max_size=6,
    )
)
def test_line_of_a_key_survives_any_text_before_it(texts: list[str]) -> None:
    """Whatever stands in the values and comments above, the key below is found on its line."""
    # given
    above = [line for number, text in enumerate(texts) for line in (f'key{number} = "{text}"', f"# {text}")]

    # when
    lines = find_lines("\n".join([*above, "last = 1"]))

    # then
    assert lines[("last",)] == len(above) + 1
    assert len(lines) == len(texts) + 1
