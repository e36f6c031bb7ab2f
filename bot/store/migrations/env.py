"""Alembic executes this file for every command; nothing imports it. bot.store.migrate passes the connection in.

The caller's transaction stays open around all migrations, so they apply together or not at all.
"""

from alembic import context

from bot.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite alters a table by copying it.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
