"""What leaves although its commit failed: what makes things safer, and nothing else (C2, G6)."""

from pathlib import Path

import pytest

from devices.commands import Verb
from engine.cycle import Ended
from ingest.links import Sending
from rules.instructions import ApprovePermit, CloseValve, RequestPermit
from tests.engine.history import Bench
from tests.engine.ways import TestLink
from tests.guarantees.disks import watched_disk
from tests.guarantees.town import town


def wired(folder: Path) -> tuple[Bench, TestLink]:
    bench, wire = Bench(folder), TestLink("wire")
    wire.sending = Sending.SENT
    bench.cycle.links = (*bench.cycle.links, wire)
    bench.register(town(2))
    bench.turn()
    return bench, wire


def test_when_the_commit_fails_a_close_leaves_and_a_permit_to_open_never_does(tmp_path: Path) -> None:
    with watched_disk() as disk:
        bench, wire = wired(tmp_path)
        bench.instruct(lambda now: RequestPermit(at=now, id="r", by="anna", device_no=11, reason="a new hose"))
        bench.turn(1)
        permit = bench.answered[-1].subject
        disk.full = True
        bench.instruct(lambda now: ApprovePermit(at=now, id="a", by="bo", permit=permit))
        bench.instruct(lambda now: CloseValve(at=now, id="c", by="anna", device_no=13, reason="smell"))
        with pytest.raises(Ended):
            bench.turn(1)
        assert {(device_no, command.verb) for device_no, command in wire.commands} == {(13, Verb.CLOSE)}
        assert len(bench.answered) == 1
        disk.full = False
        bench.store.close()


def test_a_permit_to_open_leaves_once_its_commit_is_on_disk(tmp_path: Path) -> None:
    bench, wire = wired(tmp_path)
    bench.instruct(lambda now: RequestPermit(at=now, id="r", by="anna", device_no=11, reason="a new hose"))
    bench.turn(1)
    permit = bench.answered[-1].subject
    bench.instruct(lambda now: ApprovePermit(at=now, id="a", by="bo", permit=permit))
    bench.turn(1)
    assert [(device_no, command.verb) for device_no, command in wire.commands] == [(11, Verb.PERMIT_OPEN)]
    bench.store.close()
