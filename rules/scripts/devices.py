"""The installation that a rule script speaks of: sites, models and devices as lines, the registry they make."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from devices.models import Actuator, DeviceKind, DeviceModel, Reachability, Tier
from devices.sites import Device, Link, MatrixRow, Registry, Site
from rules.scripts.text import MICROSECONDS, duration_us, names, split_options

VENDOR = "script"
#: Where a device stands of which no site is said.
HOME = "home"
_SAID_BY = "a rule script"

#: The models that every script has: a word, what it is, how often it reports (seconds), what it promises of CLOSE.
_SLEEPS = Actuator(260.0, 60.0, reachability=Reachability.WAKES, wake_interval_s=120.0)
PLAIN_MODELS: tuple[DeviceModel, ...] = tuple(
    DeviceModel(key, VENDOR, key.replace("_", " "), kind, _SAID_BY, every_s, actuator=actuator)
    for key, kind, every_s, actuator in (
        ("detector", DeviceKind.DETECTOR, 10.0, None),
        ("valve", DeviceKind.SHUT_OFF_VALVE, 30.0, Actuator()),
        ("mute_valve", DeviceKind.SHUT_OFF_VALVE, 30.0, Actuator(reports_position=False)),
        ("sleeping_valve", DeviceKind.SHUT_OFF_VALVE, 120.0, _SLEEPS),
        ("self_closing_valve", DeviceKind.SELF_CLOSING_VALVE, 60.0, None),
        ("fan", DeviceKind.FAN, 30.0, Actuator()),
        ("gateway", DeviceKind.GATEWAY, 3_600.0, None),
    )
)
_SITE_OPTIONS = ("riser", "building", "area", "class", "enterprise", "timezone", "tags", "simulated")
_DEVICE_OPTIONS = ("at", "gateway", "tags", "installed", "calibration")
_MODEL_OPTIONS = ("interval", "measures", "tier", "life", "confirm", "expires", "wakes", "mute", "max_age")


@dataclass
class Installation:
    """Filled line by line, and changed by lines that come later. Device numbers follow the order of appearance and are
    never given again."""

    models: dict[str, DeviceModel] = field(default_factory=lambda: {model.key: model for model in PLAIN_MODELS})
    sites: dict[str, Site] = field(default_factory=dict)
    #: The sites that have a line of their own, in their order: where one has, a device stands at none without.
    said: dict[str, None] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    matrix: dict[str, MatrixRow] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, name: str) -> int:
        """Raises ValueError for a device that no line names."""
        if name not in self.numbers:
            raise ValueError(f"there is no device {name!r}; {self._known()}")
        return self.numbers[name]

    def registry(self) -> Registry:
        used = {device.model for device in self.devices.values()}
        return Registry(
            models=tuple(model for key, model in self.models.items() if key in used),
            sites=tuple(self.sites.values()),
            devices=tuple(self.devices.values()),
            links=tuple(self.links),
            matrix=tuple(self.matrix.values()),
        )

    def say(self, words: Sequence[str]) -> None:
        """One line. Raises ValueError with the reason."""
        verb, rest = words[0], words[1:]
        match verb:
            case "site":
                self._site(rest)
            case "model":
                self._model(rest)
            case "device":
                self._device(rest)
            case "remove":
                self._remove(rest)
            case "link" | "unlink":
                self._link(verb, rest)
            case "matrix":
                self._matrix(rest)
            case _:
                raise ValueError(f"{verb!r} says nothing of an installation")

    def _site(self, words: Sequence[str]) -> None:
        plain, options = split_options(words, _SITE_OPTIONS)
        for key in _many_names(plain, "site NAME"):
            self.said[key] = None
            self.sites[key] = Site(
                key,
                enterprise=options.get("enterprise", ""),
                timezone=options.get("timezone", "UTC"),
                simulated=options.get("simulated") == "yes",
                area=options.get("area", ""),
                building=options.get("building", ""),
                riser=options.get("riser", ""),
                site_class=options.get("class", ""),
                tags=_list(options.get("tags", "")),
            )

    def _model(self, words: Sequence[str]) -> None:
        plain, options = split_options(words, _MODEL_OPTIONS)
        if len(plain) != 2 or plain[1] not in self.models:
            raise ValueError(f"write: model NAME KIND; KIND is one of {', '.join(self.models)}")
        model = self.models[plain[1]]
        changed: dict[str, object] = {"key": plain[0], "name": plain[0]}
        if "interval" in options:
            changed["report_interval_s"] = _seconds(options["interval"])
        if "max_age" in options:
            changed["max_age_s"] = _seconds(options["max_age"])
        if "measures" in options:
            changed["measures"] = _list(options["measures"])
        if "tier" in options:
            changed["tier"] = Tier(options["tier"])
        if "life" in options:
            changed["life_days"] = round(_seconds(options["life"]) / 86_400)
        if model.actuator is not None:
            changed["actuator"] = _actuator(model.actuator, options)
        self.models[plain[0]] = msgspec.structs.replace(model, **changed)

    def _device(self, words: Sequence[str]) -> None:
        plain, options = split_options(words, _DEVICE_OPTIONS)
        if len(plain) < 2:
            raise ValueError("write: device NAME MODEL [at=SITE] [gateway=NAME]")
        model = plain[-1]
        if model not in self.models:
            raise ValueError(f"there is no model {model!r}; there are {', '.join(self.models)}")
        devices = [name for word in plain[:-1] for name in names(word)]
        sites = names(options.get("at", HOME))
        if len(sites) not in (1, len(devices)):
            raise ValueError(f"{len(devices)} devices at {len(sites)} sites; one site for all, or one for each")
        unknown = next((one for one in sites if one not in (HOME, *self.said)), "") if self.said else ""
        if unknown:
            raise ValueError(
                f"there is no site {unknown!r}; there are {', '.join(self.said)}: say it with a `site` line"
            )
        for at, name in enumerate(devices):
            site = sites[at if len(sites) > 1 else 0]
            self.sites.setdefault(site, Site(site))
            gateway = options.get("gateway", "")
            self.devices[name] = Device(
                self.numbers.setdefault(name, len(self.numbers) + 1),
                VENDOR,
                name,
                model,
                site,
                gateway=f"{VENDOR}/{gateway}" if gateway else "",
                tags=_list(options.get("tags", "")),
                installed=options.get("installed", ""),
                calibration_due=options.get("calibration", ""),
            )

    def _remove(self, words: Sequence[str]) -> None:
        for name in _many_names(words, "remove DEVICE"):
            self.number(name)
            if name not in self.devices:
                raise ValueError(f"{name} has left the registry already")
            identity = self.devices.pop(name).identity
            self.links = [link for link in self.links if identity not in (link.detector, link.valve)]

    def _link(self, verb: str, words: Sequence[str]) -> None:
        left, right = _arrow(words)
        pairs = [Link(self._identity(a), self._identity(b)) for a in left for b in right]
        self.links = [link for link in self.links if link not in pairs] + (pairs if verb == "link" else [])

    def _matrix(self, words: Sequence[str]) -> None:
        if not words or not words[0].endswith(":"):
            raise ValueError("write: matrix NAME: DETECTORS [votes=2] [rules=a,b] -> VALVES and FANS")
        plain, options = split_options(words[1:], ("votes", "rules"))
        left, right = _arrow(plain)
        kinds = {name: self.models[self.devices[name].model].kind for name in right if self._identity(name)}
        self.matrix[words[0][:-1]] = MatrixRow(
            words[0][:-1],
            tuple(self._identity(name) for name in left),
            votes=int(options.get("votes", "1")),
            rules=_list(options.get("rules", "")),
            valves=tuple(self._identity(name) for name in right if kinds[name] is not DeviceKind.FAN),
            fans=tuple(self._identity(name) for name in right if kinds[name] is DeviceKind.FAN),
        )

    def _identity(self, name: str) -> str:
        if name not in self.devices:
            raise ValueError(f"there is no device {name!r}; {self._known()}")
        return self.devices[name].identity

    def _known(self) -> str:
        return f"there are {', '.join(self.numbers)}" if self.numbers else "no `device` line stands above"


def _many_names(words: Sequence[str], usage: str) -> list[str]:
    found = [name for word in words for name in names(word)]
    if not found:
        raise ValueError(f"write: {usage}")
    return found


def _arrow(words: Sequence[str]) -> tuple[list[str], list[str]]:
    if words.count("->") != 1:
        raise ValueError("write: DETECTORS -> VALVES")
    at = list(words).index("->")
    return _many_names(words[:at], "DETECTORS -> VALVES"), _many_names(words[at + 1 :], "DETECTORS -> VALVES")


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _seconds(text: str) -> float:
    return duration_us(text) / MICROSECONDS


def _actuator(actuator: Actuator, options: dict[str, str]) -> Actuator:
    changed: dict[str, object] = {}
    if "confirm" in options:
        changed["confirm_within_s"] = _seconds(options["confirm"])
    if "expires" in options:
        changed["attempt_expires_s"] = _seconds(options["expires"])
    if "wakes" in options:
        changed["wake_interval_s"] = _seconds(options["wakes"])
        changed["reachability"] = Reachability.WAKES
    if "mute" in options:
        changed["reports_position"] = options["mute"] != "yes"
    return msgspec.structs.replace(actuator, **changed)


def names_by_number(installation: Installation) -> dict[int, str]:
    return {number: name for name, number in installation.numbers.items()}
