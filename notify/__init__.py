"""Telling people. Not built yet; its floor is kept so that imports stay honest."""
