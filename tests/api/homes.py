"""The registry the API's tests stand on: one home with detectors and a shut-off valve, one with a self-closing valve,
and a gateway with a detector behind it."""

from msgspec.structs import replace

from devices.models import Actuator, Reachability, load_catalogue
from devices.sites import Credential, Device, Link, Registry, Site, token_sha256

ADMIN_TOKEN = "a-token-of-the-administrator"
DETECTOR, VALVE, SELF_CLOSING, GATEWAY, BEHIND = "acme/d1", "acme/v1", "acme/s1", "acme/g1", "acme/d2"
#: More detectors of the first home: a rule has one alarm per device, however often the device says the same.
OTHERS = tuple(f"acme/o{n}" for n in range(5))
ELSEWHERE = "acme/e1"
TOKENS = {name: f"token-of-{name}" for name in (DETECTOR, VALVE, SELF_CLOSING, GATEWAY, *OTHERS, ELSEWHERE)}


def _device(no: int, identity: str, model: str, site: str, gateway: str = "") -> Device:
    vendor, serial = identity.split("/")
    return Device(device_no=no, vendor=vendor, serial=serial, model=model, site=site, gateway=gateway)


REGISTRY = Registry(
    models=load_catalogue(),
    sites=(Site(key="home-1", name="Home 1", simulated=True), Site(key="home-2", name="Home 2", simulated=True)),
    devices=(
        _device(1, DETECTOR, "sim_detector_home", "home-1"),
        _device(2, VALVE, "sim_valve_shut_off", "home-1"),
        _device(3, SELF_CLOSING, "sim_valve_self_closing", "home-2"),
        _device(4, GATEWAY, "sim_gateway", "home-2"),
        _device(5, BEHIND, "sim_detector_home", "home-2", gateway=GATEWAY),
        *(_device(6 + n, identity, "sim_detector_home", "home-1") for n, identity in enumerate(OTHERS)),
        _device(6 + len(OTHERS), ELSEWHERE, "sim_detector_home", "home-2"),
    ),
    links=(
        *(Link(detector=detector, valve=VALVE) for detector in (DETECTOR, *OTHERS)),
        *(Link(detector=detector, valve=SELF_CLOSING) for detector in (BEHIND, ELSEWHERE)),
    ),
    credentials=tuple(Credential(identity, token_sha256(token)) for identity, token in TOKENS.items()),
)

#: The same homes with a shut-off valve that sleeps for up to an hour.
SLEEPY = replace(
    REGISTRY,
    models=tuple(
        replace(model, actuator=Actuator(reachability=Reachability.WAKES, wake_interval_s=3600.0))
        if model.key == "sim_valve_shut_off"
        else model
        for model in REGISTRY.models
    ),
)
