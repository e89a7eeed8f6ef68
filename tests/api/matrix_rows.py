"""Who may do what, and what each route is about: the table that the authorization matrix is held to. A route or an
action without a row fails the suite. It is written by hand, and not read off access/roles.py: a right that slips in
there is found here.
"""

from dataclasses import dataclass, field
from typing import Any

#: Of whom each column is, in order; `public` has not signed in.
COLUMNS = (
    "resident",
    "operator",
    "company_administrator",
    "field_crew",
    "vendor",
    "installer",
    "property_manager",
    "regulator",
    "platform_administrator",
    "public",
)

#: y: to what is theirs to see; -: to nothing (403; 401 for `public`).
_GRID = """
watch_health          y y y y y y y y y y
sign_in               y y y y y y y y y y
read_public           y y y y y y y y y y
complain              y y y y y y y y y y
change_self           y y y y y y y y y -
read_description      y y y y y y y y y -
read_areas            y y y y y y y y y -
read_alarms           y y y y y y y y y -
acknowledge_alarm     y y y y - - y - y -
reset_alarm           - y y y - - - - y -
shelve_alarm          y y y - - - - - y -
comment               y y y y - - y - y -
resolve_alarm         - y y y - - - - y -
take_out_of_service   - y y y - - - - y -
return_to_service     - y y y - - - - y -
read_incidents        y y y y - - y y y -
work_on_incident      - y y y - - - - y -
close_incident        - y y - - - - - y -
read_commands         y y y y y y y y y -
close_valve           y y y y - - y - y -
cancel_close          - y y - - - - - y -
read_permits          - y y y - - - - y -
request_permit        - y y y - - - - y -
approve_permit        - y y y - - - - y -
withdraw_permit       - y y y - - - - y -
complete_permit       - y y y - - - - y -
read_held             - y y - - - - - y -
release_held          - y y - - - - - y -
veto_held             - y y - - - - - y -
read_devices          y y y y y y y y y -
read_readings         y y y y y y - - y -
explain_rules         - y y - - - - - y -
read_rules            - y y - - - - - y -
read_rule_documents   - - - - - - - - y -
check_rules           - y y - y - - - y -
read_backtests        - - - - - - - - y -
run_backtest          - - - - - - - - y -
read_accounts         - - y - - - - - y -
change_accounts       - - y - - - - - y -
read_keys             - - y - y y y y y -
change_keys           - - y - y y y y y -
read_ledger           - - - - - - - - y -
read_metrics          - - - - - - - - y -
publish_readings      - - - - - - - - - -
change_parties        - - - - - - - - y -
change_people         - y y - - - - - y -
change_register       - - y - - - - - y -
govern_catalogue      - - - - - - - y y -
install               - y y y - y - - y -
offer_products        - - - - y - - - y -
read_audit            - - y - y y y y y -
read_coverage         - y y - - - y y y -
govern_coverage       - - - - - - - y y -
read_scorecards       - y y - y - - y y -
promise_response      - - y - - - - - y -
read_conformance      - - - - y - - y y -
read_enterprises      - y y y y y y y y -
read_people           - y y y - - - - y -
read_installations    y y y y - y y y y -
read_sites            y y y y - - y y y -
read_claims           y y y y y y - - y -
offer_device          - - y - y - - - y -
claim_device          y y y y - y - - y -
decide_claim          - y y - - - - - y -
change_tokens         - - y - - - - - y -
read_models           - - y - y - - - y -
hand_in_model         - - - - y - - - y -
decide_model          - - - - - - - - y -
import_register       - - y - - - - - y -
export_register       - - y - - - - - y -
unmask                - y y - - - - - y -
read_grants           - - y - y y y y y -
change_grants         - - y - y y y y y -
read_shared           - - y - y y y y y -
read_webhooks         - - y - y y y y y -
change_webhooks       - - y - y y y y y -
"""


def _grid(text: str) -> dict[str, frozenset[str]]:
    rows = (line.split() for line in text.strip().splitlines())
    return {
        action: frozenset(column for column, mark in zip(COLUMNS, marks, strict=True) if mark == "y")
        for action, *marks in rows
    }


