"""What the sandbox knows of EspoCRM's metadata: the attributes, rules and file fields of each entity type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OFFICE = (
    *(".pdf", ".odt", ".ods", ".odp", ".docx", ".xlsx", ".pptx", ".doc", ".xls", ".ppt"),
    *(".rtf", ".csv", ".md", ".txt"),
)
"""What Document.file accepts."""

ROLES = ("Attachment", "Inline Attachment", "Import File", "Export File", "Mail Merge", "Mass Pdf")
MULTIPLE = "attachmentMultiple"


@dataclass(frozen=True, slots=True)
class EntityType:
    """One entity type.

    ``attributes`` are in the order of an answer. The answer of a create has those that somebody set and those of
    ``always``; a list leaves out ``unlisted``. ``links`` maps an id attribute to the one with the name and the
    type it points to; ``parents`` are links that carry the type beside the id. ``fields`` maps file fields to
    their field types.
    """

    name: str
    attributes: tuple[str, ...]
    always: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    readonly: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    """Attributes that only a create may set."""
    links: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    accept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: tuple[str, ...] = ("name",)
    owner: tuple[str, ...] = ("createdById", "assignedUserId")
    stream: bool = False
    versioned: bool = False
    linked_lists: bool = True
    """Whether ``GET {Type}/{id}/{link}`` exists."""

    def file_links(self) -> list[str]:
        """Name the fields that hold one attachment by ``{field}Id``."""
        return [name for name, kind in self.fields.items() if kind in ("file", "image")]

    def multiples(self) -> list[str]:
        """Name the fields that hold a set of attachments by ``{field}Ids``."""
        return [name for name, kind in self.fields.items() if kind == MULTIPLE]


SYSTEM = frozenset(
    {"id", "deleted", "createdAt", "modifiedAt", "createdById", "modifiedById", "number", "versionNumber"}
)
USERS = {"createdById": ("createdByName", "User"), "modifiedById": ("modifiedByName", "User")}
ASSIGNED = {**USERS, "assignedUserId": ("assignedUserName", "User")}
TEAMS = ("teamsIds", "teamsNames")
FOLLOWERS = ("isFollowed", "followersIds", "followersNames", "isStarred")
LOADED: dict[str, Any] = {
    "teamsIds": [],
    "teamsNames": {},
    "usersIds": [],
    "usersNames": {},
    "contactsIds": [],
    "contactsNames": {},
    "emailAddressData": [],
    "phoneNumberData": [],
    "isFollowed": False,
    "followersIds": [],
    "followersNames": {},
    "isStarred": False,
    "myReactions": [],
    "isGlobal": False,
    "isPinned": False,
    "teamsColumns": {},
    "portalsIds": [],
    "portalsNames": {},
    "portalRolesIds": [],
    "portalRolesNames": {},
    "accountsIds": [],
    "accountsNames": {},
}
"""Attributes that no record stores here, and what they always are."""

ATTACHMENT = EntityType(
    name="Attachment",
    attributes=(
        *("id", "name", "deleted", "type", "size", "field", "isBeingUploaded", "createdAt", "modifiedAt"),
        *("role", "storage", "storageFilePath", "global", "parentId", "parentType", "parentName"),
        *("relatedId", "relatedType", "relatedName", "sourceId", "createdById", "createdByName"),
    ),
    always=frozenset({"parentName", "relatedName", "createdByName"}),
    defaults={
        "isBeingUploaded": False,
        "role": "Attachment",
        "storage": "EspoUploadDir",
        "storageFilePath": None,
        "global": False,
    },
    required=("name",),
    options={"role": ROLES},
    lengths={"name": 255, "type": 100, "storageFilePath": 260},
    readonly=SYSTEM | {"sourceId", "parentId", "relatedId"},
    fixed=frozenset({"parentType", "relatedType", "isBeingUploaded", "storage"}),
    links={"createdById": ("createdByName", "User")},
    parents=("parent", "related"),
    text=("id", "name"),
    owner=("createdById",),
    linked_lists=False,
)

DOCUMENT = EntityType(
    name="Document",
    attributes=(
        *("id", "name", "deleted", "status", "type", "publishDate", "expirationDate", "description"),
        *("createdAt", "modifiedAt", "fileId", "fileName", "createdById", "createdByName", "modifiedById"),
        *("modifiedByName", "assignedUserId", "assignedUserName", *TEAMS, "folderId", "folderName"),
    ),
    always=frozenset({"fileName", "createdByName", "modifiedByName", "assignedUserName", "folderName", *TEAMS}),
    unlisted=frozenset(TEAMS),
    defaults={"status": "Active"},
    required=("name", "fileId", "publishDate"),
    options={"status": ("Draft", "Active", "Canceled", "Expired")},
    lengths={"name": 255},
    readonly=SYSTEM,
    links={**ASSIGNED, "fileId": ("fileName", "Attachment"), "folderId": ("folderName", "DocumentFolder")},
    fields={"file": "file"},
    accept={"file": OFFICE},
)

NOTE_TARGETS = frozenset({"teamsIds", "teamsNames", "usersIds", "usersNames"})
"""Attributes that a note on a record doesn't have."""

