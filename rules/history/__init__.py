"""The engine on stored readings: tried on them, and explained by them."""
