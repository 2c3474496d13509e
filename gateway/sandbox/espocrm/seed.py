"""The demo's EspoCRM: the same users, accounts, cases, notes, documents and 159 attachments at each start."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.sandbox.espocrm import catalogue
from gateway.sandbox.espocrm.entities import TYPES
from gateway.sandbox.espocrm.records import new, remove
from gateway.sandbox.espocrm.samples import Sample, media_of
from gateway.sandbox.espocrm.state import ALL, READ, Login, Record, Role, State, now

ADMIN = "admin"
ADMIN_PASSWORD = "sesame-of-the-admin"
API_KEY = "espo-demo-key-of-the-gateway-00001"
HMAC_KEY = "espo-demo-key-that-signs-0000000002"
HMAC_SECRET = "espo-demo-secret-0000000000000002"
READONLY_KEY = "espo-demo-key-for-reading-000000003"
NO_ROLE_KEY = "espo-demo-key-without-role-00000004"

START = datetime(2025, 9, 1, 7, 30, tzinfo=UTC)
STEP = timedelta(hours=5, minutes=17)
"""Time between two records of the demo."""

SCOPES = ("Account", "Case", "Document", "Email")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, time: datetime = START) -> None:
        self.time = time

    def __call__(self) -> datetime:
        """Give the time at which it stands."""
        return self.time

    def move(self) -> None:
        """Go on to the next record's time."""
        self.time += STEP


def empty(clock: Callable[[], datetime] = now) -> State:
    """Give an EspoCRM that has users and nothing else; ids and times of the users are always the same."""
    state = State(clock=Clock())
    full = Role(state.new_id(), "Accès complet", dict.fromkeys(SCOPES, ALL))
    readonly = Role(state.new_id(), "Lecture seule", dict.fromkeys(SCOPES, READ))
    admin = Login(state.new_id(), ADMIN, password=ADMIN_PASSWORD, admin=True)
    state.logins += [
        admin,
        Login(state.new_id(), "gateway", full, key=API_KEY),
        Login(state.new_id(), "signature", full, key=HMAC_KEY, secret=HMAC_SECRET),
        Login(state.new_id(), "lecture", readonly, key=READONLY_KEY),
        Login(state.new_id(), "sans-role", key=NO_ROLE_KEY),
    ]
    for login in state.logins:
        _add_user(state, login, admin.user_id)
    state.clock = clock
    return state


def seeded(clock: Callable[[], datetime] = now) -> State:
    """Give the demo's EspoCRM."""
    state = empty()
    moving = Clock()
    state.clock = moving
    accounts = [_add_account(state, moving, number) for number in range(len(catalogue.ACCOUNTS))]
    cases = [
        _add_case(state, moving, number, accounts[number % len(accounts)])
        for number in range(len(catalogue.CASES))
    ]
    for number in range(20):
        parent = accounts[number // 2 % len(accounts)] if number % 2 else cases[number]
        _add_note(state, moving, number, parent)
    for number in range(len(catalogue.DOCUMENTS)):
        _add_document(state, moving, number)
    _add_deleted(state, moving)
    state.clock = clock
    return state


def owner(state: State) -> str:
    """Give the id of the user who made the demo's records: the one with the API key."""
    return next(login.user_id for login in state.logins if login.key == API_KEY)


def _add_user(state: State, login: Login, creator: str) -> None:
    stamp = state.stamp()
    role = login.role
    values = {
        "id": login.user_id,
        "name": login.name,
        "deleted": False,
        "userName": login.name,
        "type": "admin" if login.admin else "api",
        "authMethod": ("Hmac" if login.secret else "ApiKey") if login.key else None,
        "apiKey": login.key,
        "lastName": login.name,
        "isActive": True,
        "rolesIds": [role.id] if role else [],
        "rolesNames": {role.id: role.name} if role else {},
        "createdAt": stamp,
        "modifiedAt": stamp,
        "createdById": creator,
    }
    state.add(Record("User", values))


def _add(state: State, clock: Clock, kind: str, values: Mapping[str, Any]) -> Record:
    """Keep a record of the demo, a step later than the one before."""
    clock.move()
    return state.add(new(state, owner(state), kind, {**TYPES[kind].defaults, **values}))


def _add_account(state: State, clock: Clock, number: int) -> Record:
    name, code, town, branch = catalogue.ACCOUNTS[number]
    values = {
        "name": name,
        "type": "Customer",
        "industry": branch,
        "billingAddressStreet": f"{7 * number + 3}, rue des Écoles",
        "billingAddressCity": town,
        "billingAddressCountry": "France",
        "billingAddressPostalCode": code,
        "phoneNumber": f"+33 1 99 00 {number + 10} 28",
    }
    return _add(state, clock, "Account", values)


def _add_case(state: State, clock: Clock, number: int, account: Record) -> Record:
    subject, priority, kind = catalogue.CASES[number]
    values = {"name": subject, "priority": priority, "type": kind, "accountId": account.id}
    case = _add(
        state, clock, "Case", {**values, "status": ("New", "Assigned", "Pending", "Closed")[number % 4]}
    )
    for place in range(4):
        _add_file(state, clock, number * 4 + place, {"parentType": "Case", "parentId": case.id})
    return case


def _add_note(state: State, clock: Clock, number: int, parent: Record) -> None:
    post = catalogue.NOTES[number % len(catalogue.NOTES)]
    note = _add(state, clock, "Note", {"post": post, "parentType": parent.type, "parentId": parent.id})
    for place in range(2 + number % 3):
        _add_file(state, clock, 100 + number * 5 + place, {"parentType": "Note", "parentId": note.id})


def _add_document(state: State, clock: Clock, number: int) -> None:
    name = catalogue.DOCUMENTS[number]
    file = _add_attachment(state, clock, name, 20_480 + number * 7_919 % 90 * 20_011, {"field": "file"})
    published = (START + timedelta(days=number)).date().isoformat()
    values = {"name": name.rpartition(".")[0], "publishDate": published, "fileId": file.id}
    document = _add(state, clock, "Document", values)
    file.values.update(relatedType="Document", relatedId=document.id)


def _add_file(state: State, clock: Clock, number: int, parent: Mapping[str, Any]) -> Record:
    pattern = catalogue.FILES[number % len(catalogue.FILES)]
    name = pattern.format(number=f"2025-{number + 101:04d}", week=number % 28 + 2)
    size = 4_096 + number * 104_729 % 400_000
    return _add_attachment(state, clock, name, size, {**parent, "field": "attachments"})


def _add_attachment(state: State, clock: Clock, name: str, size: int, place: Mapping[str, Any]) -> Record:
    record = _add(state, clock, "Attachment", {"name": name, "type": media_of(name), "size": size, **place})
    state.files[record.id] = Sample(name, size)
    return record


def _add_deleted(state: State, clock: Clock) -> None:
    """Leave one deleted attachment, which only an admin still sees."""
    remove(state, _add_attachment(state, clock, "Brouillon abandonné.txt", 5_000, {"field": "attachments"}))