NOTE = EntityType(
    name="Note",
    attributes=(
        *("id", "deleted", "post", "data", "type", "targetType", "number", "isGlobal", "createdByGender"),
        *("isInternal", "isPinned", "reactionCounts", "myReactions", "createdAt", "modifiedAt", "parentId"),
        *("parentType", "parentName", "relatedId", "relatedType", "relatedName", "attachmentsIds"),
        *("attachmentsNames", *TEAMS, "usersIds", "usersNames", "createdById", "createdByName"),
        *("modifiedById", "modifiedByName", "superParentId", "superParentType", "attachmentsTypes"),
    ),
    always=frozenset(
        {
            *("reactionCounts", "myReactions", "parentName", "relatedName", "createdByName", "modifiedByName"),
            *("attachmentsIds", "attachmentsNames", "attachmentsTypes", *NOTE_TARGETS),
        }
    ),
    unlisted=NOTE_TARGETS,
    defaults={"data": {}, "type": "Post", "isInternal": False},
    readonly=SYSTEM | {"data", "isGlobal", "isPinned", "createdByGender", "reactionCounts", "superParentId"},
    links=USERS,
    parents=("parent", "related"),
    fields={"attachments": MULTIPLE},
    text=("post",),
    owner=("createdById",),
    linked_lists=False,
)

ACCOUNT = EntityType(
    name="Account",
    attributes=(
        *("id", "name", "deleted", "website", "type", "industry", "sicCode", "contactIsInactive"),
        *("billingAddressStreet", "billingAddressCity", "billingAddressCountry", "billingAddressPostalCode"),
        *("description", "createdAt", "modifiedAt", "targetListIsOptedOut", "emailAddress", "phoneNumber"),
        *("emailAddressIsOptedOut", "emailAddressIsInvalid", "phoneNumberIsOptedOut", "phoneNumberIsInvalid"),
        *("streamUpdatedAt", "emailAddressData", "phoneNumberData", "campaignId", "campaignName"),
        *("createdById", "createdByName", "modifiedById", "modifiedByName", "assignedUserId"),
        *("assignedUserName", *TEAMS, *FOLLOWERS, "versionNumber"),
    ),
    always=frozenset(
        {
            *("campaignName", "createdByName", "modifiedByName", "assignedUserName", *TEAMS, *FOLLOWERS),
            *("emailAddressData", "phoneNumberData"),
        }
    ),
    unlisted=frozenset({*TEAMS, *FOLLOWERS, "emailAddressData", "phoneNumberData"}),
    defaults={
        "contactIsInactive": False,
        "targetListIsOptedOut": False,
        "emailAddressIsOptedOut": False,
        "emailAddressIsInvalid": False,
        "phoneNumberIsOptedOut": False,
        "phoneNumberIsInvalid": False,
    },
    required=("name",),
    lengths={"name": 249},
    readonly=SYSTEM | {"streamUpdatedAt"},
    links={**ASSIGNED, "campaignId": ("campaignName", "Campaign")},
    stream=True,
    versioned=True,
)

