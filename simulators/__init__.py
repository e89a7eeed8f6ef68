"""The outside world: homes that leak, valves that stick. Knows devices/ and nothing else of ours."""
