"""The client has every operation, with types that read what the server says; and does to a server what it promises."""

import asyncio
import importlib
import pkgutil
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.alarm_shapes import Acknowledgement, Alarm, Alarms
from api.client import Davy, Operation, Refused, Unavailable, operations
from api.client.operations import alarms, devices, readings, standard, telemetry
from api.client.source import FOLDER, sources
from api.shapes import Asked
from tests.api.declared import description
from tests.api.door_double import DoorDouble
from tests.api.homes import ADMIN_TOKEN, DETECTOR, TOKENS
from tests.api.stand import Stand

ALL: dict[str, Operation[Any, Any]] = {
    name: found
    for module in pkgutil.iter_modules(operations.__path__)
    for name, found in vars(importlib.import_module(f"api.client.operations.{module.name}")).items()
    if isinstance(found, Operation)
}
DESCRIBED = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, of in description()["paths"].items()
    for method, operation in of.items()
}


def test_the_files_are_those_that_the_code_makes() -> None:
    told = sources()
    assert {path.name for path in FOLDER.glob("*.py")} == set(told)
    for name, text in told.items():
        assert (FOLDER / name).read_text("utf-8") == text, "the routes have changed: python -m api.client.source"


def test_its_operations_are_those_of_the_description() -> None:
    assert {name: (of.name, of.method, of.path) for name, of in ALL.items()} == {
        name: (name, method, path) for name, (method, path, _) in DESCRIBED.items()
    }


@pytest.mark.parametrize("name", ALL)
def test_an_operation_asks_and_reads_what_the_description_says(name: str) -> None:
    of, (_, _, described) = ALL[name], DESCRIBED[name]
    parameters = {(one["in"], one["name"]) for one in described.get("parameters", ())}
    assert {("query", name) for name in of.query} == {one for one in parameters if one[0] == "query"}
    assert of.keyed == (("header", "Idempotency-Key") in parameters)
    assert (of.body is not None) == ("requestBody" in described)
    if of.answer is None:
        assert set(described["responses"]) & {"200", "201", "202"} == set()
    elif of.answer is not bytes:
        answer = next(told for status, told in described["responses"].items() if status < "300")
        shown = answer["content"]["application/json"]["example"]
        kind = TypeAdapter(of.answer)
        assert kind.dump_python(kind.validate_python(shown), mode="json", by_alias=True) == shown


@pytest.mark.parametrize("body", sorted({of.body for of in ALL.values()} - {None, bytes}, key=str))
def test_a_body_goes_out_as_it_is_shown(body: type[Asked]) -> None:
    (shown,) = body.model_json_schema()["examples"]
    sent = body.model_validate(shown).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert body.model_validate(sent) == body.model_validate(shown)


@pytest.fixture
async def waits() -> list[float]:
    return []


@pytest.fixture
async def davy(stand: Stand, waits: list[float]) -> AsyncIterator[Davy]:
    async def wait(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0)

    async with Davy(f"http://127.0.0.1:{stand.port}", ADMIN_TOKEN, wait=wait) as client:
        yield client


async def test_it_reads_and_acknowledges_an_alarm_by_types(stand: Stand, davy: Davy) -> None:
    raised = await stand.alarm_at(DETECTOR)
    shown = await davy.ask(alarms.list_alarms)
    assert isinstance(shown, Alarms)
    assert raised in {alarm.alarm for alarm in shown.alarms}
    done = await davy.ask(alarms.acknowledge_alarm, raised, body=Acknowledgement(comment="on our way"), key="k1")
    assert done.subject == raised
    again = await davy.ask(alarms.acknowledge_alarm, raised, body=Acknowledgement(comment="on our way"), key="k1")
    assert again == done
    now = (await davy.ask(alarms.get_alarm, raised)).alarm
    assert isinstance(now, Alarm)
    assert now.state.name.endswith("ACKNOWLEDGED")


async def test_it_reads_a_list_page_by_page(stand: Stand, davy: Davy) -> None:
    raised = {await stand.alarm_at(device) for device in (DETECTOR,)}
    pages = [page async for page in davy.pages(alarms.list_alarms, query={"limit": 1})]
    assert all(len(page.alarms) <= 1 for page in pages)
    assert raised <= {alarm.alarm for page in pages for alarm in page.alarms}


async def test_a_device_hands_its_readings_over_with_it(stand: Stand) -> None:
    async with Davy(f"http://127.0.0.1:{stand.port}", TOKENS[DETECTOR]) as device:
        taken = await device.ask(
            telemetry.push_telemetry, *DETECTOR.split("/"), body=b'{"boot": 1, "seq": 1, "co_ppm": 3}'
        )
    assert taken.stored == 1


async def test_what_is_refused_says_why_and_is_not_asked_again(davy: Davy, waits: list[float]) -> None:
    with pytest.raises(Refused) as refused:
        await davy.ask(alarms.acknowledge_alarm, "0" * 32, body=Acknowledgement())
    assert refused.value.problem.status == 404
    assert waits == []
    with pytest.raises(ValueError, match="no parameter"):
        await davy.ask(alarms.list_alarms, query={"colour": "red"})
    with pytest.raises(ValueError, match="takes 2 values"):
        await davy.ask(devices.get_device, "acme")


async def test_what_is_away_is_asked_again_and_then_said_to_be_away(davy: Davy, waits: list[float]) -> None:
    with pytest.raises(Unavailable, match="database"):  # this stand has none
        await davy.ask(readings.get_latest_reading, *DETECTOR.split("/"))
    assert len(waits) == 3


async def test_an_instruction_whose_answer_is_lost_is_sent_again_with_its_key(
    engine: DoorDouble, stand: Stand, davy: Davy, waits: list[float]
) -> None:
    raised = await stand.alarm_at(DETECTOR)
    await engine.stop()
    with pytest.raises(Unavailable) as away:
        await davy.ask(alarms.acknowledge_alarm, raised, body=Acknowledgement())
    assert away.value.key
    assert len(waits) == 3


async def test_the_stream_of_alarms_comes_line_by_line(stand: Stand, davy: Davy) -> None:
    lines = davy.lines(alarms.stream_alarms)
    async with asyncio.timeout(20):
        first = await anext(lines)
        assert first
        await lines.aclose()  # type: ignore[attr-defined]


async def test_the_standard_needs_no_token(stand: Stand) -> None:
    async with Davy(f"http://127.0.0.1:{stand.port}") as stranger:
        said = await stranger.ask(standard.get_standard_dictionary, query={"lang": "en"})
        assert said.quantities[0].name == "combustible_lel"
        with pytest.raises(Refused, match="401"):
            await stranger.ask(alarms.list_alarms)


async def test_the_example_in_the_document_runs(stand: Stand) -> None:
    raised = await stand.alarm_at(DETECTOR)
    text = (Path(__file__).parents[2] / "docs" / "API.md").read_text("utf-8")
    (code,) = re.findall(r"<!-- test: client -->\n```python\n(.*?)```", text, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(code, "docs/API.md", "exec"), namespace)
    assert raised in await namespace["acknowledge_all"](f"http://127.0.0.1:{stand.port}", ADMIN_TOKEN)
    assert {alarm["acknowledged_by"] for alarm in await stand.alarms() if alarm["alarm"] == raised} == {"administrator"}
