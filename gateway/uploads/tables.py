"""The tables of the journal as queries see them; ``migrations`` makes them, and a test compares both."""

from datetime import UTC, datetime

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, Enum, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

from gateway.uploads.tickets import OnConflict, TicketState, UploadMethod


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time on both databases; SQLite has no zones, so there it is UTC by agreement."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without zone, which would be somebody's local one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the journal wants times with a zone")
        return value.astimezone(UTC).replace(tzinfo=None if dialect.name == "sqlite" else UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _choice(cls: type[TicketState] | type[UploadMethod] | type[OnConflict]) -> Enum:
    """Store the value of a member as text, without a type or a constraint in the database."""
    return Enum(
        cls, native_enum=False, create_constraint=False, values_callable=lambda it: [each.value for each in it]
    )


metadata = MetaData()

tickets = Table(
    "tickets",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("options", JSON, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sha256", Text),
    Column("method", _choice(UploadMethod), nullable=False),
    Column("object_key", Text, nullable=False, unique=True),
    Column("multipart_id", Text),
    Column("on_conflict", _choice(OnConflict), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("state", _choice(TicketState), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", UtcTime),
    Column("sending_since", UtcTime),
    Column("bytes_carried", BigInteger, nullable=False),
    Column("etag", Text),
    Column("verified_size", BigInteger),
    Column("verified_sha256", Text),
    Column("notes", JSON, nullable=False),
    Column("result", Text),
    Column("error_code", Text),
    Column("error_message", Text),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("principal", Text, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", JSON(none_as_null=True)),
    Column("fence", BigInteger, nullable=False),
    Column("lease_until", UtcTime, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", UtcTime, nullable=False),
)
