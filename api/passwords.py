"""Passwords: argon2id, in threads of their own and few of them.

P1  Checking one takes 64 MiB and some 100 ms on purpose. It never runs on the loop that a CLOSE waits for, and at most
    `MOST_AT_ONCE` run and `MOST_WAITING` wait: above it the sign-in hears 429, and everything else goes on.
P2  Whoever there is no account of is checked against a hash of nobody's, so that the time says nothing.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from api.problems import TOO_MANY, Problem

#: Memory is MOST_AT_ONCE * 64 MiB (RFC 9106, section 4, second recommended option). Source: product choice.
MOST_AT_ONCE, MOST_WAITING = 2, 32


class Passwords:
    """`close` when it is not needed any more."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, "passwords")
        self._under_way = 0
        self._nobodys = ""

    async def hashed(self, password: str) -> str:
        """As it is kept. Raises Problem (429) where too many wait."""
        with self._place():
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._hasher.hash, password)

    async def right(self, kept: str, password: str) -> bool:
        """Whether `kept` is of this password; `kept` empty: it never is, and takes as long (P2). Raises Problem."""
        with self._place():
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._right, kept, password)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _right(self, kept: str, password: str) -> bool:
        if not kept and not self._nobodys:
            self._nobodys = self._hasher.hash("nobody's")
        try:
            return self._hasher.verify(kept or self._nobodys, password) and bool(kept)
        except (VerificationError, InvalidHashError):
            return False

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self._under_way >= MOST_AT_ONCE + MOST_WAITING:
            raise Problem(TOO_MANY, "Too many people are signing in at this moment", retry_after_s=2)
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
