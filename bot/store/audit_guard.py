"""What makes the database itself refuse changes of the audit, whoever tries. Executed by the migration."""

from collections.abc import Mapping, Sequence
from typing import Final

REFUSAL: Final = "the audit is append-only"

# Name of SQLAlchemy's dialect → statements.
GUARDS: Final[Mapping[str, Sequence[str]]] = {
    "sqlite": [
        f"CREATE TRIGGER audit_never_{change.lower()}d BEFORE {change} ON audit "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        for change in ("UPDATE", "DELETE")
    ]
    # INSERT OR REPLACE would remove the old row without a DELETE.
    + [
        f"CREATE TRIGGER audit_never_replaced BEFORE INSERT ON audit WHEN NEW.id IN (SELECT id FROM audit) "  # noqa: S608
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$",
        "CREATE TRIGGER audit_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
    ],
}
