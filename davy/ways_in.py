"""The ways into an engine: pushes, buses, brokers, and devices that connect. Built together, and told of a new registry
together, so that none of them can be forgotten."""

import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from random import Random

import structlog

from davy.broker_settings import missing_files, read_brokers
from davy.open_files import connections_within, raise_limit
from davy.put_aside import PutAside
from davy.settings import Settings
from devices.fleet import Fleet
from devices.sites import RegistryChange
from engine.cycle import Cycle
from engine.pushes import PushLink
from ingest.broker_sessions import KnownSessions
from ingest.links import Link
from ingest.modbus import ModbusLink
from ingest.mqtt_directory import Directory
from ingest.mqtt_endpoint import MqttEndpoint, monotonic_us, utc_us
from ingest.mqtt_limits import EndpointLimits
from ingest.mqtt_subscriber import BrokerLink
from ingest.mqtt_tls import server_context

_log = structlog.get_logger()


class WaysIn:
    """Every link of one engine."""

    def __init__(self, settings: Settings, cycle: Cycle) -> None:
        self._settings = settings
        self._memory = cycle.memory
        self.directory = Directory(cycle.memory.book)
        self.endpoint = MqttEndpoint(self.directory, wake=cycle.wake, limits=_endpoint_limits())
        self.pushes = PushLink(cycle.wake)
        self._modbus = ModbusLink(cycle.wake, cycle.now, utc_us, monotonic_us, Random())  # noqa: S311  spreads polls
        self._brokers, self._unusable = _brokers(settings, cycle, self.directory)
        named = None if self._unusable else frozenset(broker.broker.gateway for broker in self._brokers)
        self._put_aside = PutAside(lambda: cycle.memory.state, named)
        self._tell(cycle.memory.fleet)

    @property
    def links(self) -> tuple[Link, ...]:
        """In this order stands what they brought to a cycle; a command goes by the last that can."""
        # The last word on gateways comes after what the others still had to say of them.
        return (self.pushes, self._modbus, *self._brokers, self.endpoint, self._put_aside)

    def replace(self, fleet: Fleet, changes: Sequence[RegistryChange] | None) -> None:
        """A new registry holds from now on; `changes` of the one before, None: it came whole."""
        changed = None
        if changes is not None and self.directory.book is self._memory.book:
            changed = self.directory.changed(changes)
        else:
            self.directory = Directory(self._memory.book)
        self.endpoint.replace_directory(self.directory, changed)
        if changes is None or any(_moves_devices(change) for change in changes):
            self._tell(fleet)

    def _tell(self, fleet: Fleet) -> None:
        """Those that need more of a fleet than its directory."""
        self._modbus.replace(fleet)
        on_a_bus = frozenset(fleet.device_no[fleet.decoder_by_slot >= 0].tolist())
        for broker in self._brokers:
            broker.replace_directory(self.directory, on_a_bus)
        self._put_aside.replace(fleet)

    async def start(self, down: AsyncExitStack) -> None:
        """Listen, poll, connect; `down` takes each down again. Raises OSError when the port cannot be had."""
        settings = self._settings
        await self.endpoint.start(settings.mqtt_host, settings.mqtt_port, _tls(settings))
        down.push_async_callback(self.endpoint.close)
        for broker in self._brokers:
            await broker.start()
            down.push_async_callback(broker.close)
        await self._modbus.start()
        down.push_async_callback(self._modbus.close)  # so first of all: it may still have pulses to end

    def gauges(self) -> dict[str, float]:
        """Figures for /metrics."""
        figures = self.pushes.gauges() | self._modbus.gauges() | self.endpoint.gauges()
        figures["faults_in_the_file_of_brokers"] = float(self._unusable)
        for broker in self._brokers:
            figures |= broker.gauges()
        return figures


def _moves_devices(change: RegistryChange) -> bool:
    """Whether another device is there, or one is read or reached otherwise."""
    return bool(change.put.devices or change.gone.devices or change.put.models)


def _brokers(settings: Settings, cycle: Cycle, directory: Directory) -> tuple[tuple[BrokerLink, ...], int]:
    """The brokers of the settings, and how many faults their file has. A fault there must not take the bus, the
    endpoint and the other brokers with it, so it is said and not raised; `davy up` refuses to begin with one."""
    if settings.brokers is None:
        return (), 0
    found = read_brokers(settings.brokers)
    for fault in found.faults:
        _log.critical("this broker cannot be used until its settings are mended and the engine restarted", why=fault)
    for missing in missing_files(found.brokers):
        _log.critical("a broker cannot be reached until this file is there", why=missing)
    sessions = KnownSessions(settings.broker_sessions)
    links = tuple(
        BrokerLink(broker, directory, cycle.wake, sessions, utc_us, Random())  # noqa: S311  spreads reconnects
        for broker in found.brokers
    )
    return links, len(found.faults)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.mqtt_tls_cert is None or settings.mqtt_tls_key is None:
        return None
    return server_context(settings.mqtt_tls_cert, settings.mqtt_tls_key, settings.mqtt_client_ca)


def _endpoint_limits() -> EndpointLimits:
    """No more connections than this process may open: better to turn a device away than to fail at accepting it."""
    open_files, limits = raise_limit(), EndpointLimits()
    limits = replace(limits, connections=connections_within(open_files, limits.connections))
    _log.info("room for connections", open_files=open_files, connections=limits.connections)
    return limits
