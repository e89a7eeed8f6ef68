"""The rule engine's memory: what the decisions so far have left behind. Mutable, private to one engine.

A1  The state is a function of the inputs that were stepped through it and of nothing else (G5).
A2  Dense facts are arrays laid out [device, rule], so that a device's rules share cache lines; rare ones (open alarms,
    wanted positions) are frozen records in dictionaries, replaced when they change. So a snapshot is a few copies.
A3  Timers are entries of a heap ordered by (due, kind, slot, number); an entry is only a reminder, and what is really
    due is looked up when it comes up. The heap can therefore be rebuilt from the rest.
"""

import heapq
from enum import IntEnum

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.commands import Verb
from devices.fleet import Fleet
from devices.models import Reachability
from devices.quantities import ALARM_FLAGS, Flag, ValvePosition
from devices.readings import Rows
from rules.decisions import AlarmState, Outcome, Priority, Step
from rules.documents.document import RulePack
from rules.evaluation.evaluation import beyond
from rules.evaluation.kernels import Compiled, compile_pack
from rules.evaluation.selection import SILENT_INTERVALS as SILENT_INTERVALS
from rules.evaluation.windows import Windows
from rules.interlock.waiting import Waiting
from rules.life.deadlines import NEVER as NEVER
from rules.life.lookups import Explaining, Gathered
from rules.life.tally import deadlines, tally
from rules.stepping.columns import Columns
from rules.stepping.standing import Held, Incident, OutOfService, Permit, Proving, Shelf, Standing, Suppression, Tokens
from rules.stepping.traits import traits
from rules.stepping.worsening import Worsening

#: In no row of a batch.
NO_ROW = np.iinfo(np.int32).max
#: Wanted positions that ended are kept for people to look at, so many.
MOST_ENDED = 1_000


class OpenAlarm(msgspec.Struct, frozen=True):
    """An alarm that is not NORMAL, or is shelved. `state` is what it shows: SHELVED, SUPPRESSED or OUT_OF_SERVICE hide
    the true one (state.phase). `raised` and `changed` are when it was decided; `onset` is effective time."""

    alarm: str
    rule: str
    slot: int
    device_no: int
    identity: str
    site: str
    priority: Priority
    state: AlarmState
    onset: int
    raised: int
    changed: int
    quantity: str
    value: float | None
    late: bool
    because: str
    acknowledged_by: str
    #: See AlarmRaised. `note` is what holds now: it follows a condition that goes on changing while the alarm stands.
    note: str = ""
    expected: int = 0
    #: See AlarmRaised. A trial hides nothing and tells nobody.
    trial: bool = False
    incident: str = ""
    #: An alarm bit of the device itself raised it, now or since: no budget holds what it asks for.
    device_says: bool = False
    #: Which ones, bits of Flag; 0 in snapshots of before this was kept, until the device says it again.
    device_bits: int = 0
    #: What a person said it was: a word of Resolution, or empty.
    resolution: str = ""
    #: Until when it is shelved or out of service; 0: no limit, or neither.
    until: int = 0
    #: By what its shut-offs are compared while they wait: what it was raised with the last time. `value` is that of the
    #: first time.
    worst: float | None = None
    #: When a decision last told `note` and `expected`; 0 in snapshots of before this was kept. `unsaid`: none has told
    #: what they are now.
    told: int = 0
    unsaid: bool = False


class StepRecord(msgspec.Struct, frozen=True):
    command: str
    attempt: int
    step: Step
    at: int
    note: str


class Attempt(msgspec.Struct, frozen=True):
    """One CLOSE. `over`: failed or expired; nothing more is expected of it."""

    command: str
    number: int
    expires: int
    sent: bool = False
    over: bool = False


