"""The catalogue of products and complaints about it, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving


@pytest.fixture
async def stand(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
    async with serving(config_of(engine.path, database_url)) as served:
        for key in ("acme", "bell", "cole"):
            body = {"enterprises": [{"enterprise": key, "kind": "vendor", "name": f"{key} 公司", "vendor": key}]}
            answer = await served.http.post("/v1/enterprises", json=body)
            assert answer.status_code in (200, 201), answer.text
        yield served


def product(model: str, kind: str = "detector", tier: str = "low") -> dict[str, str]:
    return {"model": model, "name": model, "kind": kind, "tier": tier, "price_cny": "398.50"}


async def offer(stand: Stand, vendor: str, products: list[dict[str, str]], status: int = 204) -> None:
    body = {"qualification": "CCC 2024", "contact": "400-000", "service": "3 days", "products": products}
    answer = await stand.http.put(f"/v1/enterprises/{vendor}/catalogue/500156", json=body)
    assert answer.status_code == status, answer.text


async def post(stand: Stand, path: str, status: int, **body: Any) -> Any:
    answer = await stand.http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


WHOLE = [
    product(f"{kind}-{tier}", kind, tier)
    for kind in ("detector", "self_closing_valve")
    for tier in ("low", "mid", "high")
]


async def test_an_offer_is_seen_by_the_public_when_it_is_admitted_and_published(stand: Stand) -> None:
    await offer(stand, "acme", WHOLE)
    assert (await stand.bare.get("/v1/public/catalogue/500156")).status_code == 404
    await post(stand, "/v1/catalogue/500156/acme/admit", 204)
    refused = await post(stand, "/v1/catalogue/500156/publish", 409)
    assert "1 vendors, at least 3 are asked" in refused["detail"]
    shown = await post(stand, "/v1/catalogue/500156/publish", 200, reason="the call goes on")
    assert len(shown["gaps"]) == 2
    public = (await stand.bare.get("/v1/public/catalogue/500156")).json()
    (entry,) = public["entries"]
    assert (entry["enterprise"], entry["name"], entry["state"]) == ("acme", "acme 公司", "admitted")
    assert entry["products"][0]["price_cny"] == "398.50"
    assert public["reason"] == "the call goes on"


async def test_three_vendors_with_all_tiers_lack_nothing(stand: Stand) -> None:
    for vendor in ("acme", "bell", "cole"):
        await offer(stand, vendor, WHOLE)
        await post(stand, f"/v1/catalogue/500156/{vendor}/admit", 204)
    shown = await post(stand, "/v1/catalogue/500156/publish", 200)
    assert (shown["lacks"], shown["gaps"]) == ([], [])


async def test_what_a_vendor_changes_is_an_offer_again(stand: Stand) -> None:
    await offer(stand, "acme", WHOLE)
    await post(stand, "/v1/catalogue/500156/acme/admit", 204)
    await post(stand, "/v1/catalogue/500156/publish", 200, reason="x")
    await offer(stand, "acme", WHOLE[:1])
    public = await stand.bare.get("/v1/public/catalogue/500156")
    assert public.status_code == 200, public.text
    assert public.json()["entries"] == []
    (entry,) = (await stand.http.get("/v1/catalogue/500156")).json()["entries"]
    assert (entry["state"], len(entry["products"])) == ("offered", 1)


async def test_a_removal_needs_a_reason_and_stays_to_be_seen(stand: Stand) -> None:
    await offer(stand, "acme", WHOLE)
    await post(stand, "/v1/catalogue/500156/acme/admit", 204)
    await post(stand, "/v1/catalogue/500156/publish", 200, reason="x")
    await post(stand, "/v1/catalogue/500156/acme/remove", 422)
    await post(stand, "/v1/catalogue/500156/acme/remove", 204, reason="fakes", words="copied marks")
    (entry,) = (await stand.bare.get("/v1/public/catalogue/500156")).json()["entries"]
    assert (entry["state"], entry["reason"], entry["words"]) == ("removed", "fakes", "copied marks")
    kinds = [one["kind"] for one in (await stand.http.get("/v1/enterprises/acme/audit")).json()["entries"]]
    assert kinds[-3:] == ["catalogue_offered", "catalogue_admitted", "catalogue_removed"]


async def test_anybody_complains_and_follows_it_by_its_number(stand: Stand) -> None:
    await offer(stand, "acme", WHOLE)
    await post(stand, "/v1/catalogue/500156/acme/admit", 204)
    said = {"enterprise": "acme", "area": "500156", "subject": "price", "words": "<script>charged twice</script>"}
    answer = await stand.bare.post("/v1/public/complaints", json=said)
    assert answer.status_code == 201, answer.text
    number = answer.json()["number"]
    (one,) = (await stand.http.get("/v1/catalogue/500156/complaints")).json()["complaints"]
    assert (one["number"], one["words"]) == (number, "<script>charged twice</script>")
    path = f"/v1/catalogue/500156/complaints/{number}"
    await post(stand, path, 200, state="examined", answer="we asked the vendor")
    await post(stand, path, 200, state="upheld", answer="paid back")
    again = await post(stand, path, 409, state="rejected", answer="no")
    assert "upheld already" in again["detail"]
    followed = (await stand.bare.get(f"/v1/public/complaints/{number}")).json()
    assert [step["state"] for step in followed["steps"]] == ["received", "examined", "upheld"]
    assert "words" not in followed
    await post(stand, f"/v1/catalogue/50/complaints/{number}", 409, state="upheld", answer="x")
    await post(stand, f"/v1/catalogue/11/complaints/{number}", 404, state="upheld", answer="x")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"enterprise": "acme", "area": "500156", "subject": "love", "words": "x"},
        {"enterprise": "acme", "area": "';--", "subject": "price", "words": "x"},
        {"enterprise": "acme", "area": "500156", "subject": "price", "words": ""},
        {"enterprise": "acme", "area": "500156", "subject": "price", "words": "x" * 2_001},
        {"enterprise": "acme", "area": "500156", "subject": "price", "words": "x", "name": "me"},
    ],
)
async def test_a_complaint_that_is_none_is_refused(stand: Stand, body: dict[str, str]) -> None:
    assert (await stand.bare.post("/v1/public/complaints", json=body)).status_code == 422


async def test_a_complaint_about_what_nobody_can_see_is_404_and_many_wait(stand: Stand) -> None:
    await offer(stand, "acme", WHOLE)
    said = {"enterprise": "acme", "area": "500156", "subject": "price", "words": "\x00x"}
    seen = [(await stand.bare.post("/v1/public/complaints", json=said)).status_code for _ in range(12)]
    assert seen == [404] * 10 + [429] * 2
    assert (await stand.bare.get(f"/v1/public/complaints/{'A' * 20}")).status_code == 429
