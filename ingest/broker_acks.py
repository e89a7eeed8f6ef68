"""Application acknowledgements on their way to devices behind a broker: `{"boot":..,"seq":..}` on `.../ack`.

A1  Per device and boot only the newest leaves: it says all that the older ones said.
A2  They leave at a bounded rate, oldest first, and wait while there is no connection; at most two per device wait.

They are QoS 0. An acknowledgement that is lost costs one repetition: the device sends again what it still holds, and is
told again. QoS 1 would take the places of commands in the broker's receive maximum (20 by Mosquitto's default), and
keep one packet in flight for every device that is asleep.
"""

from collections.abc import Iterable

import msgspec

from ingest.links import Upto
from ingest.mqtt_packets import Publish, build

#: Boots of one device that wait: the running one, and the one before, whose readings it may still hold.
_MOST_BOOTS = 2


class ApplicationAcks:
    def __init__(self, version: int) -> None:
        self._version = version
        self._newest: dict[int, dict[int, int]] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def __contains__(self, device_no: int) -> bool:
        return device_no in self._newest

    def offer(self, upto: Iterable[Upto]) -> None:
        for one in upto:
            boots = self._newest.setdefault(one.device_no, {})
            boots.pop(one.boot, None)
            boots[one.boot] = one.seq
            if len(boots) > _MOST_BOOTS:
                del boots[next(iter(boots))]

    def due(self, most: int) -> list[tuple[int, bytes]]:
        """Take out (device_no, payload) of at most `most` devices, those that waited longest first."""
        devices = [device_no for device_no, _ in zip(self._newest, range(most), strict=False)]
        return [
            (device_no, msgspec.json.encode({"boot": boot, "seq": seq}))
            for device_no in devices
            for boot, seq in self._newest.pop(device_no).items()
        ]

    def packet(self, topic: str, payload: bytes) -> bytes:
        return build(Publish(topic, payload), self._version)
