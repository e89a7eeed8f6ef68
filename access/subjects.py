"""What something is done to: one device, one alarm, ... or the installation as a whole. Frozen."""

from dataclasses import dataclass

from access.ownership import Owner


@dataclass(frozen=True, slots=True)
class Platform:
    """The installation as a whole: lists (which show what the asker's Scope admits), ledger, metrics."""

    @property
    def words(self) -> str:
        return "such thing"


@dataclass(frozen=True, slots=True)
class OfDevice:
    """One device, by `vendor/serial`. `owner` of this and the following: whose it is, None where nobody is known to
    have such a thing. `words`: what it is called in an answer."""

    identity: str
    owner: Owner | None = None

    @property
    def words(self) -> str:
        return f"device {self.identity}"


@dataclass(frozen=True, slots=True)
class OfAlarm:
    alarm: str
    owner: Owner | None = None

    @property
    def words(self) -> str:
        return f"alarm {self.alarm}"


@dataclass(frozen=True, slots=True)
class OfCommand:
    """A wanted position and its attempts."""

    wanted: str
    owner: Owner | None = None

    @property
    def words(self) -> str:
        return f"command {self.wanted}"


@dataclass(frozen=True, slots=True)
class OfIncident:
    """An incident may stand over several sites; `owners` has each of them."""

    incident: str
    owners: tuple[Owner, ...] = ()

    @property
    def words(self) -> str:
        return f"incident {self.incident}"


@dataclass(frozen=True, slots=True)
class OfPermit:
    """A permit to open a valve on site."""

    permit: str
    owner: Owner | None = None

    @property
    def words(self) -> str:
        return f"permit {self.permit}"


@dataclass(frozen=True, slots=True)
class OfSite:
    site: str
    owner: Owner | None = None

    @property
    def words(self) -> str:
        return f"site {self.site}"


@dataclass(frozen=True, slots=True)
class OfEnterprise:
    """A party, and what belongs to it as a whole: its people, keys, grants, reports, rosters."""

    enterprise: str

    @property
    def words(self) -> str:
        return f"enterprise {self.enterprise}"


@dataclass(frozen=True, slots=True)
class OfArea:
    """What belongs to an area as a whole: its catalogue, its reports, its plans. A code of GB/T 2260."""

    area: str

    @property
    def owner(self) -> Owner:
        return Owner(area=self.area)

    @property
    def words(self) -> str:
        return f"area {self.area}"


Subject = Platform | OfDevice | OfAlarm | OfCommand | OfIncident | OfPermit | OfSite | OfEnterprise | OfArea
