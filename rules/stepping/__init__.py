"""One step of the engine, and the state it advances."""
