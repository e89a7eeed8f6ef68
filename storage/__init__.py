"""PostgreSQL and TimescaleDB: all SQL lives here. The follower writes; one module of queries per subject reads."""
