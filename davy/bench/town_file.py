"""A town to register, as the file somebody would bring: homes with a detector, a valve and their link, and a token for
each device."""

import hashlib


def town_csv(devices: int) -> bytes:
    """`devices` (an even number), half detectors and half valves, one of each to a home, with areas and tags."""
    lines = [
        "kind,key,name,address,area,building,site_class,tags,vendor,serial,model,site,detector,valve,identity,token_sha256"
    ]
    for number in range(devices // 2):
        home, d, v = f"home-{number:06}", f"D{number:06}", f"V{number:06}"
        building = f"b{number // 60}"
        lines.append(
            f"site,{home},Home {number},{number % 60} Lane {number // 60},500156,{building},household,a;b,,,,,,,,"
        )
        lines.append(f"device,,,,,,,,davysim,{d},sim_detector_home,{home},,,,")
        lines.append(f"device,,,,,,,,davysim,{v},sim_valve_shut_off,{home},,,,")
        lines.append(f"link,,,,,,,,,,,,davysim/{d},davysim/{v},,")
        lines += [f"token,,,,,,,,,,,,,,davysim/{one},{hashlib.sha256(one.encode()).hexdigest()}" for one in (d, v)]
    return ("\n".join(lines) + "\n").encode()
