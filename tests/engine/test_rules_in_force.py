"""Rules that are brought in, and what keeps an engine that has them running (G3)."""

import asyncio
from pathlib import Path

import pytest

from devices.fleet import build_fleet
from devices.sites import Registry
from engine.checkpoint import recall
from engine.client import DoorClient
from engine.cycle import Change
from engine.memory import Memory
from engine.store import Store, document
from rules.documents.document import RULE_FLAGS, load_pack
from rules.evaluation.compiled import Compiled, compile_new
from rules.events import RulesChanged
from tests.engine.history import Bench, bench_with_town, frozen
from tests.guarantees.town import town
from tests.storage.engine import engine

RULE = """[[rule]]
title = {{ zh = "规", en = "r" }}
source = "product choice"
priority = "low"
id = "w{n}"
condition = "mean(combustible_lel, {n} min) >= 50 %LEL"
hold_s = 60
"""
RULES_OF = 'version = "1"\n{}'
SOUND = RULES_OF.format(RULE.format(n=10)).encode()
#: More than a device may take: nobody could bring it in.
DEAR = RULES_OF.format("".join(RULE.format(n=n) for n in range(10, 140))).encode()
#: Of so many answers that a reading may give, all are tried, and only the last is another one.
ASKED = [*RULE_FLAGS[:10], "stuck(co_ppm, 1 h)", "stuck(co_ppm, 2 h)"]
TWICE = " and ".join(f"({one} or not {other})" for one in ASKED[:8] for other in ASKED[:5] if one != other)
LONG = RULE.replace("mean(combustible_lel, {n} min) >= 50 %LEL", f"{' and '.join(ASKED)} and {TWICE}")


def take(bench: Bench, body: bytes) -> None:
    doc = document("rules", body)
    event = RulesChanged(at=bench.now, sha256=doc.sha256, by="an older Davy")
    bench.cycle.pending.changes.append(Change(event, doc, None, lambda _: None))
    bench.turn()


def test_rules_in_force_that_remember_too_much_outlive_a_registry_change_and_a_restart(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="are allowed"):
        compile_new(load_pack(DEAR, "dear"), build_fleet(Registry()))
    bench = Bench(tmp_path)
    take(bench, DEAR)
    bench.register(town(3))
    bench.turn(1)
    bench.register(town(4), number=2)
    bench.turn(1)
    thawed = Memory.thaw(bench.memory.freeze()(), bench.store.body, bench.memory.registry_number)
    bench.store.close()
    store = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    assert frozen(recall(store, tmp_path / "none")) == frozen(bench.memory) == frozen(thawed)
    store.close()


# ---- laid out before they are taken ---------------------------------------------------------------------------------


def take_made(bench: Bench, body: bytes, compiled: Compiled) -> None:
    doc = document("rules", body)
    event = RulesChanged(at=bench.now, sha256=doc.sha256, by="li")
    bench.cycle.pending.changes.append(Change(event, doc, None, lambda _: None, compiled))


def test_rules_that_were_laid_out_off_the_loop_are_taken_as_they_are_and_replayed_alike(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    made = compile_new(load_pack(SOUND, "rules"), bench.memory.fleet)
    take_made(bench, SOUND, made)
    bench.turn(1)
    assert bench.memory.state.compiled is made
    bench.store.close()
    store = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    assert frozen(recall(store, tmp_path / "none")) == frozen(bench.memory)
    store.close()


def test_rules_that_were_laid_out_for_a_registry_that_is_gone_are_laid_out_anew(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    made = compile_new(load_pack(SOUND, "rules"), bench.memory.fleet)
    bench.register(town(4), number=2)
    take_made(bench, SOUND, made)
    bench.turn(1)
    assert bench.memory.pack is made.pack
    assert bench.memory.state.compiled.fleet is bench.memory.fleet


async def test_an_engine_answers_while_rules_that_take_long_to_read_are_made_ready(tmp_path: Path) -> None:
    slow = RULES_OF.format("".join(LONG.format(n=n) for n in range(80))).encode()
    path = tmp_path / "door.sock"
    async with engine(tmp_path) as running, DoorClient(path) as one, DoorClient(path) as other:
        replaced = asyncio.create_task(one.replace_rules("li", slow))
        for _ in range(10):
            await other.status()
        assert not replaced.done()
        await replaced
        assert len(running.cycle.memory.pack.rules) == 80
