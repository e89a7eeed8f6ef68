"""Links: they bring readings in and carry commands out."""
