"""Which fields of a thing each role may see. What is not listed is not shown.

V1  Allow-lists: a field that is added to an answer is seen by a gas company's staff and the platform, and by nobody
    else until it is listed here. A field that is not shown is null.
V2  A vendor sees its devices and how they behave, and not where they are or who lives there. A regulator sees that
    there was an alarm and what became of it, and not what people said, who they are, or how they are reached.
"""

from enum import StrEnum

from access.roles import Role


class Resource(StrEnum):
    """A kind of thing that is shown."""

    ALARM = "alarm"
    ALARM_STEP = "alarm_step"
    COMMAND = "command"
    DEVICE = "device"
    INCIDENT = "incident"
    INCIDENT_STEP = "incident_step"
    EVENT = "event"
    SITE = "site"
    INSTALLATION = "installation"


#: Who sees all there is: those whose customers they are, and the platform.
STAFF = frozenset({Role.OPERATOR, Role.COMPANY_ADMINISTRATOR, Role.FIELD_CREW, Role.PLATFORM_ADMINISTRATOR})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ALARM = _words(
    "alarm rule device device_no priority state onset raised changed quantity value late because note expected trial"
    " resolution until true_state device_says"
)
_ALARM_STEP = _words("id at change state priority trial until resolution")
_COMMAND = _words("wanted verb source device device_no epoch since confirm_by hears_by outcome ended position attempts")
_DEVICE = _words(
    "device device_no vendor serial model kind simulated gateway unit channel model_facts installed calibration_due"
    " made life_end certificates identifier identifier_kind version"
    " recorded installer"
)
_AT_A_SITE = _words("site site_name area building riser tags mounting closes address")
_INCIDENT = _words(
    "incident scope key opened priority alarms device device_no opened_steps steps over into parts closed resolution"
)
_INCIDENT_STEP = _words("id at change priority alarm step resolution into")
_EVENT = _words(
    "type at device device_no alarm rule priority onset state trial until late quantity value because note expected"
    " change resolution wanted confirm_by hears_by command attempt verb step outcome what reverted as_of reason"
)
_SITE = _words(
    "site address area enterprise manager building riser site_class timezone simulated tags department neighbourhood"
    " building_height_m gas_supply gas_on version recorded recorded_by"
)
_INSTALLATION = _words(
    "installation device since until installer gas_on_check inspected replaces reason ended_because version recorded"
    " recorded_by"
)
_EVENT_OF_SITE = _EVENT | _words("site incident scope key into")

#: V1.
ALLOWED: dict[Resource, dict[Role, frozenset[str]]] = {
    Resource.ALARM: {
        Role.RESIDENT: _ALARM | {"site", "incident"},
        Role.PROPERTY_MANAGER: _ALARM | {"site", "incident"},
        Role.REGULATOR: (_ALARM - {"note"}) | {"site", "incident"},
        Role.INSTALLER: _ALARM | {"site"},
        Role.VENDOR: _ALARM,
    },
    Resource.ALARM_STEP: dict.fromkeys(
        (Role.RESIDENT, Role.PROPERTY_MANAGER, Role.REGULATOR, Role.INSTALLER, Role.VENDOR), _ALARM_STEP
    ),
    Resource.COMMAND: {
        Role.RESIDENT: _COMMAND | {"site", "alarm", "reason"},
        Role.PROPERTY_MANAGER: _COMMAND | {"site", "alarm", "reason"},
        Role.REGULATOR: _COMMAND | {"site", "alarm"},
        Role.INSTALLER: _COMMAND | {"site", "alarm"},
        Role.VENDOR: _COMMAND | {"alarm"},
    },
    Resource.DEVICE: {
        Role.RESIDENT: _DEVICE | _AT_A_SITE,
        Role.PROPERTY_MANAGER: _DEVICE | _AT_A_SITE,
        Role.REGULATOR: (_DEVICE | _AT_A_SITE) - {"site_name", "address"},
        Role.INSTALLER: _DEVICE | _AT_A_SITE,
        Role.VENDOR: _DEVICE,
    },
    Resource.INCIDENT: dict.fromkeys((Role.RESIDENT, Role.PROPERTY_MANAGER, Role.REGULATOR), _INCIDENT),
    Resource.INCIDENT_STEP: dict.fromkeys((Role.RESIDENT, Role.PROPERTY_MANAGER, Role.REGULATOR), _INCIDENT_STEP),
    Resource.SITE: {
        Role.RESIDENT: _SITE | {"name", "hardship", "funding"},
        Role.PROPERTY_MANAGER: _SITE | {"name"},
        # Who is in hardship is counted, and is nobody's name: docs/COVERAGE.md.
        Role.REGULATOR: _SITE | {"hardship", "funding"},
    },
    Resource.INSTALLATION: {
        Role.RESIDENT: _INSTALLATION | {"site", "mounting"},
        Role.PROPERTY_MANAGER: _INSTALLATION | {"site", "mounting"},
        Role.REGULATOR: _INSTALLATION | {"site", "mounting", "evidence"},
        Role.INSTALLER: _INSTALLATION | {"site", "mounting", "evidence"},
        Role.VENDOR: _INSTALLATION,
    },
    Resource.EVENT: {
        Role.RESIDENT: _EVENT_OF_SITE,
        Role.PROPERTY_MANAGER: _EVENT_OF_SITE,
        Role.REGULATOR: _EVENT_OF_SITE - {"note", "reason"},
        Role.INSTALLER: _EVENT | {"site"},
        Role.VENDOR: _EVENT - {"reason"},
    },
}


def allowed(role: Role, resource: Resource) -> frozenset[str] | None:
    """The fields that `role` may see; None: all there are."""
    return None if role in STAFF else ALLOWED[resource].get(role, frozenset())
