"""`davy account` and `davy key`, as somebody at the machine runs them."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from access.secrets import Secret, kind_of
from devices.sites import token_sha256
from storage.migrate import migrate
from tests.postgres import embedded_bin, running


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("plain", embedded_bin()) as server:
        found = server.database()
        asyncio.run(migrate(found))
        with psycopg.connect(found, autocommit=True) as connection:
            connection.execute("INSERT INTO enterprise (key, kind) VALUES ('gas-a', 'gas_company')")
        parts = psycopg.conninfo.conninfo_to_dict(found)
        yield f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"


def davy(url: str, data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DAVY_")}
    environment |= {"DAVY_CONFIG": "", "DAVY_DATA": str(data), "DAVY_DATABASE_URL": url}
    return subprocess.run(
        [sys.executable, "-m", "davy", *arguments], env=environment, capture_output=True, text=True, check=False
    )


def _row(url: str, query: str) -> tuple[object, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return tuple(row)


def test_an_account_is_made_listed_disabled_and_reset(url: str, tmp_path: Path) -> None:
    made = davy(url, tmp_path, "account", "create", "wang.li", "--role", "operator", "--enterprise", "gas-a")
    assert made.returncode == 0, made.stderr
    assert kind_of(made.stdout.strip()) is Secret.PASSWORD_LINK
    assert _row(url, "SELECT secret_sha256 FROM password_link") == (token_sha256(made.stdout.strip()),)
    assert davy(url, tmp_path, "account", "disable", "wang.li").returncode == 0
    (listed,) = json.loads(davy(url, tmp_path, "account", "list", "--json").stdout)
    assert (listed["login"], listed["state"], listed["roles"]) == ("wang.li", "disabled", "operator@gas-a")
    again = davy(url, tmp_path, "account", "reset", "wang.li")
    assert kind_of(again.stdout.strip()) is Secret.PASSWORD_LINK
    kinds = "SELECT array_agg(kind ORDER BY n) FROM audit_entry WHERE tenant = 'gas-a' AND kind <> 'key_created'"
    assert _row(url, kinds) == (["account_created", "account_disabled", "password_reset"],)


def test_what_makes_no_sense_is_refused_with_a_reason(url: str, tmp_path: Path) -> None:
    for arguments, reason in (
        (("account", "create", "x.y", "--role", "operator", "--enterprise", "nobody"), "not registered"),
        (("account", "create", "x.y", "--role", "vendor", "--enterprise", "gas-a"), "is a gas_company"),
        (("account", "create", "x@y", "--role", "operator", "--enterprise", "gas-a"), "is no login"),
        (("account", "create", "x.y", "--role", "king"), "is no role"),
        (("account", "disable", "nobody"), "there is no account"),
        (("key", "create", "k", "--scope", "fly", "--role", "operator", "--enterprise", "gas-a"), "may not do this"),
        (("key", "revoke", "0" * 12), "there is no key"),
    ):
        done = davy(url, tmp_path, *arguments)
        assert done.returncode == 2, done.stderr
        assert reason in done.stderr


def test_a_key_is_made_listed_and_revoked(url: str, tmp_path: Path) -> None:
    asked = ("key", "create", "our screen", "--scope", "read_alarms", "--role", "operator", "--enterprise", "gas-a")
    secret = davy(url, tmp_path, *asked).stdout.strip()
    assert kind_of(secret) is Secret.KEY
    key = secret.removeprefix("dvk_")[:12]
    (listed,) = json.loads(davy(url, tmp_path, "key", "list", "--json").stdout)
    assert (listed["key"], listed["of"], listed["revoked"]) == (key, "operator@gas-a", "")
    assert davy(url, tmp_path, "key", "revoke", key).returncode == 0
    assert _row(url, "SELECT revoked IS NOT NULL FROM api_key") == (True,)
