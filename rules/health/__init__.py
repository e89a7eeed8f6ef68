"""How well the alarm system serves its desks."""
