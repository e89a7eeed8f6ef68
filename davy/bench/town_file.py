"""A town to register, as the file somebody would bring: homes with a detector, a valve and their link, and a token for
each device."""

import hashlib

_COLUMNS = (
    *("kind", "key", "name", "area", "building", "tags", "vendor", "serial", "model", "site"),
    *("detector", "valve", "identity", "token_sha256"),
)


def town_csv(devices: int) -> bytes:
    """`devices` (an even number), half detectors and half valves, one of each to a home."""
    lines = [",".join(_COLUMNS)]
    for number in range(devices // 2):
        home, d, v = f"home-{number:06}", f"D{number:06}", f"V{number:06}"
        building = f"b{number // 60}"
        lines.append(_row(kind="site", key=home, name=f"Home {number}", area="500156", building=building, tags="a;b"))
        lines.append(_row(kind="device", vendor="davysim", serial=d, model="sim_detector_home", site=home))
        lines.append(_row(kind="device", vendor="davysim", serial=v, model="sim_valve_shut_off", site=home))
        lines.append(_row(kind="link", detector=f"davysim/{d}", valve=f"davysim/{v}"))
        for one in (d, v):
            digest = hashlib.sha256(one.encode()).hexdigest()
            lines.append(_row(kind="token", identity=f"davysim/{one}", token_sha256=digest))
    return ("\n".join(lines) + "\n").encode()


def _row(**cells: str) -> str:
    return ",".join(cells.get(name, "") for name in _COLUMNS)
