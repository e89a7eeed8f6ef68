"""The life of alarms: states, what hides them, silence and outages."""
