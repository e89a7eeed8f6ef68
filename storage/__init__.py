"""PostgreSQL and TimescaleDB: every line of SQL for them lives here."""
