"""What Alembic runs: all steps within the one transaction that the caller has begun and will end."""

from alembic import context

# SQLite's tables change within transactions as any others do; Alembic believes otherwise, as Python's driver once did
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True, render_as_batch=True)
context.run_migrations()
