"""Every operation of the API, by tag. Written by api/client/source.py."""
