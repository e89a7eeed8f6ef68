"""A simulated valve moves when its own procedure is written to it, in order and whole, and never otherwise."""

import itertools

import pytest

from devices.models import DeviceModel, load_catalogue
from devices.registers import Procedure, procedure
from simulators.modbus.unit import Point, Unit
from simulators.modbus.valve import BusValve
from tests.simulators.test_modbus_encoding import read

VALVES = {model.key: model for model in load_catalogue() if model.modbus is not None and model.modbus.command}
UNLOCKED = VALVES["sim_modbus_valve_one_shot"]
LATCHED = VALVES["sim_modbus_valve_latched"]


class Site:
    """One valve on a unit, and a clock."""

    def __init__(self, model: DeviceModel, stroke_s: float = 2.0) -> None:
        assert model.modbus is not None
        self.valve = BusValve(model, stroke_s=stroke_s)
        self.point = Point(model, valve=self.valve)
        self.unit = Unit(1, [self.point])
        found = procedure(model.modbus, "close")
        assert found is not None
        self.close: Procedure = found
        self.now_s = 0.0

    def write(self, function: int, at: int, values: tuple[int, ...]) -> bytes:
        if function in (5, 6):
            word = values[0] * 0xFF00 if function == 5 else values[0]
            pdu = bytes((function,)) + at.to_bytes(2) + word.to_bytes(2)
        else:
            if function == 15:
                body = sum(bit << n for n, bit in enumerate(values)).to_bytes((len(values) + 7) // 8, "little")
            else:
                body = b"".join(value.to_bytes(2) for value in values)
            pdu = bytes((function,)) + at.to_bytes(2) + len(values).to_bytes(2) + bytes((len(body),)) + body
        return self.unit.answer(pdu, self.now_s)

    def carry_out(self) -> None:
        for one in self.close.write:
            assert self.write(one.function, one.at, one.values)[0] == one.function
        if self.close.release:
            self.now_s += self.close.pulse_s
            for one in self.close.release:
                assert self.write(one.function, one.at, one.values)[0] == one.function

    def position(self) -> str:
        """As the platform's own decoder reads it."""
        self.unit.refresh(self.now_s)
        return ("unknown", "open", "opening", "closed", "closing", "fault", "none")[
            int(read(self.unit, self.point).rows["valve"][0])
        ]


@pytest.mark.parametrize("key", sorted(VALVES))
def test_the_declared_procedure_closes_the_valve_and_its_registers_say_so(key: str) -> None:
    site = Site(VALVES[key])
    assert site.position() == "open"
    site.carry_out()
    assert site.valve.position != "closed"
    site.now_s += 2.5
    assert site.position() == "closed"
    assert [verb for _, verb in site.valve.obeyed] == ["close"]
    site.valve.open_by_hand()
    assert site.position() == "open"


@pytest.mark.parametrize("key", sorted(VALVES))
def test_no_other_value_at_a_valves_addresses_moves_it(key: str) -> None:
    site = Site(VALVES[key])
    listed = {(w.function, w.at, w.values) for w in (*site.close.write, *site.close.release)}
    for function, at, values in sorted(listed):
        for value in (0, 1, 2, 3, 0xFFFF):
            tried = (value,) * len(values)
            if function in (5, 15) and value > 1:
                continue
            if (function, at, tried) not in listed:
                assert site.write(function, at, tried)[0] == function | 0x80
    site.now_s += 60.0
    assert site.position() == "open"
    assert site.valve.obeyed == []


def test_without_the_unlock_the_pulse_is_answered_and_nothing_moves() -> None:
    site = Site(UNLOCKED)
    pulse = site.close.write[-1]
    assert site.write(pulse.function, pulse.at, pulse.values)[0] == pulse.function
    site.now_s += 10.0
    assert site.position() == "open"


def test_a_wrong_password_is_refused_and_locks_again() -> None:
    site = Site(UNLOCKED)
    unlock, pulse = site.close.write
    site.write(unlock.function, unlock.at, unlock.values)
    assert site.write(unlock.function, unlock.at, (1, 2)) == bytes((unlock.function | 0x80, 3))
    site.write(pulse.function, pulse.at, pulse.values)
    assert site.valve.obeyed == []


def test_the_result_of_the_unlock_reads_right_only_once_it_is_given() -> None:
    site = Site(UNLOCKED)
    result = bytes.fromhex("03 000c 0001")
    assert site.unit.answer(result, 0.0).hex() == "03020000"
    unlock = site.close.write[0]
    site.write(unlock.function, unlock.at, unlock.values)
    assert site.unit.answer(result, 0.0).hex() == "03020001"


def test_an_unlock_is_forgotten_after_a_while() -> None:
    site = Site(UNLOCKED)
    unlock, pulse = site.close.write
    site.write(unlock.function, unlock.at, unlock.values)
    site.now_s += 11.0
    site.write(pulse.function, pulse.at, pulse.values)
    assert site.valve.obeyed == []


def test_a_pulse_counts_again_only_after_its_release() -> None:
    site = Site(UNLOCKED)
    for _ in range(3):
        for one in site.close.write:
            site.write(one.function, one.at, one.values)
    assert len(site.valve.pulses) == 1
    assert site.valve.pulses[0].ended_s is None
    site.now_s += site.close.pulse_s
    release = site.close.release[0]
    site.write(release.function, release.at, release.values)
    assert site.valve.pulses[0].ended_s == site.now_s
    site.carry_out()
    assert len(site.valve.pulses) == 2


def test_a_pulse_that_is_cut_short_moves_nothing() -> None:
    site = Site(UNLOCKED)
    for one in (*site.close.write, *site.close.release):
        site.write(one.function, one.at, one.values)
        site.now_s += 0.01
    site.now_s += 10.0
    assert site.position() == "open"


def test_a_jammed_valve_takes_the_command_and_stays() -> None:
    site = Site(LATCHED)
    site.valve.jammed = True
    site.carry_out()
    site.now_s += 10.0
    assert site.position() == "open"


def test_two_functions_write_the_same_register_alike() -> None:
    single, several = Site(UNLOCKED), Site(UNLOCKED)
    for site, function in ((single, 6), (several, 16)):
        unlock, pulse = site.close.write
        site.write(unlock.function, unlock.at, unlock.values)
        site.write(function, pulse.at, pulse.values)
    assert len(single.valve.obeyed) == len(several.valve.obeyed) == 1


@pytest.mark.parametrize("order", [o for o in itertools.permutations(range(2)) if o != (0, 1)])
def test_steps_in_another_order_close_nothing(order: tuple[int, ...]) -> None:
    site = Site(UNLOCKED)
    for at in order:
        one = site.close.write[at]
        site.write(one.function, one.at, one.values)
    assert site.valve.obeyed == []
