"""`davy modbus read` and `davy modbus scan`, as a person runs them, against an outstation on a real socket."""

import asyncio
import os
import struct
import subprocess
import sys

import msgspec
import pytest

from tests.modbus.outstation import TcpOutstation

MODEL = """
vendor = "acme"
name = "A detector nobody has seen"
kind = "detector"
source = "test"
report_interval_s = 1

[modbus]
notation = "modicon"
reply_within_ms = 200

[[modbus.field]]
name = "kind"
at = 40001

[[modbus.field]]
name = "gas"
at = 40003
type = "f32"
quantity = "combustible_lel"

[[modbus.field]]
name = "status"
at = 40006

[[modbus.flag]]
flag = "low_alarm"
when = [{ field = "status", bit = 0 }]

[[modbus.check]]
when = [{ field = "kind", one_of = [0x25] }]
reason = "register 40001 is not 0x25, so this is no such detector"

[[modbus.example]]
title = "clean air"
registers = [{ at = 40001, words = [0x25] }]
expect = { combustible_lel = 0 }

[[modbus.example]]
title = "another device"
registers = []
refused = "no such detector"
"""


@pytest.fixture
async def outstation():
    made = TcpOutstation()
    await made.start()
    high, low = struct.unpack(">HH", struct.pack(">f", 21.5))
    made.banks[7].holding = {0: 0x25, 2: high, 3: low, 5: 1}
    made.banks[9].holding = {0: 0x99}
    for unit in range(1, 31):
        if unit not in (7, 8, 9):
            made.tricks[unit] = "exception 11"  # a gateway that says so, and quickly
    yield made
    await made.stop()


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "acme_unseen.toml"
    path.write_text(MODEL)
    return path


async def davy(*words: str, **environ: str) -> tuple[int, str, str]:
    def run() -> "subprocess.CompletedProcess[str]":
        asked = [sys.executable, "-m", "davy", *words]
        here = {**os.environ, "COLUMNS": "200", **environ}
        return subprocess.run(asked, capture_output=True, text=True, env=here, timeout=60, check=False)

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout, done.stderr


async def test_read_prints_registers_and_their_meaning_side_by_side(outstation, model):
    link = f"modbus+tcp://127.0.0.1:{outstation.port}"
    code, out, err = await davy("modbus", "read", link, "7", "--model", str(model))
    assert code == 0, err
    row = next(line for line in out.splitlines() if " gas " in line)
    assert row.split() == ["holding", "2", "41ac", "0000", "gas", "21.5", "combustible_lel", "21.5", "%LEL"]
    assert "flags: low_alarm" in out
    code, out, _ = await davy("modbus", "read", link, "7", "--model", str(model), "--json")
    read = msgspec.json.decode(out)
    assert read["fields"][1] == {
        "field": "gas",
        "space": "holding",
        "address": 2,
        "words": "41ac 0000",
        "raw": 21.5,
        "means": "combustible_lel 21.5 %LEL",
    }
    assert read["meaning"] == {"combustible_lel": "21.5 %LEL", "flags": "low_alarm"}


async def test_read_says_when_the_answer_is_another_devices(outstation, model):
    code, out, _ = await davy("modbus", "read", f"modbus+tcp://127.0.0.1:{outstation.port}", "9", "--model", str(model))
    assert code == 1
    assert "no answer of acme_unseen: register 40001 is not 0x25" in out
    assert "0099" in out


async def test_scan_finds_the_units_and_names_the_models_that_fit(outstation, model):
    link = f"modbus+tcp://127.0.0.1:{outstation.port}"
    code, out, err = await davy(
        "modbus", "scan", link, "--units", "1-9", "--timeout-ms", "500", "--json", DAVY_MODELS=str(model.parent)
    )
    assert code == 0, err
    found = {one["unit"]: one for one in msgspec.json.decode(out)}
    assert sorted(found) == [7, 8, 9]
    assert "acme_unseen" in [fit["model"] for fit in found[7]["fits"] if not fit["zeros"]]
    assert "acme_unseen" not in [fit["model"] for fit in found[9]["fits"]]
    assert all(fit["zeros"] for fit in found[8]["fits"])
    code, out, _ = await davy("modbus", "scan", link, "--units", "7-8", DAVY_MODELS=str(model.parent))
    assert "answers zeros: nothing to tell" in out
    assert "acme_unseen (1 check held)" in out
    assert "2 of 2 units answer" in out


async def test_scan_asks_again_where_a_gateway_restarts_and_keeps_what_it_found_where_it_stays_away(outstation, model):
    link = f"modbus+tcp://127.0.0.1:{outstation.port}"
    units = ("--units", "7-9", "--timeout-ms", "500", "--json")
    serve, gone = outstation.serve, []

    async def restarts(*asked) -> None:
        if asked[0] == 8 and not gone:
            gone.append(asyncio.create_task(away(0.5)))
        elif not gone or gone[0].done():
            await serve(*asked)

    async def away(for_s: float) -> None:
        await outstation.stop()
        if for_s:
            await asyncio.sleep(for_s)
            await outstation.start()

    outstation.serve = restarts
    code, out, err = await davy("modbus", "scan", link, *units, DAVY_MODELS=str(model.parent))
    assert code == 0, err
    assert [one["unit"] for one in msgspec.json.decode(out)] == [7, 8, 9]
    assert gone

    async def leaves(*asked) -> None:
        if asked[0] == 8:
            gone.append(asyncio.create_task(away(0.0)))
        else:
            await serve(*asked)

    outstation.serve = leaves
    code, out, err = await davy("modbus", "scan", link, *units, DAVY_MODELS=str(model.parent))
    assert code == 1
    assert [one["unit"] for one in msgspec.json.decode(out)] == [7]
    assert "the link went away, so unit 8 and those after it were not asked: nobody listens" in err
    assert err.count("\n") == 1


async def test_scan_finds_a_model_at_the_base_its_devices_are_set_to(outstation, model):
    outstation.banks[5].holding = {40_000 + at: word for at, word in outstation.banks[7].holding.items()}
    del outstation.tricks[5]
    link = f"modbus+tcp://127.0.0.1:{outstation.port}"
    for base, fits in (("0", False), ("40000", True)):
        asked = ("modbus", "scan", link, "--units", "5", "--base", base, "--json")
        code, out, err = await davy(*asked, DAVY_MODELS=str(model.parent))
        assert code == 0, err
        (found,) = msgspec.json.decode(out)
        assert ("acme_unseen" in [fit["model"] for fit in found["fits"] if not fit["zeros"]]) is fits


async def test_what_cannot_be_is_said_in_one_plain_line(outstation, model):
    link = f"modbus+tcp://127.0.0.1:{outstation.port}"
    for words, code, said in (
        (("read", "modbus+udp://x", "1", "--model", str(model)), 2, "the scheme must be one of"),
        (("read", link, "1", "--model", "nobody"), 2, "there is no model 'nobody'"),
        (("read", link, "1", "--model", "sim_gateway"), 2, "no register map"),
        (("read", link, "7", "--model", str(model), "--channel", "2"), 2, "channel 2 must be 1 to 1"),
        (("read", link, "1", "--model", str(model)), 1, "unit 1: the gateway answers exception 11"),
        (("read", "modbus+rtu:/dev/not-there", "1", "--model", str(model)), 1, "not-there"),
        (("scan", link, "--units", "9-1"), 2, "the lower first"),
    ):
        found, _, err = await davy("modbus", *words)
        assert (found, err.count("\n")) == (code, 1), err
        assert said in err
