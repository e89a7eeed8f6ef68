"""The API process: its configuration from the settings, its socket, its server."""

import signal

from api.config import ApiConfig
from api.external import Provider
from api.serve import api_server
from davy import folders, ports
from davy.coverage_policies import policies_that_load
from davy.master_key import master_key
from davy.postgres_home import running_url
from davy.settings import Settings
from devices.sites import token_sha256


def _provider(settings: Settings) -> Provider | None:
    if settings.oidc_issuer is None or settings.oidc_client is None:
        return None
    return Provider(settings.oidc_issuer, settings.oidc_client, settings.oidc_audience or "")


def run_api(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises CannotGoOn when the port cannot be had or the token's file is not safe."""
    config = ApiConfig(
        door=settings.door,
        database_url=settings.database_url or running_url(settings),
        admin_token_sha256=token_sha256(folders.administrator_token(settings)),
        access_file=settings.access_file,
        provider=_provider(settings),
        master_key=master_key(settings.master_key),
        policies=policies_that_load(settings),
    )
    server = api_server(
        config,
        host=settings.http_host,
        port=settings.http_port,
        tls_cert=settings.http_tls_cert,
        tls_key=settings.http_tls_key,
    )
    sockets = [ports.listen(settings.http_host, settings.http_port, "http")]
    for ending in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal once more when it has stopped; a clean stop is no death by signal.
        signal.signal(ending, lambda *_: None)
    server.run(sockets)
