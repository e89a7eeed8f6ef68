"""Webhooks as their receivers look after them. (That they arrive: tests/notify.)"""

import json
from typing import Any

import pytest

from storage import webhooks as stored
from storage.change_feed import ends
from storage.database import connect
from storage.tenant_keys import keyring, webhook_place
from tests.api.lending import NOW_US, Town, town

__all__ = ["town"]

URL = "https://hooks.example.com/davy"
PATH = "/v1/enterprises/bureau/webhooks"
WHO = "regulator"


async def _made(town: Town) -> tuple[str, str]:
    """A webhook of the bureau's and its secret."""
    made = await town.ask(WHO, "POST", PATH, {"grant": await town.granted(), "url": URL}, 201)
    return str(made["webhook"]["webhook"]), str(made["secret"])


async def _secrets(town: Town, webhook: str) -> list[str]:
    """As they are sealed now, opened."""
    connection = await connect(town.url, name="test")
    try:
        known = await stored.webhook(connection, webhook)
        assert known is not None
        master = town.stand.parts.config.master_key
        assert master is not None
        ring = await keyring(connection, master, "bureau")
        place = webhook_place("bureau", webhook)
        return [ring.open(place, one) for one in (known.secret, known.former) if one is not None]
    finally:
        await connection.close()


async def test_its_secret_is_shown_once_and_kept_sealed(town: Town) -> None:
    webhook, secret = await _made(town)
    assert secret.startswith("whsec_")
    assert await _secrets(town, webhook) == [secret]
    listed = await town.ask(WHO, "GET", PATH)
    one = await town.ask(WHO, "GET", f"{PATH}/{webhook}")
    assert listed == {"webhooks": [one]}
    assert secret not in json.dumps(one)
    connection = await connect(town.url, name="test")
    known = await stored.webhook(connection, webhook)
    assert known is not None
    assert known.place == await ends(connection)  # from now on
    await connection.close()


async def test_another_secret_takes_its_place_with_an_overlap_or_at_once(town: Town) -> None:
    webhook, first = await _made(town)
    rotated = await town.ask(WHO, "POST", f"{PATH}/{webhook}/rotate", {"overlap_h": 2})
    assert rotated["webhook"]["former_until"] is not None
    assert await _secrets(town, webhook) == [rotated["secret"], first]
    at_once = await town.ask(WHO, "POST", f"{PATH}/{webhook}/rotate", {"overlap_h": 0})
    assert at_once["webhook"]["former_until"] is None
    assert await _secrets(town, webhook) == [at_once["secret"]]


async def test_it_is_turned_off_and_on_and_removed_and_the_record_says_so(town: Town) -> None:
    webhook, _ = await _made(town)
    off = await town.ask(WHO, "POST", f"{PATH}/{webhook}/off", {"because": "moving"})
    assert (bool(off["off"]), off["off_because"]) == (True, "moving")
    on = await town.ask(WHO, "POST", f"{PATH}/{webhook}/on")
    assert (on["off"], on["off_because"]) == (None, None)
    assert await town.ask(WHO, "DELETE", f"{PATH}/{webhook}", status=204) is None
    await town.ask(WHO, "GET", f"{PATH}/{webhook}", status=404)
    entries = (await town.ask(WHO, "GET", "/v1/enterprises/bureau/audit"))["entries"]
    assert [one["kind"] for one in entries if one["kind"].startswith("webhook")] == [
        "webhook_made", "webhook_turned_off", "webhook_turned_on", "webhook_removed",
    ]  # fmt: skip


async def test_what_was_sent_is_looked_at_and_asked_for_again(town: Town) -> None:
    webhook, _ = await _made(town)
    connection = await connect(town.url, name="test")
    await connection.execute(
        "INSERT INTO webhook_delivery (webhook, id, body, made, attempts, done, status, said)"
        " SELECT %s, 'e:1:' || n, '{}', to_timestamp(%s) + n * interval '1 minute', 1, now(), 200, 'ok'"
        " FROM generate_series(0, 4) n",
        (webhook, NOW_US // 1_000_000),
    )
    await connection.close()
    path = f"{PATH}/{webhook}/deliveries"
    first = await town.ask(WHO, "GET", path + "?limit=3")
    rest = await town.ask(WHO, "GET", path + f"?cursor={first['next']}")
    found = first["deliveries"] + rest["deliveries"]
    assert [one["id"] for one in found] == [f"e:1:{n}" for n in (4, 3, 2, 1, 0)]
    assert {one["due"] for one in found} == {None}
    asked = {"deliveries": [found[-1]["delivery"], 2**40], "from": found[1]["made"]}
    assert await town.ask(WHO, "POST", f"{PATH}/{webhook}/again", asked) == {"deliveries": 3}
    waiting = (await town.ask(WHO, "GET", path))["deliveries"]
    assert [one["id"] for one in waiting if one["due"]] == ["e:1:4", "e:1:3", "e:1:0"]
    await town.ask(WHO, "POST", f"{PATH}/{webhook}/again", {}, 422)


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/", "https://u:p@hooks.example.com/", "https://hooks.example.com:22/", "https://", "x"],
)
async def test_an_address_that_is_none_to_send_to_is_refused(town: Town, url: str) -> None:
    body = {"grant": await town.granted(), "url": url}
    assert "body.url" in (await town.ask(WHO, "POST", PATH, body, 422))["detail"]


async def test_a_grant_of_which_nothing_would_be_sent_has_no_webhook(town: Town) -> None:
    body = {"grant": await town.granted(fields={"devices": ["device"]}), "url": URL}
    assert "neither alarms nor commands" in (await town.ask(WHO, "POST", PATH, body, 422))["detail"]


async def test_only_the_receiver_of_a_grant_has_a_webhook_of_it(town: Town) -> None:
    grant = await town.granted()
    body: dict[str, Any] = {"grant": grant, "url": URL}
    await town.ask("vendor", "POST", "/v1/enterprises/acme-co/webhooks", body, 404)
    await town.ask("company_administrator", "POST", "/v1/enterprises/gas-a/webhooks", body, 404)
    await town.ask("vendor", "POST", PATH, body, 404)
    await town.ask("operator", "POST", PATH, body, 403)
    webhook, _ = await _made(town)
    for path in (f"/v1/enterprises/acme-co/webhooks/{webhook}", f"{PATH}/{webhook}"):
        await town.ask("vendor", "GET", path, status=404)
        await town.ask("vendor", "GET", path + "/deliveries", status=404)
        await town.ask("vendor", "DELETE", path, status=404)
    await town.ask(WHO, "POST", f"/v1/enterprises/bureau/grants/{grant}/end")
    await town.ask(WHO, "POST", PATH, body, 404)