class Wanted(msgspec.Struct, frozen=True):
    """A valve that shall be closed. `first_sent` 0: nothing has left yet; `next_attempt` NEVER: attempts are over.
    `attempts`: by number, without those that were over long ago."""

    wanted: str
    slot: int
    device_no: int
    identity: str
    site: str
    epoch: int
    reason: str
    alarm: str
    by: str
    since: int
    confirm_by: int
    next_attempt: int
    attempts: tuple[Attempt, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    first_sent: int = 0
    outcome: Outcome | None = None
    ended: int = 0
    position: ValvePosition = ValvePosition.UNKNOWN
    #: See CloseWanted.
    hears_by: int = 0
    #: Of a valve that sleeps: attempts since it was last awake.
    unheard: int = 0
    #: When the newest attempt was decided; 0 in snapshots of before this was kept.
    last_attempt: int = 0
    #: CLOSE, or of a fan FAN_ON.
    verb: Verb = Verb.CLOSE


def sleepers(fleet: Fleet) -> NDArray[np.bool_]:
    """Which valves hear a command only when they wake, shape (slots,)."""
    found = np.zeros(len(fleet), np.bool_)
    found[[slot for slot, valve in fleet.valves.items() if valve.actuator.reachability is Reachability.WAKES]] = True
    return found


class Timer(IntEnum):
    """Kinds of heap entries: (due, kind, slot, number)."""

    HOLD = 0  # number: rule
    SILENCE = 1  # number: rule, or deadlines.VOTES
    ATTEMPT = 2  # number: epoch
    EXPIRY = 3  # number: attempt
    CONFIRM = 4  # number: epoch
    NOTE = 5  # number: rule
    SHELF = 6  # number: rule
    SERVICE = 7  # number: 0
    PERMIT = 8  # number: 0
    RELEASE = 9  # slot 0, number: rule
    UNSEEN = 10  # number: 0


class State:
    """Per (slot, rule): phase (AlarmState, u1), and of rules that wait since (i8, onset of a running hold or clear
    hold, 0: none) and due (i8, when that hold ends on the engine's clock). Per slot: heard (i8, last received),
    position (u1, ValvePosition as last observed), epoch (i4), busy and watched (bool), stage (u1, how many of its
    silences have come) and silent (bool: one has). phase is the true state of an alarm; what hides it (shelves,
    suppressions, out_of_service) stands beside.

    traits, deadlines, outages follow from the rest: what sort of rules there are; when devices fall silent; how many of
    each group are, by rule. first_row: per slot, i4, NO_ROW: room to work in for `notable`.
    worst: what devices said while holds run, of rules that act.
    changed: when the rules or the registry last changed.
    sleeps: per slot, bool: a valve that hears a command only when it wakes.

    paused_since: since when silences are not looked for (Paused); 0: they are.
    deaf_until: when the engine last began to hear everybody again; 0: it always did.
    awake: slot of a valve that sleeps -> when it was last surely awake; without those of which that is not known: they
        were never heard, or were last heard before it was kept.
    seen: slot of a watched valve -> when its position was last seen. relied: slots of valves that an alarm did not tell
        to close, because they counted as seen closed. valves_speak: false where history is tried out (backtest_world,
        W2): a valve stands where it was put there, and does not go on saying so.
    by_command: command -> (valve slot, attempt), of open wanted positions.
    closed_for: valve slot -> alarms (slot, rule) that asked for its closing and are still open.
    windows: what expressions remember. incidents: by id, those not closed. permits: by valve slot, those that live.
    explaining, gathered: lookups, made from the rest when they are asked for (rules/life/lookups.py).
    held: by rule and valve slot. unheard: slots of detectors that were not heard since the store was restored.
    proving: rule -> at which devices it was raised since it came into force, a short while ago: slots.
    waiting, waits, paged follow from the rest: what is held, by whose turn it is; per slot, bool: a live reading of
    this detector decides about something held; where the alarm about held shut-offs stands (True: about simulated)."""

    def __init__(self, fleet: Fleet, compiled: Compiled, now: int) -> None:
        self.now = now
        self.fleet = fleet
        self.compiled = compiled
        self.sleeps = sleepers(fleet)
        slots, rules = len(fleet), len(compiled)
        self.phase = np.full((slots, rules), 0, np.uint8)  # see Columns: found now, not in the middle of a cycle
        self.traits = traits(compiled)
        self.since = Columns(slots, rules, self.traits.waits)
        self.due = Columns(slots, rules, self.traits.waits)
        self.worst = Worsening(slots, self.traits.worsens)
        self.heard = np.full(slots, now, np.int64)
        self.position = np.zeros(slots, np.uint8)
        self.epoch = np.zeros(slots, np.int32)
        self.busy = np.zeros(slots, np.bool_)
        self.watched = np.zeros(slots, np.bool_)
        self.stage = np.zeros(slots, np.uint8)
        self.silent = np.zeros(slots, np.bool_)
        self.deadlines = deadlines(compiled)
        self.deadlines.bound(self.heard, compiled.class_of, self.stage, now)
        self.outages = tally(compiled, self.deadlines, self.stage)
        self.changed = 0
        self.first_row = np.full(slots, NO_ROW, np.int32)
        self.open: dict[tuple[int, int], OpenAlarm] = {}
        self.by_alarm: dict[str, tuple[int, int]] = {}
        self.by_wanted: dict[str, int] = {}
        self.by_command: dict[str, tuple[int, int]] = {}
        self.wanted_by_slot: dict[int, Wanted] = {}
        self.ended: dict[str, Wanted] = {}
        self.closed_for: dict[int, tuple[tuple[int, int], ...]] = {}
        self.timers: list[tuple[int, int, int, int]] = []
        self.paused_since = 0
        self.deaf_until = 0
        self.awake: dict[int, int] = {}
        self.seen: dict[int, int] = {}
        self.relied: set[int] = set()
        self.valves_speak = True
        self.windows = Windows(compiled)
        for array in self.windows.arrays().values():
            array.fill(0)
        self._nothing_stands(slots)

    def _nothing_stands(self, slots: int) -> None:
        """What stands beside alarms and wanted positions: nothing yet."""
        self.shelves: dict[tuple[int, str], Shelf] = {}
        self.out_of_service: dict[int, OutOfService] = {}
        self.suppressions: dict[tuple[int, str], Suppression] = {}
        self.incidents: dict[str, Incident] = {}
        self.explaining: Explaining | None = None
        self.gathered: Gathered | None = None
        self.permits: dict[int, Permit] = {}
        self.held: dict[tuple[str, int], Held] = {}
        self.tokens: dict[str, Tokens] = {}
        self.reverted: dict[str, str] = {}
        self.unheard: set[int] = set()
        self.proving: dict[str, tuple[Proving, set[int]]] = {}
        self.waiting = Waiting()
        self.waits = np.zeros(slots, np.bool_)
        self.paged: dict[bool, int] = {}

    @classmethod
    def initial(cls, fleet: Fleet, pack: RulePack, now: int) -> "State":
        """A state in which nothing has happened; every device counts as heard at `now`."""
        return cls(fleet, compile_pack(pack, fleet), now)

    @property
    def next_deadline(self) -> int:
        """No timer is due before this (microseconds UTC); it may come up early, never late."""
        silence = NEVER if self.paused_since else self.deadlines.next_look
        return min(self.timers[0][0] if self.timers else NEVER, silence)

    @property
    def next_due(self) -> int:
        """As next_deadline, without the looks that can wait."""
        silence = NEVER if self.paused_since else self.deadlines.lowest
        return min(self.timers[0][0] if self.timers else NEVER, silence)

    def remind(self, due: int, kind: Timer, slot: int, number: int) -> None:
        if due < NEVER:
            heapq.heappush(self.timers, (due, kind, slot, number))

    def refresh_busy(self, slots: NDArray[np.int32] | list[int]) -> None:
        """After a change: a slot is busy while one of its rules is not at rest. Only busy ones go through rounds."""
        self.busy[slots] = (self.phase[slots] != 0).any(axis=1) | self.since.some(slots)

    def refresh_watched(self, slot: int) -> None:
        """A valve is watched while its closing is wanted, or while an alarm that closed it is open."""
        self.watched[slot] = slot in self.wanted_by_slot or bool(self.closed_for.get(slot))
        if not self.watched[slot]:
            self.unsee(slot)

    def unsee(self, slot: int) -> None:
        """What was seen of this valve says nothing any more of where it stands."""
        self.seen.pop(slot, None)
        self.relied.discard(slot)

    def standing(self) -> Standing:
        """The frozen records beside alarms and wanted positions, for a snapshot."""
        return Standing(
            shelves=tuple(self.shelves[key] for key in sorted(self.shelves)),
            out_of_service=tuple(self.out_of_service[key] for key in sorted(self.out_of_service)),
            suppressions=tuple(self.suppressions[key] for key in sorted(self.suppressions)),
            incidents=tuple(self.incidents.values()),
            permits=tuple(self.permits[key] for key in sorted(self.permits)),
            held=tuple(self.held.values()),
            tokens=tuple(self.tokens[key] for key in sorted(self.tokens)),
            reverted=dict(self.reverted),
            unheard=tuple(sorted(self.unheard)),
            proving=tuple(
                msgspec.structs.replace(one, slots=tuple(sorted(slots))) for one, slots in self.proving.values()
            ),
        )

    def stand(self, standing: Standing) -> None:
        """The inverse. The order of incidents and held shut-offs is that in which they came."""
        self.shelves = {(one.slot, one.rule): one for one in standing.shelves}
        self.out_of_service = {one.slot: one for one in standing.out_of_service}
        self.suppressions = {(one.slot, one.rule): one for one in standing.suppressions}
        self.incidents = {one.incident: one for one in standing.incidents}
        self.permits = {one.slot: one for one in standing.permits}
        self.held = {(one.rule, one.valve): one for one in standing.held}
        self.tokens = {one.rule: one for one in standing.tokens}
        self.reverted = dict(standing.reverted)
        self.unheard = set(standing.unheard)
        self.proving = {one.rule: (one, set(one.slots)) for one in standing.proving}

    def alarms(self) -> tuple[OpenAlarm, ...]:
        """Every alarm that is not NORMAL."""
        return tuple(self.open.values())

    def wanted(self) -> tuple[Wanted, ...]:
        """Every open wanted position and the last MOST_ENDED that ended, newest first."""
        found = [*self.wanted_by_slot.values(), *self.ended.values()]
        return tuple(sorted(found, key=lambda one: (-one.since, one.wanted)))

    def find_wanted(self, wanted: str) -> Wanted | None:
        slot = self.by_wanted.get(wanted)
        return self.wanted_by_slot[slot] if slot is not None else self.ended.get(wanted)

    def matters(self, rows: Rows, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which readings are alarm-relevant, shape (n,): the device's own alarm or fault bit, a value at or beyond a
        limit, a device with an open alarm or a running hold, a valve whose closing is wanted (G4)."""
        says = (rows["flags"] & int(ALARM_FLAGS | Flag.FAULT)) != 0
        limits = beyond(self.compiled, rows, slots)
        relevant: NDArray[np.bool_] = says | limits | self.busy[slots] | self.watched[slots]
        return relevant
