"""The links to the brokers of the settings, as the engine is built with them."""

import random
from collections.abc import Callable
from pathlib import Path

from davy.broker_settings import load_brokers
from davy.settings import Settings
from devices.sites import Registry
from ingest.broker_sessions import KnownSessions
from ingest.mqtt_directory import Directory
from ingest.mqtt_subscriber import BrokerLink


def broker_links(
    settings: Settings, directory: Directory, wake: Callable[[], None], utc_us: Callable[[], int]
) -> tuple[BrokerLink, ...]:
    """One link per broker, not started; to be called on the engine's loop. Raises CannotGoOn (usage) when the file of
    brokers is wrong."""
    if settings.brokers is None:
        return ()
    sessions = KnownSessions(known_sessions(settings))
    randomness = random.Random()  # noqa: S311 - jitter of pauses, not a secret
    return tuple(
        BrokerLink(broker, directory, wake, sessions, utc_us, randomness) for broker in load_brokers(settings.brokers)
    )


def known_sessions(settings: Settings) -> Path:
    """Where the sessions that we have had are remembered."""
    return settings.data / "broker-sessions.json"


def on_a_bus(registry: Registry) -> frozenset[int]:
    """Devices that a broker must never command: they are reached on their bus."""
    return frozenset(device.device_no for device in registry.devices if device.address)
