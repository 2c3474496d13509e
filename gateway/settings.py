"""The settings of the gateway: one TOML file and the environment.

A mistake is a `SettingsError` of one line that says where it is and what to write instead. No message and no repr
shows the text of a secret.
"""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

import msgspec

from gateway.domain.edge import AnswerSettings, EdgeSettings, PersistedSettings
from gateway.domain.limits import Limits
from gateway.domain.secret import Secret
from gateway.identity.configuration import ApiKeySettings, IssuerSettings, TenantSettings, check_tenants
from gateway.setting_values import check_keys, check_value
from gateway.toml_lines import Path as Keys
from gateway.toml_lines import find_lines, line_of
from gateway.uploads.storage import StoreSettings
from gateway.upstreams.base import SourceSettings
from gateway.upstreams.registry import KINDS

Profile = Literal["demo", "development", "production"]

ENVIRONMENT = "ATTACHMENT_GATEWAY_"
"""What the environment variables that override top-level keys begin with."""
OPTIONAL: Mapping[str, type[Any]] = {
    "store": StoreSettings,
    "limits": Limits,
    "edge": EdgeSettings,
    "persisted": PersistedSettings,
    "answers": AnswerSettings,
}
"""The tables that may be left out."""
LISTS: Mapping[str, type[Any]] = {
    "api_keys": ApiKeySettings,
    "issuers": IssuerSettings,
    "tenants": TenantSettings,
}
"""The lists of tables that may be left out."""
TABLES = frozenset({"sources", *OPTIONAL, *LISTS})
"""The top-level keys that are tables, which no variable overrides."""
JOURNAL = "attachment-gateway.db"
"""The file of the journal, where none is configured."""
QUOTED_KEY = re.compile(r"`(\w+)`")
SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator decides.

    ``issuers`` and ``api_keys`` say who may get in, and ``tenants`` whose sources he sees. ``anonymous`` says whether
    those may who send nothing, and then everything: by default where nobody could log in, but never in production.
    ``public_url`` is where browsers reach the gateway, by default ``http://{host}:{port}``; ``deadline`` the
    seconds an operation may take, ``largest_request`` the bytes of a GraphQL request, ``content_key`` 64 hex digits
    that seal download links: every replica needs the same ones, and without them links end with the process.
    ``id_keys`` seal identifiers and cursors (see `gateway.identifiers.read_keys`): the first seals, all open.
    ``journal`` is where writes are written down: a PostgreSQL URL, which may hold a password, or a SQLite one, in a
    file by default ``attachment-gateway.db`` beside the settings. Without a journal the gateway takes no writes,
    without a ``store`` no uploads.
    """

    sources: tuple[SourceSettings, ...]
    store: StoreSettings | None = None
    limits: Limits = Limits()
    edge: EdgeSettings = EdgeSettings()
    persisted: PersistedSettings = PersistedSettings()
    answers: AnswerSettings = AnswerSettings()
    issuers: tuple[IssuerSettings, ...] = ()
    api_keys: tuple[ApiKeySettings, ...] = ()
    tenants: tuple[TenantSettings, ...] = ()
    journal: Secret | None = None
    profile: Profile = "development"
    host: str = "127.0.0.1"
    anonymous: bool | None = None
    port: int = 8000
    public_url: str = ""
    deadline: float = 10.0
    largest_request: int = 256 * 1024
    content_key: Secret | None = None
    id_keys: Secret | None = None

    def __post_init__(self) -> None:
        """Fill in what depends on other keys; raises ValueError for what is missing in this profile."""
        msgspec.structs.force_setattr(self, "public_url", (self.public_url or self.origin).rstrip("/"))
        sources = tuple(_with_private_links(source, self.profile) for source in self.sources)
        msgspec.structs.force_setattr(self, "sources", sources)
        check_tenants(self.tenants, self.issuers, self.api_keys, {source.tenant for source in sources})
        if self.admits_all and len(self.tenants) > 1:
            raise ValueError("`anonymous` visitors belong to nobody where there are several `tenants`")
        if self.profile == "production":
            check_keys(self.content_key, self.id_keys)

    @property
    def authenticates(self) -> bool:
        """Whether anybody can say who he is."""
        return bool(self.issuers or self.api_keys)

    @property
    def admits_all(self) -> bool:
        """Whether those may come in who do not say who they are."""
        if self.anonymous is None:
            return self.profile != "production" and not self.authenticates
        return self.anonymous

    @property
    def origin(self) -> str:
        """Where the gateway itself listens."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"


def _with_private_links(source: SourceSettings, profile: Profile) -> SourceSettings:
    """Let sources point at private addresses outside of production, unless the source says something else."""
    if source.private_links is not None:
        return source
    return msgspec.structs.replace(source, private_links=profile != "production")


