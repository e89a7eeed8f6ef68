"""People and programs by their tokens. No request waits for the database here (api/known.py, X1)."""

import structlog

from access.directory import as_person
from access.principals import Person, Service
from access.secrets import Secret, kind_of
from api.config import ApiConfig
from api.external import External, NotGenuine, ProviderAway
from api.known import Known
from devices.sites import token_sha256

_log = structlog.get_logger()


class People:
    """`external` None: nobody signs in elsewhere."""

    def __init__(self, config: ApiConfig, known: Known, external: External | None) -> None:
        self._config = config
        self._known = known
        self._external = external

    async def who(self, token: str) -> Person | Service | None:
        """Whose session or key it is, while that lives."""
        found = await self._who(token)
        if found is None and kind_of(token) is not None:
            await self._known.settled()
            found = await self._who(token)
        return found

    async def _who(self, token: str) -> Person | Service | None:
        now_us, directory = self._config.now_us(), self._known.directory
        match kind_of(token):
            case Secret.SESSION:
                return directory.person(token_sha256(token), now_us)
            case Secret.KEY:
                service = directory.service(token_sha256(token), now_us)
                if service is not None:
                    self._known.use(service.key)
                return service
            case None if self._external is not None and token.count(".") == 2:
                return await self._elsewhere(self._external, token, now_us)
            case _:
                return None

    async def _elsewhere(self, external: External, token: str, now_us: int) -> Person | None:
        """By an access token of the provider, without a session of ours."""
        try:
            who = await external.access_token(token, now_us)
        except (NotGenuine, ProviderAway) as wrong:
            _log.info("an access token was refused", why=str(wrong))
            return None
        account = self._known.directory.elsewhere(who.issuer, who.subject)
        return None if account is None else as_person(account, "")
