"""Requests that go out to addresses which others have given us: nowhere but to the public internet."""
