"""L1 to L3 of storage/claims.py, V1 to V4 of storage/models_admitted.py, tokens that are changed and taken away."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devices.models import BUILT_IN
from devices.sites import decode_change, registry_faults, token_sha256
from storage import claims, models_admitted
from storage.claims import Claim, ClaimRefused, ClaimState, Offer, Use
from storage.database import Connection, connect
from storage.models_admitted import ModelRefused, ModelState
from storage.registry import Imported, apply_rows, import_registry
from storage.registry_rows import DeviceGiven, Fate, Given, Leaves, TokenGiven
from storage.registry_source import parse_source
from storage.registry_whole import whole_registry
from tests.storage.test_registry import MODELS
from tests.storage.writing import one

NOW = 1_780_000_000_000_000
DAY = 86_400_000_000
FILE = b"""kind,key,party,enterprise,name
enterprise,gas,gas_company,,Gas
enterprise,other,gas_company,,Other gas
enterprise,fix,installer,,Fixers
site,home-1,,gas,Lane 5
site,home-2,,gas,Lane 6
site,home-3,,other,Lane 7
"""
DETECTOR = "sim_detector_home"


@pytest.fixture
async def town(plain_url: str) -> AsyncIterator[Connection]:
    connection = await connect(plain_url, name="test")
    done = await import_registry(
        connection, parse_source(FILE), MODELS, dry_run=False, random_bytes=random.Random(1).randbytes
    )
    assert done.applied, done
    yield connection
    await connection.close()


async def apply(town: Connection, *rows: Given, now_us: int = NOW) -> Imported:
    return await apply_rows(town, rows, by="person/p1", now_us=now_us, random_bytes=random.Random(2).randbytes)


async def offered(town: Connection, serial: str = "D1", seed: int = 3) -> tuple[Claim, str]:
    offer = Offer("davysim", serial, DETECTOR, NOW + 30 * DAY, "")
    return await claims.offer(
        town,
        offer,
        id_=f"c-{serial}-{seed}",
        by="key/v",
        now_us=NOW,
        random_bytes=random.Random(f"{seed}{serial}").randbytes,
    )


async def used(town: Connection, code: str, site: str, by: str = "key/fix", now_us: int = NOW) -> claims.Used:
    return await claims.use(town, Use(code, site, by, "fix"), now_us=now_us, random_bytes=random.Random(4).randbytes)


async def approved(town: Connection, id_: str) -> tuple[Claim, Imported]:
    return await claims.approve(town, id_, by="person/p1", now_us=NOW, random_bytes=random.Random(5).randbytes)


async def said(town: Connection, tenant: str) -> list[tuple[str, dict[str, object]]]:
    rows = await (
        await town.execute("SELECT kind, body FROM audit_entry WHERE tenant = %s ORDER BY n", (tenant,))
    ).fetchall()
    return [(kind, json.loads(body)) for kind, body in rows]


async def test_a_claim_is_approved_and_the_device_stands_registered_with_its_token(town: Connection) -> None:
    claim, code = await offered(town)
    assert len(code) == 19
    assert await one(town, "SELECT code_sha256 FROM claim") == claims.code_sha256(code)
    waiting = await used(town, code.lower().replace("-", " "), "home-1")
    assert waiting.claim is not None
    assert (waiting.claim.state, waiting.claim.enterprise, waiting.done) == (ClaimState.CLAIMED, "gas", None)
    assert (await whole_registry(town)).devices == ()
    done, imported = await approved(town, claim.id)
    assert done.state is ClaimState.APPROVED
    registry = await whole_registry(town)
    ((identity, token),) = imported.tokens
    assert [(device.identity, device.site) for device in registry.devices] == [(identity, "home-1")]
    assert registry.credentials[0].token_sha256 == token_sha256(token)
    assert registry_faults(registry) == []
    assert await one(town, "SELECT installer FROM device") == "fix"
    assert [kind for kind, _ in await said(town, "gas")][-3:] == ["claim_used", "registry", "claim_approved"]


async def test_a_code_that_is_shown_from_two_places_is_refused_the_second_time_and_both_are_recorded(
    town: Connection,
) -> None:
    claim, code = await offered(town)
    assert not (await used(town, code, "home-1")).refused
    again = await used(town, code, "home-1")
    assert again.claim is not None
    other_place = await used(town, code, "home-3", by="key/thief")
    assert "used already" in other_place.refused
    other_one = await used(town, code, "home-1", by="key/thief")
    assert "used already" in other_one.refused
    rows = await (await town.execute("SELECT by, site, refused <> '' FROM claim_use ORDER BY at, refused")).fetchall()
    assert sorted(rows) == [
        ("key/fix", "home-1", False),
        ("key/thief", "home-1", True),
        ("key/thief", "home-3", True),
    ]
    assert [kind for kind, _ in await said(town, "other")] == ["registry", "claim_refused"]
    assert (await approved(town, claim.id))[0].site == "home-1"


async def test_a_code_ends_and_one_that_was_offered_anew_too(town: Connection) -> None:
    _, first = await offered(town)
    _, second = await offered(town, seed=9)
    assert "used already" in (await used(town, first, "home-1")).refused
    assert "expired" in (await used(town, second, "home-1", now_us=NOW + 31 * DAY)).refused
    assert "not good" in (await used(town, "ABCD-EFGH-IJKL-MNOP", "home-1")).refused
    assert "no such site" in (await used(town, second, "nowhere")).refused


async def test_where_policy_says_so_nobody_has_to_approve(town: Connection) -> None:
    await claims.set_policy(town, "gas", approval=False, by="person/p1", now_us=NOW)
    _, code = await offered(town)
    at_once = await used(town, code, "home-2")
    assert at_once.claim is not None
    assert (at_once.claim.state, at_once.done is not None) == (ClaimState.APPROVED, True)
    _, code = await offered(town, "D2")
    elsewhere = await used(town, code, "home-3")
    assert elsewhere.claim is not None
    assert elsewhere.claim.state is ClaimState.CLAIMED


async def test_a_device_that_stands_somewhere_is_not_offered_and_not_approved_twice(town: Connection) -> None:
    claim, code = await offered(town)
    await used(town, code, "home-1")
    await apply(town, DeviceGiven("davysim", "D2", DETECTOR, "home-2"))
    with pytest.raises(ClaimRefused, match="registered already"):
        await offered(town, "D2")
    with pytest.raises(ClaimRefused, match="waits for a decision"):
        await offered(town, seed=8)
    await approved(town, claim.id)
    with pytest.raises(ClaimRefused, match="is approved"):
        await approved(town, claim.id)


async def test_a_refused_claim_frees_the_device_for_a_new_label(town: Connection) -> None:
    claim, code = await offered(town)
    await used(town, code, "home-1")
    refused = await claims.refuse(town, claim.id, by="person/p1", now_us=NOW, reason="wrong house")
    assert (refused.state, refused.reason) == (ClaimState.REFUSED, "wrong house")
    _, code = await offered(town, seed=8)
    assert (await used(town, code, "home-2")).claim is not None


async def test_a_token_is_changed_with_time_for_the_device_to_follow_or_at_once(town: Connection) -> None:
    first = await apply(town, DeviceGiven("davysim", "D1", DETECTOR, "home-1"), TokenGiven("davysim/D1"))
    later = NOW + DAY
    second = await apply(town, TokenGiven("davysim/D1", replace=True, former_until_us=later))
    (credential,) = (await whole_registry(town)).credentials
    assert (credential.former_sha256, credential.former_until_us) == (token_sha256(first.tokens[0][1]), later)
    assert credential.token_sha256 == token_sha256(second.tokens[0][1])
    await apply(town, TokenGiven("davysim/D1", "1" * 64))
    (credential,) = (await whole_registry(town)).credentials
    assert (credential.token_sha256, credential.former_sha256, credential.former_until_us) == ("1" * 64, "", 0)
    gone = await apply(town, Leaves("token", "davysim/D1"))
    assert [fate.fate for fate in gone.fates] == [Fate.REMOVED]
    body = bytes(await one(town, "SELECT body FROM registry_outbox ORDER BY number DESC LIMIT 1"))
    assert decode_change(body).gone.credentials == ("davysim/D1",)


async def test_every_change_stands_in_the_record_of_its_party_and_in_the_past(town: Connection) -> None:
    await apply(town, DeviceGiven("davysim", "D1", DETECTOR, "home-1"))
    await apply(town, DeviceGiven("davysim", "D1", DETECTOR, "home-3"), now_us=NOW + 5)
    of_gas, of_other = await said(town, "gas"), await said(town, "other")
    assert of_gas[-1] == of_other[-1]
    assert of_gas[-1][1]["named"] == [
        {"kind": "device", "key": "davysim/D1", "fate": "changed", "reason": "site: 'home-1' -> 'home-3'"}
    ]
    assert await one(town, "SELECT site || ' ' || superseded_by FROM device_past") == "home-1 person/p1"


TOML = (BUILT_IN / f"{DETECTOR}.toml").read_text("utf-8")


async def handed(town: Connection, toml: str = TOML, vendor: str = "davysim") -> models_admitted.ModelVersion:
    return await models_admitted.hand_in(town, "mine", toml, vendor=vendor, by="key/v", now_us=NOW)


async def gone_on(town: Connection, version: int, *states: ModelState, reason: str = "") -> None:
    for state in states:
        await models_admitted.go_on(town, "mine", version, state, by="administrator", now_us=NOW, reason=reason)


async def test_a_model_is_handed_in_tried_and_admitted_and_then_devices_may_have_it(town: Connection) -> None:
    assert (await handed(town)).state is ModelState.DRAFT
    assert (await handed(town)).version == 1
    device = DeviceGiven("davysim", "D1", "mine", "home-1")
    assert "not in the catalogue" in (await apply(town, device)).fates[0].reason
    with pytest.raises(ModelRefused, match="is draft and can become tried, withdrawn"):
        await gone_on(town, 1, ModelState.ADMITTED)
    await gone_on(town, 1, ModelState.TRIED, ModelState.ADMITTED)
    body = bytes(await one(town, "SELECT body FROM registry_outbox ORDER BY number DESC LIMIT 1"))
    assert [model.key for model in decode_change(body).put.models] == ["mine"]
    assert (await apply(town, device)).applied
    # An import brings Davy's own models, and leaves this one as it is.
    again = await import_registry(town, parse_source(FILE), MODELS, dry_run=False, random_bytes=bytes)
    assert {fate.fate for fate in again.fates} == {Fate.UNCHANGED}


async def test_a_model_that_was_withdrawn_stays_with_its_devices_and_takes_no_new_ones(town: Connection) -> None:
    await handed(town)
    await gone_on(town, 1, ModelState.TRIED, ModelState.ADMITTED)
    assert (await apply(town, DeviceGiven("davysim", "D1", "mine", "home-1"))).applied
    with pytest.raises(ModelRefused, match="for a reason"):
        await gone_on(town, 1, ModelState.WITHDRAWN)
    await gone_on(town, 1, ModelState.WITHDRAWN, reason="false alarms")
    assert "was withdrawn" in (await apply(town, DeviceGiven("davysim", "D2", "mine", "home-1"))).fates[0].reason
    assert (await apply(town, DeviceGiven("davysim", "D1", "mine", "home-2"))).applied
    again = await import_registry(town, parse_source(FILE), MODELS, dry_run=False, random_bytes=bytes)
    assert again.applied


async def test_a_new_version_takes_the_place_of_the_one_before(town: Connection) -> None:
    await handed(town)
    await gone_on(town, 1, ModelState.TRIED, ModelState.ADMITTED)
    newer = TOML.replace("report_interval_s = ", "report_interval_s = 1", 1)
    assert (await handed(town, newer)).version == 2
    await gone_on(town, 2, ModelState.TRIED, ModelState.ADMITTED)
    found = await models_admitted.versions(town, limit=9)
    assert [(one_.version, one_.state) for one_ in found] == [(1, ModelState.WITHDRAWN), (2, ModelState.ADMITTED)]


async def test_a_model_that_is_wrong_or_anothers_is_refused_with_place_and_reason(town: Connection) -> None:
    for toml, vendor, reason in (
        ("not toml", "davysim", "mine: "),
        (TOML.replace("report_interval_s", "report_s"), "davysim", "mine: "),
        (TOML, "acme", "'davysim' is not yours"),
        (TOML + "# \x00", "davysim", "NUL"),
        ("x = " + "[" * 50_000, "davysim", "mine: "),
        ("#" * 300_000, "davysim", "at most 200,000"),
    ):
        with pytest.raises(ModelRefused, match=reason):
            await handed(town, toml, vendor)
    with pytest.raises(ModelRefused, match="that nobody handed in"):
        await models_admitted.hand_in(town, DETECTOR, TOML, vendor="davysim", by="key/v", now_us=NOW)


def test_a_code_is_the_same_however_it_is_typed() -> None:
    code = claims.spoken(random.Random(7).randbytes(10))
    assert claims.code_sha256(code) == claims.code_sha256(f" {code.lower().replace('-', '')} ")
    assert Path(BUILT_IN).is_dir()
