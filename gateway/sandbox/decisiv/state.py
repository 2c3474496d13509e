"""What the imitated Decisiv server knows: cases, their attachments, users, tokens, and its bad moods.

The rules come from ``upstreams.md`` section 3. Nothing here knows HTTP.
"""

import hashlib
import hmac
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from gateway.sandbox.specimens import specimen

MAX_SIZE = 50 * 2**20
"""Bytes. Decisiv publishes no figure for this API (``upstreams.md`` section 8), so this is the sandbox's own."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A user who attaches files, with the group that sees what is internal."""

    id: str
    name: str
    group_name: str


@dataclass(slots=True)
class Attachment:
    """One file of a case. Times are naive as the server writes them; ``size`` is in bytes.

    ``stored`` is where uploaded bytes lie. Seeded attachments have none: their bytes are made when asked for.
    """

    id: str
    case_id: str
    description: str
    filename: str
    size: int
    internal: bool
    created_at: datetime
    sender: Sender
    updated_at: datetime | None = None
    public: bool = False
    stored: Path | None = None

    @property
    def format(self) -> str:
        """The extension of the file name, which is what the list calls its format."""
        return PurePosixPath(self.filename).suffix.lstrip(".").lower()

    def content(self) -> bytes:
        """Make the bytes of a seeded attachment, the same ones each time."""
        return specimen(self.format, f"{self.case_id} - {self.description}", self.size)


@dataclass(slots=True)
class Case:
    """A service case of a truck, with its attachments by id in the order they came."""

    id: str
    title: str
    attachments: dict[str, Attachment] = field(default_factory=dict)


def utc_now() -> datetime:
    """Tell the time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass
class State:
    """Everything a Decisiv sandbox remembers, and the flags that tests set on it.

    ``download_origin`` moves ``downloadURL`` to another origin, with a token in its query instead of the bearer;
    ``with_ids`` adds the ``id`` element that samples lack; ``rate_limited`` counts requests that are still to be
    answered with 429; ``forbidden_cases`` answer 403; ``token_lifetime`` is in seconds.
    """

    cases: dict[str, Case] = field(default_factory=dict)
    senders: dict[str, Sender] = field(default_factory=dict)
    default_sender: Sender = field(default_factory=lambda: Sender("0", "Platform API", "Platform API"))
    consumers: dict[str, str] = field(default_factory=dict, repr=False)
    tokens: dict[str, datetime | None] = field(default_factory=dict, repr=False)
    clock: Callable[[], datetime] = utc_now
    download_origin: str | None = None
    with_ids: bool = False
    rate_limited: int = 0
    forbidden_cases: set[str] = field(default_factory=set)
    token_lifetime: int = 3600
    max_size: int = MAX_SIZE
    next_id: int = 500_001
    seal_key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def __post_init__(self) -> None:
        """Make the folder of uploaded bytes; it goes when the state goes."""
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-decisiv-"))
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def issue_token(self) -> str:
        """Make a token that works for ``token_lifetime`` seconds; no answer tells when it ends."""
        token = secrets.token_urlsafe(24)
        self.tokens[token] = self.clock() + timedelta(seconds=self.token_lifetime)
        return token

    def expire_tokens(self) -> None:
        """End every token at once, the static one included, as a restart of the real server would."""
        self.tokens.clear()

    def accepts_token(self, token: str) -> bool:
        """Whether a bearer token is known and has not ended."""
        if token not in self.tokens:
            return False
        ends = self.tokens[token]
        return ends is None or self.clock() < ends

    def accepts_consumer(self, key: str, secret: str) -> bool:
        """Whether a consumer key goes with this secret."""
        expected = self.consumers.get(key)
        return expected is not None and hmac.compare_digest(expected.encode(), secret.encode())

    def find(self, case_id: str, attachment_id: str) -> Attachment | None:
        """Find an attachment, but only in its own case."""
        case = self.cases.get(case_id)
        return case.attachments.get(attachment_id) if case else None

    def add(
        self, case: Case, description: str, sender: Sender, upload: tuple[str, Path, int], *, internal: bool
    ) -> Attachment:
        """Keep an uploaded file, given as file name, path and bytes; the same upload twice gives two attachments."""
        filename, stored, size = upload
        made = self.clock().astimezone(UTC).replace(tzinfo=None)
        attachment = Attachment(
            str(self.next_id), case.id, description, filename, size, internal, made, sender, stored=stored
        )
        self.next_id += 1
        case.attachments[attachment.id] = attachment
        return attachment

    def seal(self, attachment: Attachment) -> str:
        """Make the token in the query of a ``downloadURL`` that points to another origin."""
        message = f"{attachment.case_id}/{attachment.id}".encode()
        return hmac.new(self.seal_key, message, hashlib.sha256).hexdigest()
