"""Cause and effect: valves, fans, permits, budgets, and rules that are tried."""
