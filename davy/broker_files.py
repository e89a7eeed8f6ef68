"""Files that make a Mosquitto fit to stand before Davy: configuration, access list, passwords.

M1  A device may write its own telemetry and replies, and read its own commands and acknowledgements; nothing else. A
    gateway may do so for the devices registered behind it as well.
M2  Davy's user may read what devices of its partitions write, and write commands and acknowledgements to them.
M3  Everybody is named: the access list has a section per user and no patterns (%u). A gateway speaks for several
    devices, and nothing depends on what a broker makes of a wildcard or a slash in a user name.
M4  A password is made once. What the password file already holds is kept, so that a device is not locked out.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from devices.sites import Registry
from devices.topics import Kind
from ingest.broker_plan import FROM_DEVICES, Broker, Devices

#: Mosquitto 2.0's own choice (mosquitto_passwd: PBKDF2-HMAC-SHA512, 101 rounds, 12 bytes of salt). Few rounds are
#: enough here: a password is 256 random bits.
_ROUNDS, _SALT_BYTES, _KEY_BYTES = 101, 12, 64
TO_DEVICES = (Kind.COMMAND, Kind.ACK)

CONFIG_FILE, ACL_FILE, PASSWORD_FILE, GIVEN_FILE = (
    "mosquitto.conf",
    "mosquitto.acl",
    "mosquitto.passwords",
    "device-passwords.csv",
)

_CONFIG = """\
# Mosquitto before Davy, broker {name!r}. Made by `davy broker config {name}`; see docs/BROKERS.md.

{listener}

# Nobody without a name: the access list below says what each may do.
allow_anonymous false
password_file {folder}/mosquitto.passwords
acl_file {folder}/mosquitto.acl

# A PUBACK of Mosquitto says "received", not "on disk". Without these four lines a crash loses the sessions and all
# that waits in them (0 of 500 acknowledged messages came back after kill -9; with them all 500, in one run). It is
# no promise: Mosquitto writes after it has acknowledged, on a full disk too. The promise is Davy's
# application acknowledgement on .../ack.
persistence true
persistence_location {folder}/data/
# Each change is a change to save ...
autosave_on_changes true
# ... and one is enough to save. The whole file is written each time: keep the queue short, let Davy be the buffer.
autosave_interval 1

# What waits for Davy while it is away. The default of 1,000 messages drops the rest without a word to anybody; 0 (no
# limit) drops everything in some 2.0 releases.
max_queued_messages 500000
# 256 MiB: a broker that eats all memory loses every session at once.
max_queued_bytes 268435456
# As many as Davy asks for (receive_maximum): acknowledgements follow its commits, so a commit's worth is under way.
max_inflight_messages {receive_maximum}
# A session of a device or of Davy is kept as long as Davy asks for its own.
persistent_client_expiration {expiry}
# Larger messages are refused at the device, which then knows, and not by Davy, where they go to quarantine.
message_size_limit 262144
"""
_PLAIN = "# On this machine only.\nlistener {port} 127.0.0.1"
_TLS = """\
listener {port}
# The broker's certificate; its name must be {host!r}, by which Davy knows it.
certfile {folder}/server.pem
keyfile {folder}/server.key"""
_MUTUAL = """
# Whose certificates clients must have. They sign in with user name and password besides.
cafile {folder}/clients-ca.pem
require_certificate true"""


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """config, acl, passwords: the files' texts. made: (user, password) made now, which exist nowhere else."""

    config: str
    acl: str
    passwords: str
    made: tuple[tuple[str, str], ...]


def broker_files(
    broker: Broker, registry: Registry, folder: str, davy_password: bytes, known: Mapping[str, str]
) -> BrokerFiles:
    """`folder`: where the files will stand on the broker's machine. `known`: user -> hash of the password file that
    there is."""
    users = _users(broker, registry)
    hashes = {broker.username: hashed(davy_password, known.get(broker.username))}
    made: list[tuple[str, str]] = []
    for user in users:
        if user in known:
            hashes[user] = known[user]
        else:
            password = secrets.token_urlsafe(32)
            made.append((user, password))
            hashes[user] = hashed(password.encode())
    return BrokerFiles(
        config=_config(broker, folder),
        acl=_acl(broker, users),
        passwords="".join(f"{user}:{digest}\n" for user, digest in hashes.items()),
        made=tuple(made),
    )


def read_hashes(text: str) -> dict[str, str]:
    """user -> hash, of a Mosquitto password file."""
    pairs = (line.rpartition(":") for line in text.splitlines() if ":" in line)
    return {user: digest for user, _, digest in pairs}


def hashed(password: bytes, before: str | None = None) -> str:
    """As mosquitto_passwd writes it. `before`: kept when it is of this very password."""
    salt = secrets.token_bytes(_SALT_BYTES)
    if before is not None and before.startswith(f"$7${_ROUNDS}$"):
        salt = base64.b64decode(before.split("$")[3])
    key = hashlib.pbkdf2_hmac("sha512", password, salt, _ROUNDS, _KEY_BYTES)
    digest = f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
    return digest if before is None or digest == before else hashed(password)


def _users(broker: Broker, registry: Registry) -> dict[str, tuple[str, ...]]:
    """Who signs in -> the identities it speaks for. Devices on a bus do not, nor do those behind a gateway."""
    members = Devices(pattern for partition in broker.partitions for pattern in partition.devices)
    here = [device for device in registry.devices if not device.address and device.identity in members]
    speaks: dict[str, tuple[str, ...]] = {device.identity: (device.identity,) for device in here if not device.gateway}
    for device in here:
        if device.gateway:
            speaks[device.gateway] = (*speaks.get(device.gateway, (device.gateway,)), device.identity)
    speaks.pop(broker.gateway, None)  # it stands for the broker and is nobody's device
    return speaks


def _acl(broker: Broker, users: Mapping[str, tuple[str, ...]]) -> str:
    lines = [f"# Who may do what. Made by `davy broker config {broker.name}`.", "", f"user {broker.username}"]
    for partition in broker.partitions:
        lines += [f"topic read {topic}" for topic in broker.filters(partition)]
        lines += [
            f"topic write {broker.prefix}davy/v1/{pattern}/{kind}"
            for pattern in partition.devices
            for kind in TO_DEVICES
        ]
    for user, identities in users.items():
        lines += ["", f"user {user}"]
        for identity in identities:
            topic = f"{broker.prefix}davy/v1/{identity}"
            lines += [f"topic write {topic}/{kind}" for kind in FROM_DEVICES]
            lines += [f"topic read {topic}/{kind}" for kind in TO_DEVICES]
    return "\n".join(lines) + "\n"


def _config(broker: Broker, folder: str) -> str:
    told = {"port": broker.port, "folder": folder, "host": broker.host}
    listener = _PLAIN.format(**told)
    if broker.tls is not None:
        listener = _TLS.format(**told) + (_MUTUAL.format(**told) if broker.tls.certificate else "")
    days = max(1, -(-broker.session_expiry_s // 86_400))
    return _CONFIG.format(
        name=broker.name,
        listener=listener,
        folder=folder,
        receive_maximum=broker.receive_maximum,
        expiry=f"{days}d",
    )
