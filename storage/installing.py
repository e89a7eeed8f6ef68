"""A device put up, put in another's place, or taken down: which rows of the register that is. Pure.

U1  Where a device is, is said once: its open installation names the site that the device has. So putting it up ends
    the installation before, on the day on which the new one begins.
U2  What replaces a device takes over its links, and the old one leaves the register: a detector in a drawer is nobody's
    protection. Its number, readings and past stay, and when it is put up again it is the same device.
U3  Nothing ends before it began: that is refused (ValueError), with the days.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from devices.register import DeviceFacts, Installation, LinkFacts
from devices.sites import Link
from storage.devices import RegisteredDevice
from storage.registry_rows import DeviceGiven, Given, Leaves

#: Why an installation ended where nobody said it. Product choice.
MOVED, REPLACED = "moved", "replaced"


@dataclass(frozen=True, slots=True)
class Known:
    """What there is of a device: it, its open installation (None: none), and the links that it stands in."""

    device: RegisteredDevice
    open: Installation | None = None
    links: tuple[LinkFacts, ...] = ()


def put_up(wanted: Installation, known: Known, old: Known | None = None) -> list[Given]:
    """The rows of `wanted`, whose device is `known`; `old`: that which it replaces. Endings come first, since of a
    device one installation is open at most. Raises ValueError (U3)."""
    rows: list[Given] = []
    if known.open is not None and known.open.key != wanted.key:
        rows.append(ended(known.open, wanted.since, wanted.reason or MOVED))
    if old is not None:
        if old.open is not None:
            rows.append(ended(old.open, wanted.since, wanted.reason or REPLACED))
        rows.append(Leaves("device", old.device.identity))
    rows.append(_placed(known.device, wanted))
    if wanted.mounting:
        rows.append(replace(_facts(known.device), mounting=wanted.mounting))
    rows.append(wanted)
    if old is not None:
        rows += _taken_over(old, wanted)
    return rows


def taken_down(wanted: Installation, known: Known) -> list[Given]:
    """The rows of an installation that ends (`wanted` has its `until`), and of its device, which leaves the register.
    Raises ValueError (U3)."""
    return [ended(wanted, wanted.until, wanted.ended_because), Leaves("device", known.device.identity)]


def ended(installation: Installation, until: str, because: str) -> Installation:
    """Raises ValueError (U3)."""
    if until < installation.since:
        raise ValueError(
            f"installation {installation.key} began on {installation.since}, so it cannot have ended on {until}"
        )
    return replace(installation, until=until, ended_because=because)


def _placed(device: RegisteredDevice, wanted: Installation) -> DeviceGiven:
    return DeviceGiven(
        device.vendor,
        device.serial,
        device.model,
        wanted.site,
        device.gateway,
        device.address,
        device.tags,
        # A device that is moved is as old as it was.
        installed=device.installed or wanted.since,
        calibration_due=device.calibration_due,
        installer=wanted.installer or device.installer,
    )


def _facts(device: RegisteredDevice) -> DeviceFacts:
    return replace(device.facts, identity=device.identity)


def _taken_over(old: Known, wanted: Installation) -> Iterable[Given]:
    for link in old.links:
        former = old.device.identity
        detector = wanted.identity if link.detector == former else link.detector
        valve = wanted.identity if link.valve == former else link.valve
        yield Link(detector, valve)
        yield LinkFacts(detector, valve, wanted.since, wanted.installer)
