"""Whether the commands of a register map can be carried out, and are allowed at all."""

from collections.abc import Iterator

from devices.register_check_fields import Fault
from devices.register_map import CommandProcedure, RegisterMap, Write
from devices.registers import HIGHEST_ADDRESS, procedure

#: Modbus application protocol 1.1b3, sections 6.11 and 6.12.
MOST_COILS_WRITTEN, MOST_REGISTERS_WRITTEN = 1968, 123
#: Product choice: a pause longer than this would hold up every other command of the bus.
LONGEST_PAUSE_MS = 60_000.0
#: Product choice: a pulse, with the pauses in what ends it, must end before an engine that is stopped is killed (10 s).
LONGEST_PULSE_MS = 5_000.0

_MUST_SAY = {
    "close": "a shut_off_valve on a bus must say how it is closed",
    "fan_on": "a fan on a bus must say how it is switched on",
}


def command_faults(chart: RegisterMap, *, verb: str) -> Iterator[Fault]:
    """Faults of `command`, keys from there on. verb: what such a device is for ("close", "fan_on"); empty: it takes
    none."""
    if chart.command and not verb:
        yield "command", "only a shut_off_valve, and a fan with an [actuator], takes commands"
    if verb and not any(command.verb == verb for command in chart.command):
        yield "command", _MUST_SAY[verb]
    verbs: set[str] = set()
    for at, command in enumerate(chart.command):
        if command.verb in verbs:
            yield f"command[{at}].verb", f"{command.verb!r} is there twice"
        verbs.add(command.verb)
        yield from ((f"command[{at}].{key}", reason) for key, reason in _style_faults(command))
        for part, writes in (("write", command.write), ("release", command.release)):
            for number, write in enumerate(writes):
                key = f"command[{at}].{part}[{number}]"
                yield from ((f"{key}.{name}", reason) for name, reason in _write_faults(chart, write))


def _style_faults(command: CommandProcedure) -> Iterator[Fault]:
    if not command.write:
        yield "write", "needs at least one write"
    if command.style == "latched":
        if command.release or command.pulse_ms:
            yield "style", "a latched command has neither pulse_ms nor release"
        return
    if not command.release:
        yield "release", "a one_shot command must say how the pulse ends"
    if not 0 < command.pulse_ms <= LONGEST_PULSE_MS:
        yield "pulse_ms", f"must be above 0 and at most {LONGEST_PULSE_MS:.0f}"
    elif command.pulse_ms + sum(write.pause_ms for write in command.release) > LONGEST_PULSE_MS:
        yield "pulse_ms", f"must be at most {LONGEST_PULSE_MS:.0f} with the pauses of release"


def _write_faults(chart: RegisterMap, write: Write) -> Iterator[Fault]:
    if not 0 <= write.pause_ms <= LONGEST_PAUSE_MS:
        yield "pause_ms", f"must be 0 to {LONGEST_PAUSE_MS:.0f}"
    if write.stride < 0:
        yield "stride", "must be 0 or more"
        return
    bits = write.function in (5, 15)
    most = MOST_COILS_WRITTEN if bits else MOST_REGISTERS_WRITTEN
    if len(write.values) > most:
        yield "values", f"at most {most} in one request"
    # The addresses go up with the channel, so what holds for the first and the last holds for all.
    alone = RegisterMap(
        field=(),
        notation=chart.notation,
        base=chart.base,
        command=(CommandProcedure(verb="close", style="latched", write=(write,)),),
    )
    for channel in dict.fromkeys((1, max(chart.channels, 1))):
        try:
            ready = procedure(alone, "close", channel)
        except ValueError as wrong:
            yield "at", str(wrong)
            return
        if ready is not None and ready.write[0].at + len(write.values) - 1 > HIGHEST_ADDRESS:
            yield "at", f"ends beyond wire address {HIGHEST_ADDRESS}"
            return
