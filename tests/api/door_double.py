"""A small engine for the API's tests: the door's messages over a real socket, with just enough of the rules to have
something to say (of incidents, permits and held shut-offs it has none). The tests speak HTTP only, so the same tests
run against the real engine (conftest.py).

What it shares with the engine is engine/messages.py; what it invents is kept small: a reading with `high_alarm` raises
an alarm at its device and wants the site's shut-off valve closed; a reading `valve: closed` of a valve confirms.
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from devices.quantities import ValvePosition
from devices.sites import Device, Registry, token_sha256
from engine import messages as m
from engine.records import SourceCount
from rules import decisions as d
from rules.documents.document import default_pack, load_pack
from rules.instructions import Acknowledge, CancelClose, CloseValve, Instruction, Reset

_decode = msgspec.msgpack.Decoder(m.Request).decode
_encode = msgspec.msgpack.Encoder().encode
START_US = 1_790_000_000_000_000


@dataclass(slots=True)
class _Wanted:
    view: m.WantedView
    command: str


@dataclass(slots=True)
class DoorDouble:
    """`busy`: answer pushes and instructions Busy. `mute`: take requests and answer nothing. `engine`: the store's."""

    path: Path
    registry: Registry
    engine: str = "engine-a"
    busy: bool = False
    mute: bool = False
    cycle: int = 10
    now_us: int = START_US
    authenticated: int = 0
    listed: int = 0
    statuses: int = 0
    gone_before: int = 0
    alarms: dict[str, m.AlarmView] = field(default_factory=dict)
    wanted: dict[str, _Wanted] = field(default_factory=dict)
    feed: list[m.FeedEvent] = field(default_factory=list)
    answers: dict[str, m.Instructed] = field(default_factory=dict)
    pushed: dict[str, m.Pushed] = field(default_factory=dict)
    seen: set[tuple[str, int, int]] = field(default_factory=set)
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    _server: asyncio.Server | None = None
    _callers: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    _followers: dict[asyncio.StreamWriter, int] = field(default_factory=dict)

    async def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._called, path=str(self.path))

    async def stop(self) -> None:
        """As a killed engine: the socket is gone, every connection is cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, writer in tuple(self._callers.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    def device(self, identity: str) -> Device | None:
        return next((device for device in self.registry.devices if device.identity == identity), None)

    def kind(self, device: Device) -> str:
        return str(next(model.kind for model in self.registry.models if model.key == device.model))

    def decide(self, *decisions: d.Decision) -> None:
        """One cycle that decides this, told to every follower."""
        self.cycle += 1
        numbers = {device.device_no: device.identity for device in self.registry.devices}
        for n, decision in enumerate(decisions):
            identity = numbers.get(getattr(decision, "device_no", 0), "")
            event = m.FeedEvent(
                request=0, engine=self.engine, cycle=self.cycle, n=n, decision=decision, identity=identity
            )
            self.feed.append(event)
            for writer, request in self._followers.items():
                _say(writer, msgspec.structs.replace(event, request=request))

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers[task] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                size = int.from_bytes(await reader.readexactly(4), "little")
                request = _decode(await reader.readexactly(size))
                if not self.mute:
                    self._hear(request, writer)
        self._followers.pop(writer, None)
        del self._callers[task]
        writer.close()

    def _hear(self, request: m.Request, writer: asyncio.StreamWriter) -> None:
        match request:
            case m.Follow():
                self._follow(request, writer)
            case m.Push() | m.Instruct() if self.busy:
                _say(writer, m.Busy(request=request.request, retry_after_s=7, reason="the store is in its reserve"))
            case m.Push():
                _say(writer, self._push(request))
            case m.Instruct():
                _say(writer, self._instruct(request))
            case m.Authenticate():
                self.authenticated += 1
                _say(writer, self._authenticate(request))
            case m.FindDevice():
                _say(writer, self._find(request))
            case m.ListAlarms():
                self.listed += 1
                views = tuple(view for view in self.alarms.values() if request.alarm in ("", view.alarm))
                _say(writer, m.Alarms(request=request.request, as_of=self.cycle, alarms=views))
            case m.ListWanted():
                views_ = tuple(one.view for key, one in self.wanted.items() if request.wanted in ("", key))
                _say(writer, m.WantedList(request=request.request, as_of=self.cycle, wanted=views_))
            case m.ListIncidents():
                _say(writer, m.Incidents(request=request.request, as_of=self.cycle, incidents=()))
            case m.ListPermits():
                _say(writer, m.Permits(request=request.request, as_of=self.cycle, permits=()))
            case m.ListHeld():
                _say(writer, m.HeldList(request=request.request, as_of=self.cycle, held=()))
            case m.GetRules():
                _say(writer, self._rules(request))
            case m.GetStatus():
                self.statuses += 1
                _say(writer, self._status(request))

    def _rules(self, request: m.GetRules) -> m.RulesInForce:
        pack = load_pack(default_pack(), "built-in rules")
        return m.RulesInForce(
            request=request.request,
            as_of=self.cycle,
            sha256="",
            version=pack.version,
            rules=pack.rules,
            overrides=pack.overrides,
            reverted={},
            alarms={},
        )

    def _status(self, request: m.GetStatus) -> m.Status:
        return m.Status(
            request=request.request,
            engine=self.engine,
            cycle=self.cycle,
            now=self.now_us,
            devices=len(self.registry.devices),
            registry_number=1,
            counts=(SourceCount("http", *self.counts),),
            followers={"storage": self.cycle - 3},
            gauges={"store_bytes": 4096.0},
        )

    def _follow(self, request: m.Follow, writer: asyncio.StreamWriter) -> None:
        if 0 <= request.cycle < self.gone_before:
            _say(writer, m.FeedGone(request=request.request, oldest=self.gone_before))
            return
        for event in self.feed:
            if request.cycle >= 0 and (event.cycle, event.n) > (request.cycle, request.n):
                _say(writer, msgspec.structs.replace(event, request=request.request))
        self._followers[writer] = request.request

    def _authenticate(self, request: m.Authenticate) -> m.Authenticated:
        hashes = {credential.token_sha256: credential.identity for credential in self.registry.credentials}
        owner = hashes.get(token_sha256(request.token), "")
        device = self.device(request.identity)
        if device is None or owner not in (device.identity, device.gateway):
            return m.Authenticated(request=request.request, identity="")
        behind = tuple(other.identity for other in self.registry.devices if other.gateway == owner)
        return m.Authenticated(request=request.request, identity=owner, may_publish_for=(owner, *behind))

    def _find(self, request: m.FindDevice) -> m.DeviceFound:
        device = self.device(request.identity)
        if device is None:
            return m.DeviceFound(request=request.request, device_no=0)
        kind = self.kind(device)
        return m.DeviceFound(
            request=request.request,
            device_no=device.device_no,
            identity=device.identity,
            kind=kind,
            model=device.model,
            site=device.site,
            commandable=kind == "shut_off_valve",
        )

    def _push(self, push: m.Push) -> m.Answer:
        name = f"{push.principal} {push.identity} {push.key} {push.payloads!r}"
        known = self.pushed.get(name) if push.key else None
        if known is not None:
            return msgspec.structs.replace(known, request=push.request)
        stored = duplicate = quarantined = 0
        for payload in push.payloads:
            try:
                assert push.content_type == "application/json"
                found = json.loads(payload)
                readings = found if isinstance(found, list) else [found]
                assert readings
                assert all(isinstance(reading, dict) for reading in readings)
            except (ValueError, AssertionError, RecursionError):
                quarantined += 1
                continue
            for reading in readings:
                key = (push.identity, reading.get("boot", 0), reading.get("seq", -1))
                duplicate += key in self.seen
                stored += key not in self.seen
                self.seen.add(key)
                self._judge(push.identity, reading)
        for at, many in enumerate((stored + duplicate + quarantined, stored, duplicate, quarantined)):
            self.counts[at] += many
        answer = m.Pushed(request=push.request, stored=stored, duplicate=duplicate, quarantined=quarantined)
        if push.key:
            self.pushed[name] = answer
        return answer

    def _judge(self, identity: str, reading: dict[str, object]) -> None:
        device = self.device(identity)
        assert device is not None
        self.now_us += 1_000_000
        if reading.get("high_alarm") and all(view.device_no != device.device_no for view in self.alarms.values()):
            self._raise(device)
        if reading.get("valve") == "closed":
            for wanted in self.wanted.values():
                if wanted.view.device_no == device.device_no and wanted.view.outcome is None:
                    self._end(wanted, d.Outcome.CONFIRMED, "", "")

    def _raise(self, device: Device) -> None:
        alarm = d.alarm_id("gas-high-flag", device.device_no, self.now_us)
        raised = d.AlarmRaised(
            at=self.now_us,
            alarm=alarm,
            rule="gas-high-flag",
            device_no=device.device_no,
            site=device.site,
            priority=d.Priority.CRITICAL,
            onset=self.now_us,
            state=d.AlarmState.UNACKNOWLEDGED,
        )
        self.alarms[alarm] = m.AlarmView(
            alarm=alarm,
            rule=raised.rule,
            device_no=device.device_no,
            identity=device.identity,
            site=device.site,
            priority=raised.priority,
            state=raised.state,
            onset=self.now_us,
            raised=self.now_us,
            changed=self.now_us,
            quantity="",
            value=None,
            late=False,
            because="",
            acknowledged_by="",
        )
        self.decide(raised)
        for link in self.registry.links:
            valve = self.device(link.valve)
            if link.detector == device.identity and valve is not None and self.kind(valve) == "shut_off_valve":
                self._want(valve, "gas", alarm, "")

    def _want(self, valve: Device, reason: str, alarm: str, by: str) -> str:
        for key, open_ in self.wanted.items():
            if open_.view.device_no == valve.device_no and open_.view.outcome is None:
                return key
        epoch = 1 + sum(one.view.device_no == valve.device_no for one in self.wanted.values())
        wanted = d.wanted_id(valve.device_no, epoch)
        command = d.command_id(wanted, 1)
        view = m.WantedView(
            wanted=wanted,
            device_no=valve.device_no,
            identity=valve.identity,
            site=valve.site,
            epoch=epoch,
            reason=reason,
            alarm=alarm,
            by=by,
            since=self.now_us,
            confirm_by=self.now_us + 10_000_000,
            outcome=None,
            ended=0,
            position=ValvePosition.OPEN,
            steps=(m.StepView(command, 1, d.Step.REQUESTED, self.now_us, ""),),
        )
        self.wanted[wanted] = _Wanted(view, command)
        no, at = valve.device_no, self.now_us
        self.decide(
            d.CloseWanted(
                at=at, wanted=wanted, device_no=no, epoch=epoch, reason=reason, alarm=alarm, by=by, confirm_by=at
            ),
            d.AttemptRequested(
                at=at, command=command, wanted=wanted, device_no=no, epoch=epoch, attempt=1, expires=at, reason=reason
            ),
        )
        return wanted

    def _end(self, wanted: _Wanted, outcome: d.Outcome, by: str, comment: str) -> None:
        view, at = wanted.view, self.now_us
        step = m.StepView(wanted.command, 1, d.Step.CONFIRMED, at, "")
        confirmed = outcome is d.Outcome.CONFIRMED
        wanted.view = msgspec.structs.replace(
            view,
            outcome=outcome,
            ended=at,
            position=ValvePosition.CLOSED if confirmed else view.position,
            steps=(*view.steps, step) if confirmed else view.steps,
        )
        ended = d.WantedEnded(
            at=at, wanted=view.wanted, device_no=view.device_no, outcome=outcome, by=by, comment=comment
        )
        self.decide(ended)

    def _instruct(self, request: m.Instruct) -> m.Answer:
        instruction = request.instruction
        if instruction.id not in self.answers:
            accepted, reason, subject = self._do(instruction)
            answer = m.Instructed(request=0, accepted=accepted, reason=reason, subject=subject)
            self.answers[instruction.id] = answer
        return msgspec.structs.replace(self.answers[instruction.id], request=request.request)

    def _do(self, instruction: Instruction) -> tuple[bool, str, str]:
        self.now_us += 1_000_000
        match instruction:
            case Acknowledge():
                view = self.alarms.get(instruction.alarm)
                if view is None:
                    return False, "no such alarm", instruction.alarm
                if view.state is not d.AlarmState.UNACKNOWLEDGED:
                    return False, "it is acknowledged already", instruction.alarm
                self._change(view, d.AlarmState.ACKNOWLEDGED, instruction.by, instruction.comment)
                return True, "", instruction.alarm
            case Reset():
                return False, "the condition is still present", instruction.alarm
            case CloseValve():
                valve = next(one for one in self.registry.devices if one.device_no == instruction.device_no)
                if self.kind(valve) != "shut_off_valve":
                    return False, "it takes no CLOSE", ""
                return True, "", self._want(valve, instruction.reason, "", instruction.by)
            case CancelClose():
                wanted = self.wanted.get(instruction.wanted)
                if wanted is None or wanted.view.outcome is not None:
                    return False, "nothing is under way", instruction.wanted
                self._end(wanted, d.Outcome.CANCELLED, instruction.by, instruction.reason)
                return True, "", instruction.wanted
            case _:
                return False, "there is no such thing here", ""

    def _change(self, view: m.AlarmView, state: d.AlarmState, by: str, comment: str) -> None:
        self.alarms[view.alarm] = msgspec.structs.replace(view, state=state, acknowledged_by=by, changed=self.now_us)
        self.decide(
            d.AlarmChanged(
                at=self.now_us,
                alarm=view.alarm,
                rule=view.rule,
                device_no=view.device_no,
                site=view.site,
                priority=view.priority,
                onset=view.onset,
                change=d.Change.ACKNOWLEDGED,
                state=state,
                by=by,
                comment=comment,
            )
        )


def _say(writer: asyncio.StreamWriter, answer: m.Answer) -> None:
    body = _encode(answer)
    writer.write(len(body).to_bytes(4, "little") + body)
