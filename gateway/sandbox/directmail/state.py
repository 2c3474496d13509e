"""What the imitated Direct Mail server knows: projects, messages, attachments, merges under way, and its bad moods.

The rules come from ``upstreams.md`` section 4. Nothing here knows HTTP.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

from gateway.sandbox.directmail.signing import SigningKey
from gateway.sandbox.specimens import specimen

PAGE_SIZE = 1000
"""Items of a collection that the real server answers at once (article 459)."""
LINK_LIFETIME = 900
"""Seconds. How long a real content link works is not documented."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file of a message; ``date_modified`` is aware, ``content_length`` is in bytes.

    ``display_name`` has no extension, ``file_name`` is a UUID with one.
    """

    uuid: str
    display_name: str
    file_name: str
    date_modified: datetime
    content_length: int

    def content(self) -> bytes:
        """Make the bytes, the same ones each time."""
        return specimen(
            PurePosixPath(self.file_name).suffix.lstrip("."), self.display_name, self.content_length
        )


@dataclass(slots=True)
class Message:
    """An e-mail message; one that was sent is not ``editable``, so that nothing of it can be deleted."""

    uuid: str
    title: str
    subject: str
    from_name: str
    from_email: str
    date_created: datetime
    editable: bool = True
    attachments: dict[str, Attachment] = field(default_factory=dict)


@dataclass(slots=True)
class Project:
    """A project in the cloud; without ``granted`` the key cannot tell it from one that does not exist."""

    document_identifier: str
    name: str
    messages: dict[str, Message] = field(default_factory=dict)
    granted: bool = True


@dataclass(slots=True)
class Merge:
    """A deletion that was accepted; it happens when ``polls`` polls have been answered with "not yet"."""

    message: Message
    attachment_uuid: str
    polls: int


def utc_now() -> datetime:
    """Tell the time, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(slots=True)
class State:
    """Everything a Direct Mail sandbox remembers, and the flags that tests set on it.

    ``content_origin`` is where content links point, None for the server itself. ``page_size`` is in items;
    without ``page_links`` further pages are not announced. ``merge_polls`` is how often a merge is still pending;
    ``merge_failure`` is the status a merge ends with instead of happening. ``rate_limited`` counts requests that
    are still to be answered with 429, with ``retry_after`` seconds if given. ``terse`` leaves error bodies empty.
    """

    projects: dict[str, Project] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    clock: Callable[[], datetime] = utc_now
    content_origin: str | None = None
    link_lifetime: int = LINK_LIFETIME
    page_size: int = PAGE_SIZE
    page_links: bool = True
    merge_polls: int = 2
    merge_failure: int | None = None
    maintenance: bool = False
    disabled: bool = False
    rate_limited: int = 0
    retry_after: int | None = None
    terse: bool = False
    merges: dict[str, Merge] = field(default_factory=dict)
    signing: SigningKey = field(
        default_factory=lambda: SigningKey("AKIASANDBOXDIRECTMAIL", secrets.token_bytes(20)), repr=False
    )

    def accepts(self, key_id: str, key_secret: str) -> bool:
        """Whether a Key ID goes with this Key Secret."""
        expected = self.keys.get(key_id)
        return expected is not None and hmac.compare_digest(expected.encode(), key_secret.encode())

    def project(self, document_identifier: str) -> Project | None:
        """Find a project that the key has been granted."""
        project = self.projects.get(document_identifier)
        return project if project and project.granted else None

    def object_named(self, key: str) -> Attachment | None:
        """Find the attachment whose bytes lie under this key of the bucket."""
        for project in self.projects.values():
            for message in project.messages.values():
                for attachment in message.attachments.values():
                    if object_key(project, message, attachment) == key:
                        return attachment
        return None

    def poll(self, merge: Merge) -> int:
        """Ask a merge how it does: 202 while it is pending, then 200, or the failure that was ordered."""
        if merge.polls > 0:
            merge.polls -= 1
            return 202
        if self.merge_failure is not None:
            return self.merge_failure
        merge.message.attachments.pop(merge.attachment_uuid, None)
        return 200


def object_key(project: Project, message: Message, attachment: Attachment) -> str:
    """Tell where in the bucket the bytes lie: account, project, message, and a hash of the rest."""
    digest = hashlib.sha256(attachment.file_name.encode()).hexdigest()[:32]
    return f"1/{project.document_identifier}/{message.uuid}/{digest}"
