"""The server's TLS context."""

import ssl
from pathlib import Path


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """A context for the endpoint: TLS 1.2 or newer, no renegotiation.

    client_ca: every client must have a certificate of this authority; its common name `vendor/serial` then signs a
        device in without a token.
    Raises ssl.SSLError or OSError naming what is wrong with a file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def certified_name(certificate: object) -> str | None:
    """The one common name of a verified peer certificate as `ssl` gives it; None when there is none or several."""
    if not isinstance(certificate, dict):
        return None
    subject: object = certificate.get("subject", ())
    if not isinstance(subject, tuple):
        return None
    names = [value for rdn in subject for key, value in rdn if key == "commonName"]
    return names[0] if len(names) == 1 else None