MAY = _grid(_GRID)


@dataclass(frozen=True, slots=True)
class Row:
    """about: the kind of thing that the path names; empty: it is a list or the like, which shows what is the asker's;
    `absent`: something of which there is none. also: statuses that are right besides, when it may be done.
    last: it ends the asker's own session."""

    about: str = ""
    body: dict[str, Any] | None = None
    query: str = ""
    also: frozenset[int] = field(default_factory=frozenset)
    last: bool = False
    stream: bool = False
    #: It takes a second or so: asked about one thing of one's own and one of another's.
    slow: bool = False


_WORDS = {"reason": "for a test"}
_ABSENT = Row("absent")
_NOT_HERE = frozenset({403, 404})

#: `METHOD path`, as the application has it.
ROUTES: dict[str, Row] = {
    "POST /v1/telemetry/{vendor}/{serial}": Row("device", {"seq": 1}, also=frozenset({401})),
    "GET /healthz": Row(),
    "GET /readyz": Row(),
    "GET /metrics": Row(),
    "GET /openapi.json": Row(),
    "GET /v1/ledger": Row(),
    "GET /v1/alarms/stream": Row(stream=True),
    "GET /v1/alarms/health": Row(query="?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z"),
    "GET /v1/alarms": Row(),
    "GET /v1/alarms/history": Row(query="?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z"),
    "GET /v1/alarms/{alarm}": Row("alarm"),
    "POST /v1/alarms/{alarm}/acknowledge": Row("alarm", {}),
    "POST /v1/alarms/{alarm}/reset": Row("alarm"),
    "POST /v1/alarms/{alarm}/shelve": Row("alarm", {"for_s": 60, "reason": "for a test"}),
    "POST /v1/alarms/{alarm}/unshelve": Row("alarm"),
    "POST /v1/alarms/{alarm}/comment": Row("alarm", {"text": "a word"}),
    "POST /v1/alarms/{alarm}/resolve": Row("alarm", {"resolution": "test"}),
    "GET /v1/incidents": Row(),
    "GET /v1/incidents/history": Row(query="?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z"),
    "GET /v1/incidents/{incident}": Row("incident"),
    "POST /v1/incidents/{incident}/dispatch": Row("incident", {"crew": "crew 7"}),
    "POST /v1/incidents/{incident}/arrive": Row("incident", {}),
    "POST /v1/incidents/{incident}/field-reading": Row("incident", {"quantity": "combustible_lel", "value": 1.0}),
    "POST /v1/incidents/{incident}/step": Row("incident", {"step": "evacuate"}),
    "POST /v1/incidents/{incident}/comment": Row("incident", {"text": "a word"}),
    "POST /v1/incidents/{incident}/close": Row("incident", {"resolution": "test"}),
    "POST /v1/devices/{vendor}/{serial}/close": Row("valve", _WORDS),
    "GET /v1/commands/{wanted}": Row("command"),
    "POST /v1/commands/{wanted}/cancel": Row("command", _WORDS),
    "POST /v1/devices/{vendor}/{serial}/permit": Row("valve", _WORDS),
    "GET /v1/permits": Row(),
    "GET /v1/permits/history": Row(query="?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z"),
    "GET /v1/permits/{permit}": Row("permit"),
    "POST /v1/permits/{permit}/approve": Row("permit", also=_NOT_HERE),
    "POST /v1/permits/{permit}/withdraw": Row("permit", _WORDS, also=_NOT_HERE),
    "POST /v1/permits/{permit}/complete": Row("permit", {"combustible_lel": 0.5}, also=_NOT_HERE),
    "GET /v1/held": Row(),
    "GET /v1/held/history": Row(query="?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z"),
    "POST /v1/held/release": Row(body={"rule": "ch4-low"}),
    "POST /v1/held/veto": Row(body={"rule": "ch4-low", "reason": "for a test"}),
    "GET /v1/devices": Row(),
    "GET /v1/devices/{vendor}/{serial}": Row("device"),
    "POST /v1/devices/{vendor}/{serial}/take-out-of-service": Row("device", _WORDS),
    "POST /v1/devices/{vendor}/{serial}/return-to-service": Row("device"),
    "GET /v1/devices/{vendor}/{serial}/latest": Row("device"),
    "GET /v1/devices/{vendor}/{serial}/readings": Row("device"),
    "GET /v1/devices/{vendor}/{serial}/explain": Row("device", also=frozenset({429}), slow=True),
    "GET /v1/rules": Row(),
    "GET /v1/rules/history": Row(),
    "GET /v1/rules/packs/{sha256}": _ABSENT,
    "POST /v1/rules/check": Row(body={"packs": ["valves"]}),
    "POST /v1/rules/backtests": Row(body={}),
    "GET /v1/rules/backtests": Row(),
    "GET /v1/rules/backtests/{backtest}": _ABSENT,
    "DELETE /v1/rules/backtests/{backtest}": _ABSENT,
    "POST /v1/session": Row(body={"login": "nobody", "password": "none of anybody's"}, also=frozenset({401})),
    "POST /v1/session/provider/challenge": Row(also=_NOT_HERE),
    "POST /v1/session/provider": Row(body={"id_token": "x", "nonce": "x"}, also=_NOT_HERE),
    "POST /v1/session/password": Row(body={"secret": "x", "password": "x" * 20}, also=_NOT_HERE),
    "DELETE /v1/session": Row(last=True),
    "GET /v1/sessions": Row(),
    "DELETE /v1/sessions/{session}": _ABSENT,
    "POST /v1/me/password": Row(body={"old": "none of mine", "new": "x" * 20}, also=frozenset({401, 422})),
    "GET /v1/me": Row(),
    "GET /v1/accounts": Row(),
    "POST /v1/accounts": Row(body={"login": "made", "memberships": [{"role": "operator", "enterprise": "gas-a"}]}),
    "GET /v1/accounts/{account}": Row("account"),
    "PUT /v1/accounts/{account}/memberships": Row(
        "account", {"memberships": [{"role": "operator", "enterprise": "gas-a"}]}
    ),
    "POST /v1/accounts/{account}/disable": Row("account"),
    "POST /v1/accounts/{account}/enable": Row("account"),
    "POST /v1/accounts/{account}/reset": Row("account"),
    "GET /v1/keys": Row(),
    "POST /v1/keys": Row(
        body={"name": "k", "role": "operator", "enterprise": "gas-a", "scopes": ["read_alarms"]}, also=_NOT_HERE
    ),
    "GET /v1/keys/{key}": Row("key"),
    "DELETE /v1/keys/{key}": Row("key"),
    "GET /v1/enterprises": Row(),
    "POST /v1/enterprises": Row(body={}),
    "GET /v1/enterprises/{enterprise}": Row("enterprise"),
    "GET /v1/enterprises/{enterprise}/history": Row("enterprise"),
    "PATCH /v1/enterprises/{enterprise}": Row("enterprise", {}),
    "DELETE /v1/enterprises/{enterprise}": Row("enterprise"),
    "GET /v1/enterprises/{enterprise}/audit": Row("enterprise"),
    "GET /v1/enterprises/{enterprise}/audit/export": Row("enterprise"),
    "GET /v1/audit": Row(),
    "GET /v1/public/audit/heads": Row(),
    "GET /v1/public/standard": Row(),
    "GET /v1/public/standard/openapi.json": Row(),
    "GET /v1/public/standard/asyncapi.json": Row(),
    "GET /v1/public/standard/dictionary": Row(),
    "GET /v1/areas": Row(),
    "POST /v1/areas": Row(body={}),
    "GET /v1/areas/{code}": _ABSENT,
    "GET /v1/sites": Row(),
    "POST /v1/sites": Row(body={}),
    "GET /v1/sites/{site}": Row("site"),
    "GET /v1/sites/{site}/history": Row("site"),
    "PATCH /v1/sites/{site}": Row("site", {}),
    "DELETE /v1/sites/{site}": Row("site"),
    "GET /v1/sites/{site}/people": Row("site"),
    "POST /v1/sites/{site}/people": Row("site", {}),
    "POST /v1/devices": Row(body={}),
    "PATCH /v1/devices/{vendor}/{serial}": Row("device", {}),
    "DELETE /v1/devices/{vendor}/{serial}": Row("device"),
    "GET /v1/devices/{vendor}/{serial}/history": Row("device"),
    "GET /v1/devices/{vendor}/{serial}/certificates": Row("device"),
    "POST /v1/devices/{vendor}/{serial}/certificates": Row("device", {}),
    "DELETE /v1/devices/{vendor}/{serial}/certificates": Row("device"),
    "GET /v1/devices/{vendor}/{serial}/links": Row("device"),
    "POST /v1/devices/{vendor}/{serial}/links": Row("device", {}),
    "DELETE /v1/devices/{vendor}/{serial}/links": Row("device"),
    "GET /v1/claims": Row(),
    "POST /v1/claims": Row(body={}),
    "POST /v1/claims/offers": Row(body={}),
    "POST /v1/claims/{claim}/approve": _ABSENT,
    "POST /v1/claims/{claim}/refuse": Row("absent", _WORDS),
    "PUT /v1/claims/policies/{enterprise}": Row("enterprise", {}),
    "POST /v1/devices/{vendor}/{serial}/token": Row("device", {}),
    "DELETE /v1/devices/{vendor}/{serial}/token": Row("device"),
    "GET /v1/device-models": Row(),
    "PUT /v1/device-models/{model}": Row(body={}),
    "GET /v1/device-models/{model}/{version}": _ABSENT,
    "POST /v1/device-models/{model}/{version}/state": Row("absent", {}),
    "POST /v1/imports": Row(),
    "GET /v1/imports/{job}": _ABSENT,
    "POST /v1/exports": Row(body={"kinds": ["nothing"]}),
    "GET /v1/exports/{job}": _ABSENT,
    "GET /v1/exports/{job}/file": _ABSENT,
    "GET /v1/installations": Row(),
    "GET /v1/installations/{installation}": _ABSENT,
    "POST /v1/installations": Row(body={}),
    "PATCH /v1/installations/{installation}": _ABSENT,
    "POST /v1/installations/{installation}/end": _ABSENT,
    "GET /v1/people": Row(),
    "POST /v1/people": Row(body={}),
    "POST /v1/people/find": Row(body={}),
    "GET /v1/people/{person}": Row("person"),
    "PATCH /v1/people/{person}": Row("person", {}),
    "DELETE /v1/people/{person}": Row("person"),
    "POST /v1/people/{person}/contacts": Row("person", {}),
    "DELETE /v1/people/{person}/contacts": Row("person"),
    "POST /v1/people/{person}/unmask": Row("person", {}),
    "GET /v1/catalogue/{area}": Row("area"),
    "GET /v1/catalogue/{area}/complaints": Row("area"),
    "POST /v1/catalogue/{area}/publish": Row("area", {}),
    "POST /v1/catalogue/{area}/complaints/{number}": Row("area", {}, also=_NOT_HERE),
    "POST /v1/catalogue/{area}/{vendor_key}/admit": Row("area", {}, also=_NOT_HERE),
    "POST /v1/catalogue/{area}/{vendor_key}/remove": Row("area", {}, also=_NOT_HERE),
    "PUT /v1/enterprises/{enterprise}/catalogue/{district}": Row("enterprise", {}),
    "GET /v1/public/catalogue/{area}": Row(),
    "GET /v1/coverage/policies": Row(),
    "GET /v1/coverage/reports": Row(),
    "GET /v1/coverage/reports/{report}": _ABSENT,
    "GET /v1/coverage/reports/{report}/ranking": _ABSENT,
    "GET /v1/coverage/reports/{report}/gaps": _ABSENT,
    "GET /v1/coverage/reports/{report}/gaps/{user}": _ABSENT,
    "GET /v1/coverage/reports/{report}/figures.csv": _ABSENT,
    "GET /v1/coverage/reports/{report}/gaps.csv": _ABSENT,
    "GET /v1/coverage/reports/{report}/report.pdf": _ABSENT,
    "GET /v1/coverage/reports/{report}/report.xlsx": _ABSENT,
    "POST /v1/coverage/reports/{report}/publish": _ABSENT,
    "POST /v1/coverage/areas/{area}/reports": Row("area", {"policy": "wulong_2022_targets", "day": "2022-01-31"}),
    "GET /v1/coverage/orders/{order}": _ABSENT,
    "GET /v1/coverage/plans": Row(),
    "PUT /v1/coverage/areas/{area}/plans": Row(
        "area", {"plans": [{"site_class": "hardship", "month": "2022-05", "planned": 40}]}
    ),
    "GET /v1/coverage/schedules": Row(),
    "PUT /v1/coverage/areas/{area}/schedules/{policy}": Row("area", {}, also=frozenset({422})),
    "DELETE /v1/coverage/areas/{area}/schedules/{policy}": Row("area", also=_NOT_HERE),
    "GET /v1/coverage/notices": Row(),
    "GET /v1/scorecards": Row(),
    "GET /v1/scorecards/{scorecard}": _ABSENT,
    "GET /v1/scorecards/{scorecard}/card.csv": _ABSENT,
    "GET /v1/scorecards/{scorecard}/card.xlsx": _ABSENT,
    "POST /v1/scorecards/{scorecard}/publish": _ABSENT,
    "POST /v1/scorecards/areas/{area}": Row("area", {"enterprise": "gas-a", "month": "2026-01"}, also=_NOT_HERE),
    "GET /v1/enterprises/{enterprise}/promises": Row("enterprise"),
    "POST /v1/enterprises/{enterprise}/promises": Row("enterprise", {}),
    "GET /v1/device-models/{model}/conformance": _ABSENT,
    "GET /v1/public/complaints/{number}": _ABSENT,
    "POST /v1/public/complaints": Row(body={}),
    "GET /v1/enterprises/{enterprise}/grants": Row("enterprise"),
    "POST /v1/enterprises/{enterprise}/grants": Row(
        "enterprise",
        {"receiver": "bureau", "fields": {"alarms": ["alarm"]}, "purpose": "for a test"},
        also=frozenset({422}),  # the bureau itself
    ),
    "GET /v1/enterprises/{enterprise}/grants/{grant}": Row("enterprise", also=_NOT_HERE),
    "POST /v1/enterprises/{enterprise}/grants/{grant}/accept": Row("enterprise", also=_NOT_HERE),
    "POST /v1/enterprises/{enterprise}/grants/{grant}/end": Row("enterprise", also=_NOT_HERE),
    "GET /v1/enterprises/{enterprise}/webhooks": Row("enterprise"),
    "POST /v1/enterprises/{enterprise}/webhooks": Row(
        "enterprise", {"grant": "A" * 20, "url": "https://hooks.example/"}, also=_NOT_HERE
    ),
    "GET /v1/enterprises/{enterprise}/webhooks/{webhook}": Row("enterprise", also=_NOT_HERE),
    "DELETE /v1/enterprises/{enterprise}/webhooks/{webhook}": Row("enterprise", also=_NOT_HERE),
    "POST /v1/enterprises/{enterprise}/webhooks/{webhook}/rotate": Row("enterprise", {}, also=_NOT_HERE),
    "POST /v1/enterprises/{enterprise}/webhooks/{webhook}/off": Row("enterprise", {"because": "x"}, also=_NOT_HERE),
    "POST /v1/enterprises/{enterprise}/webhooks/{webhook}/on": Row("enterprise", also=_NOT_HERE),
    "GET /v1/enterprises/{enterprise}/webhooks/{webhook}/deliveries": Row("enterprise", also=_NOT_HERE),
    "POST /v1/enterprises/{enterprise}/webhooks/{webhook}/again": Row(
        "enterprise", {"deliveries": [1]}, also=_NOT_HERE
    ),
    "GET /v1/shared/{grant}/changes": _ABSENT,
    "GET /v1/shared/{grant}/alarms": _ABSENT,
    "GET /v1/shared/{grant}/devices": _ABSENT,
    "GET /v1/shared/{grant}/readings": Row("absent", query="?device=acme/a1d"),
}
