"""Alarms that belong together, and what people say and do about them."""
