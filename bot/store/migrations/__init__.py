"""Alembic's scripts, run by bot.store.migrate.

To add one, change bot/store/schema.py, then call `alembic.command.revision(migration_config(), "what changes")` and
fill in the file that appears in versions/. A test compares the result with the schema.
"""
