"""Which fields of a thing each role may see. What is not listed is not shown.

V1  Allow-lists: a field that is added to an answer is seen by a gas company's staff and the platform, and by nobody
    else until it is listed here. A field that is not shown is null.
V2  A vendor sees its devices and how they behave, and not where they are or who lives there. A regulator sees that there
    was an alarm and what became of it, and not what people said, who they are, or how they are reached.
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


#: Who sees all there is: those whose customers they are, and the platform.
STAFF = frozenset({Role.OPERATOR, Role.COMPANY_ADMINISTRATOR, Role.FIELD_CREW, Role.PLATFORM_ADMINISTRATOR})

_ALARM = frozenset(
    "alarm rule device device_no priority state onset raised changed quantity value late because note expected trial"
    " resolution until true_state device_says".split()
)
_ALARM_STEP = frozenset("id at change state priority trial until resolution".split())
_COMMAND = frozenset(
    "wanted verb source device device_no epoch since confirm_by hears_by outcome ended position attempts".split()
)
_DEVICE = frozenset(
    "device device_no vendor serial model kind simulated gateway unit channel model_facts installed calibration_due"
    " made life_end certificates identifier identifier_kind version".split()
)
_AT_A_SITE = frozenset("site site_name area building riser tags mounting closes address".split())
_INCIDENT = frozenset(
    "incident scope key opened priority alarms device device_no opened_steps steps over into parts closed"
    " resolution".split()
)
_INCIDENT_STEP = frozenset("id at change priority alarm step resolution into".split())
_EVENT = frozenset(
    "type at device device_no alarm rule priority onset state trial until late quantity value because note expected"
    " change resolution wanted confirm_by hears_by command attempt verb step outcome what reverted as_of reason".split()
)
_EVENT_OF_SITE = _EVENT | frozenset("site incident scope key into".split())

#: V1.
ALLOWED: dict[Resource, dict[Role, frozenset[str]]] = {
    Resource.ALARM: {
        Role.RESIDENT: _ALARM | {"site", "incident"},
        Role.PROPERTY_MANAGER: _ALARM | {"site", "incident"},
        Role.REGULATOR: (_ALARM - {"note"}) | {"site", "incident"},
        Role.INSTALLER: _ALARM | {"site"},
        Role.VENDOR: _ALARM,
    },
    Resource.ALARM_STEP: {
        role: _ALARM_STEP
        for role in (Role.RESIDENT, Role.PROPERTY_MANAGER, Role.REGULATOR, Role.INSTALLER, Role.VENDOR)
    },
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
    Resource.INCIDENT: {role: _INCIDENT for role in (Role.RESIDENT, Role.PROPERTY_MANAGER, Role.REGULATOR)},
    Resource.INCIDENT_STEP: {role: _INCIDENT_STEP for role in (Role.RESIDENT, Role.PROPERTY_MANAGER, Role.REGULATOR)},
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
