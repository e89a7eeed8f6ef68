"""Settings, wiring, supervision, command line: the only place that knows everyone."""
