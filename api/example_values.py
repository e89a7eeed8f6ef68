"""What the fields of examples hold, by their names. An example is read by people: it tells one small story, of a gas
alarm at a home, so that the answers of different routes fit together. Which of them fits a schema is not decided
here."""

from typing import Final

Value = str | int | float | bool | None

#: Of ids (rules.decisions): blake2b, 16 bytes, in hex.
_ID: Final = "9f86d081884c7d659a2feaa0c55ad015"
_SHA256: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

FORMATS: dict[str, str] = {"date-time": "2026-11-20T08:30:56.000001Z", "date": "2026-11-20"}

#: Text that a pattern asks for, where no name helps: the first that matches is taken.
PATTERNED: tuple[str, ...] = (_ID, _SHA256, "500156", "2026-11", "acme/d1001", "acme", "")

#: Answers that are text, by media type.
TEXTS: dict[str, str] = {
    "text/plain": "# HELP davy_engine_up 1 when the engine answers\n# TYPE davy_engine_up gauge\ndavy_engine_up 1\n",
    "text/csv": "\ufeff地区,用户数,已覆盖\r\n500156001,120,112\r\n",
    "application/toml": 'name = "my-rules"\n',
    "application/jsonl": f'{{"n":1,"kind":"alarm_raised","sha256":"{_SHA256}"}}\n',
}

VALUES: dict[str, tuple[Value, ...]] = {
    **dict.fromkeys(("alarm", "wanted", "incident", "permit", "command", "instruction", "backtest", "subject"), (_ID,)),
    **dict.fromkeys(("sha256", "prev", "policy_sha256", "rules_sha256"), (_SHA256,)),
    **dict.fromkeys(("device", "detector"), ("acme/d1001", 17)),
    **dict.fromkeys(("because", "into", "next", "note", "expected", "until", "acknowledged_by", "failure"), (None,)),
    **dict.fromkeys(("differs_zh", "differs_en", "revoked", "superseded", "ended", "ended_by"), (None,)),
    **dict.fromkeys(("by", "recorded_by", "made_by", "requested_by"), ("person/7",)),
    **dict.fromkeys(("state", "true_state"), ("unacknowledged", "granted")),
    **dict.fromkeys(("approved_by", "decided_by", "closed_by", "handed_in_by", "claimed_by"), ("person/9",)),
    **dict.fromkeys(("area", "district"), ("500156",)),
    **dict.fromkeys(("code",), ("500156", 1)),
    **dict.fromkeys(("enterprise", "gas_company", "tenant"), ("wulong-gas",)),
    **dict.fromkeys(("name", "area_name", "site_name", "title", "title_zh", "words"), ("武隆燃气", "wulong-gas")),
    **dict.fromkeys(("name_en", "area_name_en", "title_en", "words_en"), ("Wulong Gas",)),
    **dict.fromkeys(("from", "since", "published"), ("2026-11-20T08:30:56.000001Z",)),
    **dict.fromkeys(("vendor", "vendor_key"), ("acme",)),
    **dict.fromkeys(("installed_pct", "covered_pct", "target_pct", "share_pct"), (93.5, 93)),
    **dict.fromkeys(("token", "secret"), ("shown-once",)),
    **dict.fromkeys(("temperature_c", "temperature_c_mean"), (21.5,)),
    **dict.fromkeys(("trial", "late", "simulated", "hardship", "disabled", "dry_run"), (False,)),
    "valve": ("acme/v2001",),
    "serial": ("d1001",),
    "device_no": (17,),
    "rule": ("ch4-high",),
    "site": ("home-0001",),
    "quantity": ("combustible_lel",),
    "value": (27.5, "27.5"),
    "combustible_lel": (27.5,),
    "co_ppm": (3.0,),
    "pressure_kpa": (2.1,),
    "flow_m3h": (0.4,),
    "humidity_pct": (48.0,),
    "battery_pct": (97.0,),
    "rssi_dbm": (-71.0,),
    "lel_percent_vol": (5.0, 5),
    "gas": ("methane",),
    "unit": ("%LEL",),
    "flags": ("high_alarm",),
    "lowest": (0.0, 0),
    "highest": (27.5, 27),
    "mean": (3.2,),
    "model": ("acme_home_ch4",),
    "manager": ("jiangnan-property",),
    "installer": ("wulong-fitters",),
    "building": ("b-12",),
    "riser": ("b-12-2",),
    "key": ("wulong-gas",),
    "address": ("重庆市武隆区建设中路 1 号",),
    "reason": ("smell of gas in the kitchen",),
    "comment": ("on our way",),
    "text": ("the neighbour rang too",),
    "crew": ("crew 7",),
    "as_of": ("b1:4242:0",),
    "id": ("b1:4242:0",),
    "boot": (3,),
    "seq": (17,),
    "login": ("li.wei",),
    "person": ("resident-0001",),
    "contact": ("139****1234",),
    "telephone": ("139****1234",),
    "id_number": ("5002**********1234",),
    "language": ("zh",),
    "timezone": ("Asia/Shanghai",),
    "month": ("2026-11",),
    "uscc": ("91500232MA5U0000X0",),
    "version": (3, "0.1.0"),
    "engine": ("b1", True),
    "epoch": (5,),
    "attempt": (1,),
    "resolution": (None, "real"),
    "change": ("raised",),
    "type": ("alarm_raised",),
    "policy": ("chongqing-2026",),
    "purpose": ("to reach the resident",),
    "rank": (1,),
}