class SettingsError(Exception):
    """A mistake in the settings, told in one line: file, line, what is wrong, and the nearest right name."""


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings file and what the environment overrides in it; raises SettingsError.

    A top-level key is overridden by the variable ``ATTACHMENT_GATEWAY_<KEY>``, a secret one also by
    ``ATTACHMENT_GATEWAY_<KEY>_FILE``, which names a file. In the settings a secret is text, ``{ env = "NAME" }``, for
    which ``NAME_FILE`` may name a file, or ``{ file = "/run/secrets/x" }``. Paths count from the folder of the
    settings, and the last newline of a file is dropped.
    """
    document = _read(path, environ)
    table = _Table(document, (), document.values)
    entries = table.take("sources")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        document.fail("each source must be a table [[sources]]", "sources")
    sources = tuple(_source(document, position, entry) for position, entry in enumerate(entries))
    _check_unique(document, [(source.tenant, source.name) for source in sources])
    if not sources:
        document.fail("there is no [[sources]] table")
    given = _overrides(document)
    if "journal" not in document.values:
        given.setdefault("journal", _journal(path))
    settings: Settings = table.make(Settings, sources=sources, **_tables(document), **_lists(document), **given)
    return settings


# Reading


@dataclass(frozen=True, slots=True)
class _Document:
    """A settings file that has been read, with what is needed to tell a place in it and to find secrets."""

    path: Path
    values: dict[str, Any]
    lines: Mapping[Keys, int]
    environ: Mapping[str, str]

    def fail(self, message: str, *keys: str | int) -> NoReturn:
        """Raise the error of a place."""
        line = line_of(self.lines, keys)
        raise SettingsError(f"{self.path}:{line}: {message}" if line else f"{self.path}: {message}")


def _read(path: Path, environ: Mapping[str, str]) -> _Document:
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except OSError as exc:
        raise SettingsError(f"{path}: {exc.strerror or 'cannot be read'}") from exc
    except UnicodeDecodeError as exc:
        line = exc.object.count(b"\n", 0, exc.start) + 1
        raise SettingsError(f"{path}:{line}: this is not UTF-8") from exc
    except tomllib.TOMLDecodeError as exc:
        raise SettingsError(_syntax_error(path, text, str(exc))) from exc
    return _Document(path, values, find_lines(text), environ)


def _syntax_error(path: Path, text: str, message: str) -> str:
    found = SYNTAX_PLACE.search(message)
    line = found[1] if found and found[1] else text.rstrip("\n").count("\n") + 1
    return f"{path}:{line}: this is not TOML: {SYNTAX_PLACE.sub('', message)}"


# Tables


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of the file: where it stands, its values, and its name for messages."""

    document: _Document
    place: Keys
    values: dict[str, Any]
    title: str = ""

    @property
    def within(self) -> str:
        """Say in which table a key is, after the key."""
        return self.title and f" in {self.title}"

    def fail(self, message: str, *keys: str) -> NoReturn:
        """Raise the error of a key, or of the table."""
        self.document.fail(message, *self.place, *keys)

    def take(self, key: str) -> Any:
        """Give a value that must be there."""
        if key not in self.values:
            self.fail(f"the key {key!r} is missing{self.within}")
        return self.values[key]

    def make(self, cls: type[Any], **given: object) -> Any:
        """Make an object of the table's values, where ``given`` ones come first."""
        fields = {field.name: field for field in msgspec.structs.fields(cls)}
        for key in self.values:
            if key not in fields:
                self.fail(f"unknown key {key!r}{self.within}{_suggestion(key, fields)}", key)
        for name, field in fields.items():
            if field.required and name not in given:
                self.take(name)
        values = {key: self._value(key, fields[key].type) for key in self.values if key not in given}
        try:
            return cls(**values, **given)
        except ValueError as exc:
            named = [key for key in QUOTED_KEY.findall(str(exc)) if key in self.values]
            self.fail(f"{self.title}: {exc}" if self.title else str(exc), *named[:1])

    def _value(self, key: str, kind: Any) -> Any:
        try:
            return _convert(self.document, key, self.values[key], kind)
        except ValueError as exc:
            self.fail(f"{key!r}{self.within} {exc}", key)


