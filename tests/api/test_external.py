"""An external provider's tokens: what proves who somebody is, and everything that does not."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from access.principals import Membership
from access.roles import Role
from access.secrets import new_id
from api.external import Elsewhere, External, NotGenuine, Provider, ProviderAway
from storage import account_changes as changes
from storage.account_changes import By
from storage.accounts import NewAccount
from storage.database import connect
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.issuer import Issuer, issuing
from tests.api.parties import write_register
from tests.api.stand import serving

NOW_S = 1_790_000_000
NOW_US = NOW_S * 1_000_000


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


@pytest.fixture
def external(issuer: Issuer) -> External:
    return External(Provider(issuer.url, "davy", "davy-api"))


async def test_an_id_token_for_a_nonce_of_ours_proves_who_it_is_once(issuer: Issuer, external: External) -> None:
    nonce = external.challenge()
    token = issuer.token(NOW_S, nonce=nonce)
    assert await external.id_token(token, nonce, NOW_US) == Elsewhere(issuer.url, "u1")
    with pytest.raises(NotGenuine, match="nonce"):
        await external.id_token(token, nonce, NOW_US)


@pytest.mark.parametrize(("kid", "algorithm"), [("k1", "RS256"), ("ps", "PS256"), ("k2", "ES256")])
async def test_the_usual_algorithms_are_taken(issuer: Issuer, external: External, kid: str, algorithm: str) -> None:
    token = issuer.token(NOW_S, aud="davy-api", kid=kid, algorithm=algorithm)
    assert (await external.access_token(token, NOW_US)).subject == "u1"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "http://127.0.0.1:1"},
        {"aud": "another"},
        {"aud": "davy"},  # an ID token's audience
        {"aud": None},
        {"exp": NOW_S - 61},
        {"exp": None},
        {"exp": "never"},
        {"iat": NOW_S + 3600},
        {"iat": None},
        {"nbf": NOW_S + 3600},
        {"sub": None},
        {"nonce": "an ID token"},
    ],
    ids=str,
)
async def test_a_token_that_says_something_else_proves_nothing(
    issuer: Issuer, external: External, claims: dict[str, Any]
) -> None:
    token = issuer.token(NOW_S, **({"aud": "davy-api"} | claims))
    with pytest.raises(NotGenuine):
        await external.access_token(token, NOW_US)


async def test_a_token_that_somebody_else_signed_proves_nothing(issuer: Issuer, external: External) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    public = (
        issuer.keys["k1"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    body = {"iss": issuer.url, "sub": "u1", "aud": "davy-api", "iat": NOW_S, "exp": NOW_S + 300}
    good = issuer.token(NOW_S, aud="davy-api")
    forged = [
        issuer.token(NOW_S, aud="davy-api", key=stranger),
        jwt.encode(body, None, algorithm="none", headers={"kid": "k1"}),
        jwt.encode(body, "a" * 40, algorithm="HS256", headers={"kid": "k1"}),
        _by_the_public_key(body, public),
        good[:-4] + "AAAA",
        good + "x" * 10_000,
        "no.token.atall",
        "..",
    ]
    for token in forged:
        with pytest.raises(NotGenuine):
            await external.access_token(token, NOW_US)


def _by_the_public_key(body: dict[str, Any], public: bytes) -> str:
    """The public key as an HMAC secret, which PyJWT itself refuses to sign with."""
    import base64
    import hashlib
    import hmac
    import json

    def part(what: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(what).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "kid": "k1"}) + b"." + part(body)
    return (signed + b"." + base64.urlsafe_b64encode(hmac.digest(public, signed, hashlib.sha256)).rstrip(b"=")).decode()


async def test_a_nonce_of_somebody_else_and_another_clients_token_sign_nobody_in(
    issuer: Issuer, external: External
) -> None:
    for claims in ({"nonce": "theirs"}, {}, {"aud": ["davy", "other"], "azp": "other"}):
        nonce = external.challenge()
        said: dict[str, Any] = {"nonce": nonce} | claims if "azp" in claims else claims
        with pytest.raises(NotGenuine):
            await external.id_token(issuer.token(NOW_S, **said), nonce, NOW_US)


async def test_a_new_key_is_found_and_unknown_ones_do_not_make_us_ask_again_and_again(
    issuer: Issuer, external: External, monkeypatch: pytest.MonkeyPatch
) -> None:
    await external.access_token(issuer.token(NOW_S, aud="davy-api"), NOW_US)
    for _ in range(20):
        with pytest.raises(NotGenuine, match="no key"):
            await external.access_token(issuer.token(NOW_S, aud="davy-api", kid="k9", key=issuer.keys["k1"]), NOW_US)
    assert issuer.asked == 1
    issuer.add_key("k3")
    monkeypatch.setattr("api.external.ASK_EVERY_S", 0.0)
    await external.access_token(issuer.token(NOW_S, aud="davy-api", kid="k3"), NOW_US)
    assert issuer.asked == 2


async def test_a_provider_that_is_away_is_said_to_be_and_its_known_keys_go_on(issuer: Issuer) -> None:
    nowhere = External(Provider("http://127.0.0.1:1", "davy", "davy-api"))
    with pytest.raises(ProviderAway):
        await nowhere.access_token(issuer.token(NOW_S, aud="davy-api"), NOW_US)


async def test_a_person_signs_in_by_the_provider_and_asks_with_its_access_token(
    issuer: Issuer, engine: DoorDouble, database_url: str, tmp_path: Path
) -> None:
    connection = await connect(database_url, name="test")
    await write_register(connection)
    member = (Membership(Role.OPERATOR, "gas-a"),)
    new = NewAccount(new_id(), "wang.li", member, issuer=issuer.url, subject="u1")
    assert await changes.create(connection, new, By("test", time.time_ns() // 1_000)) is None
    await connection.close()
    provider = Provider(issuer.url, "davy", "davy-api")
    config = replace(config_of(engine.path, database_url), access_file=tmp_path / "access", provider=provider)
    now_s = time.time_ns() // 10**9
    async with serving(config) as stand:
        challenge = (await stand.bare.post("/v1/session/provider/challenge")).json()
        assert challenge["issuer"] == issuer.url
        body = {"id_token": issuer.token(now_s, nonce=challenge["nonce"]), "nonce": challenge["nonce"]}
        begun = await stand.bare.post("/v1/session/provider", json=body)
        assert begun.status_code == 201, begun.text
        me = await stand.bare.get("/v1/me", headers={"Authorization": f"Bearer {begun.json()['token']}"})
        assert me.json()["account"] == new.account
        by_token = {"Authorization": f"Bearer {issuer.token(now_s, aud='davy-api')}"}
        assert (await stand.bare.get("/v1/me", headers=by_token)).json()["account"] == new.account
        stranger = {"Authorization": f"Bearer {issuer.token(now_s, aud='davy-api', sub='u2')}"}
        assert (await stand.bare.get("/v1/me", headers=stranger)).status_code == 401
        again = await stand.bare.post("/v1/session/provider", json=body)
        assert again.status_code == 401
