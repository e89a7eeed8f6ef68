"""The incidents of the naive reference, of sites alone: opened, joined and over, found by looking at every alarm."""

from dataclasses import dataclass, field

from rules.decisions import Decision, IncidentChange, IncidentChanged, IncidentScope, Priority, incident_id


@dataclass
class Case:
    """An open incident of a site."""

    name: str
    site: str
    priority: Priority
    alarms: list[str] = field(default_factory=list)
    over: bool = False


class Cases:
    """`active`: by the id of an alarm that is in a case, whether its condition is present."""

    def __init__(self) -> None:
        self.by_site: dict[str, Case] = {}
        self.active: dict[str, bool] = {}

    def belongs(self, site: str, priority: Priority, at: int) -> str:
        """The incident that an active alarm there is in, or opens, or empty."""
        if site in self.by_site:
            return self.by_site[site].name
        return incident_id(IncidentScope.SITE, site, at) if priority <= Priority.HIGH else ""

    def follow(self, out: list[Decision], alarm: str, site: str, priority: Priority, active: bool, at: int) -> None:
        """An alarm was raised or changed."""
        if active and (name := self.belongs(site, priority, at)):
            self.active[alarm] = True
            case = self.by_site.get(site)
            if case is None:
                case = self.by_site[site] = Case(name, site, priority)
                case.alarms.append(alarm)
                self.tell(out, case, IncidentChange.OPENED, at, alarm)
            elif alarm not in case.alarms or case.over:
                case.alarms += [alarm] if alarm not in case.alarms else []
                case.priority, case.over = min(case.priority, priority), False
                self.tell(out, case, IncidentChange.JOINED, at, alarm)
        elif alarm in self.active:
            self.active[alarm] = False
            case = self.by_site[site]
            if not case.over and not any(self.active[one] for one in case.alarms):
                case.over = True
                self.tell(out, case, IncidentChange.OVER, at, "")

    @staticmethod
    def tell(out: list[Decision], case: Case, what: IncidentChange, at: int, alarm: str) -> None:
        scope, priority = IncidentScope.SITE, case.priority
        out.append(
            IncidentChanged(
                at=at, incident=case.name, scope=scope, key=case.site, change=what, priority=priority, alarm=alarm
            )
        )
