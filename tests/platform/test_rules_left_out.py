"""A pack of one's own that lacks kinds of rule that a newer Davy knows is used as it is, and every look says so."""

import asyncio
import re
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from davy.settings import Settings
from davy.wiring import run_engine, warn_of_rules
from devices.fleet import build_fleet
from devices.models import DeviceKind, DeviceModel
from devices.sites import Device, Registry, Site
from rules.documents.document import default_pack, load_pack
from rules.documents.left_out import left_out
from rules.documents.merged import as_file
from tests.platform.davy_process import davy
from tests.platform.test_command_line import SettingsFor, result

NOTE = (
    "no rule of kind link_down, session_lost: nobody is told that a gateway or broker cannot be reached, that a broker"
)


def without(*kinds: str) -> str:
    """The built-in rules less those of these kinds, and suppressed by none."""
    body = re.sub(r"^suppressed_by.*\n", "", as_file(default_pack()).decode(), flags=re.MULTILINE)
    head, *rules = re.split(r"^(?=\[\[rule\]\]$)", body, flags=re.MULTILINE)
    return "".join([head, *(rule for rule in rules if not re.search(rf'^kind = "({"|".join(kinds)})"', rule, re.M))])


@pytest.fixture
def settings(tmp_path: Path, settings_for: SettingsFor) -> Settings:
    pack = tmp_path / "own.toml"
    pack.write_text(without("link_down", "session_lost"), "utf-8")
    return settings_for(tmp_path / "data", DAVY_RULES=str(pack))


def test_the_built_in_pack_leaves_nothing_out() -> None:
    assert left_out(load_pack(default_pack(), "built-in rules")) == ""


def test_a_check_notes_what_the_pack_leaves_out_and_it_is_no_fault(settings: Settings) -> None:
    looked = davy(settings, "rules", "check", str(settings.rules))
    assert looked.returncode == 0
    sound, note = looked.stdout.splitlines()
    assert "all sound" in sound
    assert note.startswith(f"{settings.rules}: note: {NOTE}")
    assert result(settings, "rules", "check", str(settings.rules), "--json")["note"].startswith(NOTE)
    (rules,) = [one for one in result(settings, "check", "--json") if one["name"] == "rules"]
    assert rules["ok"]
    assert re.search(rf"^{re.escape(str(settings.rules))}: [0-9]+ rules; note: {re.escape(NOTE)}", rules["words"])


def test_an_engine_warns_of_a_rise_that_its_devices_report_too_seldom_to_show() -> None:
    model = DeviceModel("daily", "v", "m", DeviceKind.DETECTOR, "s", 86_400.0, measures=("combustible_lel",))
    fleet = build_fleet(Registry(models=(model,), sites=(Site("s"),), devices=(Device(1, "v", "d", "daily", "s"),)))
    with capture_logs() as said:
        warn_of_rules(load_pack(default_pack(), "built-in rules"), fleet)
    (one,) = said
    assert one["rule"].startswith("rule 'ch4-rise': delta(combustible_lel, 300 s) can never be known at daily (1 d)")


async def test_an_engine_warns_at_its_start_also_when_the_pack_was_in_force_before(
    settings: Settings, settings_for: SettingsFor
) -> None:
    settings.data.mkdir()
    for started in (settings, settings_for(settings.data)):
        stop = asyncio.Event()
        with capture_logs() as said:
            engine = asyncio.create_task(run_engine(started, stop))
            async with asyncio.timeout(30):
                while not engine.done() and not any("protecting" in one["event"] for one in said):
                    await asyncio.sleep(0.01)
                stop.set()
                await engine
        (note,) = [one["note"] for one in said if one["event"] == "the rules in force leave something out"]
        assert note.startswith(NOTE)
