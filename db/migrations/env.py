"""Alembic's entry. One chain for SQLite and PostgreSQL; the connection is handed in by db.migrations.runner."""

from alembic import context

from db.models.registry import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
