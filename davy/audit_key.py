"""The installation's key for the record: made once, 0600, and never replaced silently, because whoever verifies holds
its public half."""

import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from access.audit_heads import Signer, read_signer
from davy.exits import CannotGoOn, Exit, disk_refused
from davy.settings import Settings


def installation_key(settings: Settings) -> Signer:
    """The key; made where there is none yet. Raises CannotGoOn where its file is not safe or holds no key."""
    path = settings.audit_key
    try:
        if not path.exists():
            fresh = path.with_name(f"{path.name}.new")
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(Signer(Ed25519PrivateKey.generate()).private_pem())
                file.flush()
                os.fsync(descriptor)
            fresh.rename(path)
        if path.stat().st_mode & 0o077:
            raise CannotGoOn(Exit.USAGE, f"{path} may be read by others: chmod 600 it")
        return read_signer(path.read_bytes())
    except OSError as error:
        raise disk_refused(path, error) from error
    except ValueError as wrong:
        raise CannotGoOn(
            Exit.USAGE, f"{path} holds no Ed25519 private key ({wrong}); put the right file back, from your backup"
        ) from wrong
