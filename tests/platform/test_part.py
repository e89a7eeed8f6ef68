"""A supervised process: restarts, refusals, stopping, and never outliving its supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from davy.exits import CannotGoOn, Exit
from davy.part import Part, PartSpec


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


FOREVER = "import threading; threading.Event().wait()"
STUBBORN = "import signal, sys, threading; signal.signal(15, lambda *_: None); print('deaf', flush=True);"


async def test_a_part_that_is_killed_is_started_again_and_that_is_said_once() -> None:
    said: list[str] = []
    part = Part(PartSpec("engine", python(FOREVER), {}), said.append)
    await part.start()
    first = part.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: part.pid != first)
    assert part.restarts == 1
    assert said == ["engine ended (signal SIGKILL); starting it again at once (restart 1)"]
    await part.stop()


async def test_pauses_between_restarts_grow() -> None:
    said: list[str] = []
    part = Part(PartSpec("api", python("raise SystemExit(1)"), {}), said.append)
    await part.start()
    await until(lambda: len(said) >= 3)
    await part.stop()
    assert [line.split("again ")[1] for line in said[:3]] == [
        "at once (restart 1)",
        "in 0.5 s (restart 2)",
        "in 1 s (restart 3)",
    ]


async def never() -> bool:
    return False


async def at_once() -> bool:
    return True


async def test_a_permanent_refusal_before_it_was_ready_ends_the_start_with_its_code() -> None:
    part = Part(PartSpec("engine", python("raise SystemExit(3)"), {}, needed=True), lambda _: None)
    await part.start()
    with pytest.raises(CannotGoOn, match="engine could not start") as refused:
        await part.ready(never, 20)
    assert refused.value.code is Exit.PORT
    await part.stop()


async def test_the_same_refusal_after_it_was_ready_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    gate = tmp_path / "go"
    code = "import sys, time, pathlib\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\nsys.exit(4)"
    part = Part(PartSpec("engine", python(code, str(gate)), {}, needed=True), said.append)
    await part.start()
    assert await part.ready(at_once, 20)
    gate.touch()
    await until(lambda: part.restarts >= 1)
    assert "exit code 4" in said[0]
    await part.stop()


async def test_the_same_refusal_after_it_was_waited_for_in_vain_is_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    gate = tmp_path / "go"
    code = "import sys, time, pathlib\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.01)\nsys.exit(4)"
    part = Part(PartSpec("engine", python(code, str(gate)), {}, needed=True), said.append)
    await part.start()
    assert not await part.ready(never, 0.05)
    gate.touch()
    await until(lambda: part.restarts >= 1)
    assert said[0] == "engine ended (exit code 4); starting it again at once (restart 1)"
    await part.stop()


async def test_a_needed_part_that_crashes_for_an_unknown_reason_at_its_very_first_start_is_tried_again() -> None:
    said: list[str] = []
    part = Part(PartSpec("engine", python("raise SystemExit(1)"), {}, needed=True), said.append)
    await part.start()
    await until(lambda: len(said) >= 2)
    await part.stop()
    assert said[:2] == [
        "engine ended (exit code 1); starting it again at once (restart 1)",
        "engine ended (exit code 1); starting it again in 0.5 s (restart 2)",
    ]


async def test_a_process_that_the_system_does_not_give_is_a_failed_attempt_and_the_next_one_follows(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    program = tmp_path / "program"
    program.symlink_to("/bin/sleep")
    part = Part(PartSpec("engine", (str(program), "3600"), {}), said.append)
    await part.start()
    first = part.pid
    assert first is not None
    program.rename(tmp_path / "away")
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(said) >= 2)
    assert said[1] == (
        "engine ended (no process for it: No such file or directory); starting it again in 0.5 s (restart 2)"
    )
    (tmp_path / "away").rename(program)
    await until(lambda: part.pid != first)
    await part.stop()


async def test_a_first_process_that_the_system_does_not_give_is_tried_again_too(tmp_path: Path) -> None:
    said: list[str] = []
    program = tmp_path / "program"
    part = Part(PartSpec("engine", (str(program), "3600"), {}, needed=True), said.append)
    await part.start()
    assert part.pid is None
    program.symlink_to("/bin/sleep")
    await until(lambda: part.pid is not None)
    await part.stop()
    once = Part(PartSpec("migrate", (str(tmp_path / "nowhere"),), {}, again=False), said.append)
    await once.start()
    assert await once.ended() != 0


async def test_what_is_killed_is_not_started_again_by_anyone() -> None:
    said: list[str] = []
    part = Part(PartSpec("engine", python(FOREVER), {}), said.append)
    await part.start()
    part.kill()
    assert await part.ended() == -signal.SIGKILL
    first = part.pid
    await part.start()
    await part.stop()
    assert part.pid == first
    assert said == []


async def test_what_is_killed_while_it_is_being_started_ends() -> None:
    part = Part(PartSpec("engine", python(FOREVER), {}), lambda _: None)
    starting = asyncio.create_task(part.start())
    await asyncio.sleep(0)
    part.kill()
    await starting
    async with asyncio.timeout(20):
        assert await part.ended() != 0


async def test_a_part_that_does_not_get_ready_is_not_waited_for_for_ever() -> None:
    part = Part(PartSpec("api", python(FOREVER), {}), lambda _: None)
    await part.start()
    assert not await part.ready(never, 0.05)
    await part.stop()


async def test_a_part_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("davy.part.STOP_WITHIN_S", 0.1)
    said: list[str] = []
    lines: list[str] = []
    part = Part(PartSpec("api", python(STUBBORN + FOREVER[17:]), {}, lines=lines.append), said.append)
    await part.start()
    await until(lambda: lines == ["deaf"])
    await part.stop()
    assert said == ["api did not stop within 0 s and was killed"]


async def test_stopping_what_was_never_started_does_nothing() -> None:
    await Part(PartSpec("storage", python(FOREVER), {}), lambda _: None).stop()


async def test_a_part_sees_the_settings_it_is_given_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAVY_MQTT_PORT", "1")
    lines: list[str] = []
    code = "import os; print(sorted(k for k in os.environ if k.startswith('DAVY_')))"
    part = Part(PartSpec("api", python(code), {"DAVY_DATA": "/d"}, again=False, lines=lines.append), lambda _: None)
    await part.start()
    assert await part.ended() == 0
    assert lines == ["['DAVY_DATA']"]


def test_a_part_dies_with_a_supervisor_that_is_killed() -> None:
    code = f"""
import asyncio, sys
from davy.part import Part, PartSpec
async def main():
    part = Part(PartSpec("engine", (sys.executable, "-c", {FOREVER!r}), {{}}), print)
    await part.start()
    print(part.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        watch = os.pidfd_open(pid)
        supervisor.kill()
        supervisor.wait()
    import select

    assert select.select([watch], [], [], 20)[0], "the part outlived its supervisor"
    os.close(watch)
