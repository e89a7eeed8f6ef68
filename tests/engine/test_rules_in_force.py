"""Rules that are brought in, and what keeps an engine that has them running (G3)."""

from pathlib import Path

import pytest

from devices.fleet import build_fleet
from devices.sites import Registry
from engine.checkpoint import recall
from engine.cycle import Change
from engine.memory import Memory
from engine.store import Store, document
from rules.compiled import compile_new
from rules.decisions import RulesChanged
from rules.document import load_pack
from tests.engine.history import Bench, frozen
from tests.guarantees.town import town

RULE = """[[rule]]
title = {{ zh = "规", en = "r" }}
source = "product choice"
priority = "low"
id = "w{n}"
condition = "mean(combustible_lel, {n} min) >= 50 %LEL"
hold_s = 60
"""
#: More than a device may take: nobody could bring it in.
DEAR = ('version = "1"\n' + "".join(RULE.format(n=n) for n in range(10, 140))).encode()


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