def _source(document: _Document, position: int, entry: dict[str, Any]) -> SourceSettings:
    """Make the settings of one source, by its kind."""
    name = entry.get("name", entry.get("kind"))
    title = f"[[sources]] ({name})" if isinstance(name, str) else "[[sources]]"
    table = _Table(document, ("sources", position), entry, title)
    kind = table.take("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        table.fail(f"unknown kind {kind!r}{table.within}{_suggestion(str(kind), KINDS)}", "kind")
    brought = KINDS[kind].credential.items() if "pass_through" in entry else ()
    given = {key: value for key, value in brought if key not in entry}
    source: SourceSettings = table.make(KINDS[kind].settings, **given)
    return source


def _journal(path: Path) -> Secret:
    """Put the journal beside the settings, where nothing else is said."""
    return Secret(f"sqlite:///{path.resolve().parent / JOURNAL}")


def _tables(document: _Document) -> dict[str, Any]:
    """Make the settings of the tables that may be left out."""
    found: dict[str, Any] = {}
    for key, kind in OPTIONAL.items():
        entry = document.values.get(key)
        if entry is None:
            continue
        if not isinstance(entry, dict):
            document.fail(f"the {key} must be a table [{key}]", key)
        found[key] = _Table(document, (key,), entry, f"[{key}]").make(kind)
    if "persisted" in found:
        found["persisted"] = found["persisted"].beside(document.path)
    return found


def _lists(document: _Document) -> dict[str, Any]:
    """Make the settings of the lists of tables that may be left out."""
    found: dict[str, Any] = {}
    for key, kind in LISTS.items():
        entries = document.values.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            document.fail(f"each of the {key} must be a table [[{key}]]", key)
        found[key] = tuple(_entry(document, (key, number), kind, entry) for number, entry in enumerate(entries))
    return found


def _entry(document: _Document, place: Keys, kind: type[Any], entry: dict[str, Any]) -> Any:
    """Make the settings of one table of a list; a tenant has limits of its own in a table below it."""
    given: dict[str, Any] = {}
    if isinstance(entry.get("limits"), dict) and kind is TenantSettings:
        title = f"[{place[0]}.limits]"
        given["limits"] = _Table(document, (*place, "limits"), entry["limits"], title).make(Limits)
    if kind is IssuerSettings and isinstance(entry.get("jwks_file"), str):
        entry = {**entry, "jwks_file": str(document.path.parent / entry["jwks_file"])}
    return _Table(document, place, entry, f"[[{place[0]}]]").make(kind, **given)


def _check_unique(document: _Document, names: list[tuple[str, str]]) -> None:
    for position, name in enumerate(names):
        if name in names[:position]:
            document.fail(f"two sources have the name {name[1]!r}", "sources", position, "name")


def _suggestion(name: str, names: Iterable[str]) -> str:
    """Say what the operator may have meant, or else what there is."""
    known = sorted(names)
    nearest = difflib.get_close_matches(name, known, 1, cutoff=0.6)
    return f": did you mean {nearest[0]!r}?" if nearest else f"; there are {', '.join(known)}"


# Values


def _convert(document: _Document, key: str, value: object, kind: Any, *, strict: bool = True) -> Any:
    """Bring a value to its type and check it; raises ValueError with the rest of a sentence about the key."""
    converted: Any = _secret(document, value) if _is_secret(kind) else _typed(value, kind, strict=strict)
    check_value(key, converted)
    return converted


def _is_secret(kind: Any) -> bool:
    return Secret in (kind, *get_args(kind))


def _typed(value: object, kind: Any, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as exc:
        what = str(exc).partition(" - at ")[0]
        choices = ", ".join(map(repr, get_args(kind)))
        raise ValueError(
            f"must be one of {choices}" if "enum" in what else f"is wrong: {what.lower()}"
        ) from exc


def _secret(document: _Document, value: object) -> Secret:
    """Find the text of a secret; no error tells it."""
    if isinstance(value, dict) and value.keys() == {"env"} and isinstance(value["env"], str):
        text, place = _variable(document, value["env"]), f": the variable {value['env']} is not set or empty"
    elif isinstance(value, dict) and value.keys() == {"file"} and isinstance(value["file"], str):
        text, place = _file_text(document.path.parent / value["file"]), f": the file {value['file']} is empty"
    elif isinstance(value, str):
        text, place = value, ""
    else:
        raise ValueError('must be text, { env = "NAME" } or { file = "path" }')
    if not text:
        raise ValueError(f"is empty{place}")
    return Secret(text)


def _variable(document: _Document, name: str) -> str:
    """Read a variable, or the file that the one of its name and ``_FILE`` names, as orchestrators mount secrets."""
    file = document.environ.get(f"{name}_FILE")
    return _file_text(document.path.parent / file) if file else document.environ.get(name, "")


def _file_text(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(
            f"cannot be read from {path}: {getattr(exc, 'strerror', None) or 'not UTF-8'}"
        ) from None
    return re.sub(r"\r?\n\Z", "", text)


# Environment


def _overrides(document: _Document) -> dict[str, Any]:
    """Read the top-level keys that the environment gives."""
    found = {}
    for field in msgspec.structs.fields(Settings):
        variable = ENVIRONMENT + field.name.upper()
        given = _given(document.environ, variable, secret=_is_secret(field.type))
        if field.name in TABLES or given is None:
            continue
        try:
            found[field.name] = _convert(document, field.name, given, field.type, strict=False)
        except ValueError as exc:
            raise SettingsError(f"environment: {variable} {exc}") from exc
    return found


def _given(environ: Mapping[str, str], variable: str, *, secret: bool) -> object:
    """Give what a variable says; Kubernetes sets ``…_PORT=tcp://…`` for a service of our name, which is no port."""
    file = environ.get(f"{variable}_FILE")
    if secret and file is not None:
        return {"file": str(Path(file).absolute())}
    text = environ.get(variable)
    return None if text is None or text.startswith("tcp://") else text