CASE = EntityType(
    name="Case",
    attributes=(
        *("id", "name", "deleted", "number", "status", "priority", "type", "description", "isInternal"),
        *("createdAt", "modifiedAt", "streamUpdatedAt", "accountId", "accountName", "leadId", "leadName"),
        *("contactId", "contactName", "contactsIds", "contactsNames", "inboundEmailId", "inboundEmailName"),
        *("createdById", "createdByName", "modifiedById", "modifiedByName", "assignedUserId"),
        *("assignedUserName", *TEAMS, "attachmentsIds", "attachmentsNames", *FOLLOWERS, "versionNumber"),
        "attachmentsTypes",
    ),
    always=frozenset(
        {
            *("accountName", "leadName", "contactName", "contactsIds", "contactsNames", "inboundEmailName"),
            *("createdByName", "modifiedByName", "assignedUserName", *TEAMS, *FOLLOWERS),
            *("attachmentsIds", "attachmentsNames", "attachmentsTypes"),
        }
    ),
    unlisted=frozenset({*TEAMS, *FOLLOWERS, "contactsIds", "contactsNames"}),
    defaults={"status": "New", "priority": "Normal", "isInternal": False},
    required=("name",),
    options={
        "status": ("New", "Assigned", "Pending", "Closed", "Rejected", "Duplicate"),
        "priority": ("Low", "Normal", "High", "Urgent"),
        "type": ("", "Question", "Incident", "Problem"),
    },
    lengths={"name": 255},
    readonly=SYSTEM | {"streamUpdatedAt", "inboundEmailId"},
    links={
        **ASSIGNED,
        "accountId": ("accountName", "Account"),
        "leadId": ("leadName", "Lead"),
        "contactId": ("contactName", "Contact"),
        "inboundEmailId": ("inboundEmailName", "InboundEmail"),
    },
    fields={"attachments": MULTIPLE},
    stream=True,
    versioned=True,
)

USER = EntityType(
    name="User",
    attributes=(
        *("id", "name", "deleted", "userName", "type", "authMethod", "apiKey", "salutationName", "firstName"),
        *("lastName", "isActive", "title", "emailAddress", "phoneNumber", "avatarColor", "gender"),
        *("createdAt", "modifiedAt", "auth2FA", "lastAccess", "middleName", "emailAddressIsOptedOut"),
        *("emailAddressIsInvalid", "phoneNumberIsOptedOut", "phoneNumberIsInvalid", "emailAddressData"),
        *("phoneNumberData", "defaultTeamId", "defaultTeamName", *TEAMS, "teamsColumns", "rolesIds"),
        *("rolesNames", "portalsIds", "portalsNames", "portalRolesIds", "portalRolesNames", "contactId"),
        *("contactName", "accountsIds", "accountsNames", "avatarId", "avatarName", "createdById"),
        *("createdByName", "dashboardTemplateId", "dashboardTemplateName", "workingTimeCalendarId"),
        *("workingTimeCalendarName", "layoutSetId", "layoutSetName"),
    ),
    unlisted=frozenset({*TEAMS, "teamsColumns", "rolesIds", "rolesNames"}),
    readonly=SYSTEM | {"apiKey", "lastAccess", "type", "authMethod", "userName"},
    links={"createdById": ("createdByName", "User"), "avatarId": ("avatarName", "Attachment")},
    fields={"avatar": "image"},
    owner=("createdById",),
)

TYPES = {each.name: each for each in (ATTACHMENT, DOCUMENT, NOTE, ACCOUNT, CASE, USER)}
"""Entity types that have routes."""

FILE_FIELDS: dict[str, Mapping[str, str]] = {
    **{name: each.fields for name, each in TYPES.items()},
    "Email": {"attachments": MULTIPLE, "body": "wysiwyg"},
    "Settings": {"companyLogo": "image"},
}
"""Fields that an attachment can be meant for, by entity type; those of the wrong type are refused by name."""

OTHER_FIELDS = {"Document": {"name": "varchar", "description": "text"}, "Note": {"post": "text"}}
"""A few fields of other types, for the error that names the type."""


def field_type(entity: str, name: str) -> str | None:
    """Give the type of a field, or None where the entity type has no such field."""
    found = FILE_FIELDS.get(entity, {}).get(name)
    return found or OTHER_FIELDS.get(entity, {}).get(name)
