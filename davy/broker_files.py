"""Files that make a Mosquitto fit to stand before Davy: configuration, access list, passwords.

M1  A device may write its own telemetry and replies, and read its own commands and acknowledgements; nothing else. A
    gateway may do so for the devices registered behind it as well.
M2  Davy's users, one for each partition, may read what the devices of theirs write, and write commands and
    acknowledgements to them. So may the probe's, which is another so that a probe is not taken for Davy.
M3  Everybody is named: the access list has a section per user and no patterns (%u). A gateway speaks for several
    devices, and nothing depends on what a broker makes of a wildcard or a slash in a user name.
M4  A password is made once. What the password file already holds is kept, so that a device is not locked out: users
    that are in no registry too (they may do nothing), until they are asked to be removed.
M5  A session belongs to a user name (use_username_as_clientid). By client identifiers, which everybody may choose,
    each registered device could end Davy's session or another's, and with it the commands that wait there. A listener
    of Davy's own with a password file of its own is no way: it needs per_listener_settings, with which Mosquitto since
    2.0.12 keeps no messages for sessions that are away (its issues 2526 and 2618), and which 2.1 deprecates.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from devices.sites import Registry
from devices.topics import Kind
from ingest.broker_plan import FROM_DEVICES, Broker, Devices, Partition

#: Mosquitto 2.0's own choice (mosquitto_passwd: PBKDF2-HMAC-SHA512, 101 rounds, 12 bytes of salt). Few rounds are
#: enough here: a password is 256 random bits.
_ROUNDS, _SALT_BYTES, _KEY_BYTES = 101, 12, 64
TO_DEVICES = (Kind.COMMAND, Kind.ACK)
#: As whom `davy broker probe` does what Davy does, with Davy's password: Davy's own name would end Davy's session (M5).
PROBE_USER = "davy-probe"
#: Of Davy at the broker. No slash: a device's name has one. No colon and no end of a line: the password file.
_USER = re.compile(r"[A-Za-z0-9_.@-]{1,128}\Z")

CONFIG_FILE, ACL_FILE, PASSWORD_FILE, GIVEN_FILE = (
    "mosquitto.conf",
    "mosquitto.acl",
    "mosquitto.passwords",
    "device-passwords.csv",
)

_CONFIG = """\
# Mosquitto before Davy, broker {name!r}. Made by `davy broker config {name}`; see docs/BROKERS.md.

{listener}
# A session belongs to who signed in, whatever client identifier a client says: else each device could end Davy's
# session, or a valve's and the CLOSE that waits in it, by using its identifier. So: one connection for each user.
use_username_as_clientid true

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
    """config, acl, passwords: the files' texts. users: those that the access list has, besides Davy's. made: (user,
    password) made now, which exist nowhere else. others: users of the password file that are in no registry: kept, or
    removed where that was asked."""

    config: str
    acl: str
    passwords: str
    users: tuple[str, ...]
    made: tuple[tuple[str, str], ...]
    others: tuple[str, ...]


def broker_files(
    broker: Broker,
    registry: Registry,
    folder: str,
    davy_password: bytes,
    known: Mapping[str, str],
    remove: bool = False,
) -> BrokerFiles:
    """`folder`: where the files will stand on the broker's machine. `known`: user -> hash of the password file that
    there is; `remove` those of them that are in no registry. Raises ValueError when Davy's user names do not do, or
    when nobody is behind the broker."""
    users = _users(broker, registry)
    if not users:
        raise ValueError(f"no registered device is behind the broker {broker.name}, so that nobody could sign in")
    ours = (*_davy_users(broker), PROBE_USER)
    hashes = {user: hashed(davy_password, known.get(user)) for user in ours}
    made: list[tuple[str, str]] = []
    for user in users:
        if user in known:
            hashes[user] = known[user]
        else:
            password = secrets.token_urlsafe(32)
            made.append((user, password))
            hashes[user] = hashed(password.encode())
    others = tuple(user for user in known if user not in hashes)
    if not remove:
        hashes |= {user: known[user] for user in others}
    return BrokerFiles(
        config=_config(broker, folder),
        acl=_acl(broker, users),
        passwords="".join(f"{user}:{digest}\n" for user, digest in hashes.items()),
        users=tuple(users),
        made=tuple(made),
        others=others,
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


def _davy_users(broker: Broker) -> tuple[str, ...]:
    """One for each partition. Raises ValueError."""
    users = [broker.user(partition) for partition in broker.partitions]
    for user in users:
        if not _USER.match(user) or user == PROBE_USER:
            raise ValueError(f"username {user!r} of Davy must be of A-Z a-z 0-9 _ . @ - and not {PROBE_USER}")
    if len(set(users)) < len(users):
        raise ValueError("the broker keeps sessions by user name: give each [[partitions]] a username of its own")
    return tuple(users)


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
    lines = [f"# Who may do what. Made by `davy broker config {broker.name}`."]
    for partition in broker.partitions:
        lines += ["", f"user {broker.user(partition)}", *_of_davy(broker, partition)]
    lines += ["", f"user {PROBE_USER}", *(line for one in broker.partitions for line in _of_davy(broker, one))]
    for user, identities in users.items():
        lines += ["", f"user {user}"]
        for identity in identities:
            topic = f"{broker.prefix}davy/v1/{identity}"
            lines += [f"topic write {topic}/{kind}" for kind in FROM_DEVICES]
            lines += [f"topic read {topic}/{kind}" for kind in TO_DEVICES]
    return "\n".join(lines) + "\n"


def _of_davy(broker: Broker, partition: Partition) -> list[str]:
    reads = [f"topic read {topic}" for topic in broker.filters(partition)]
    commands = [
        f"topic write {broker.prefix}davy/v1/{pattern}/{kind}" for pattern in partition.devices for kind in TO_DEVICES
    ]
    return reads + commands


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
