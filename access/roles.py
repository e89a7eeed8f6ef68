"""Roles, and what each may do at all. What it may do it *to* is said by access/ownership.py.

R1  A role's actions are written out: a new action is a decision here and not an accident. A test asks for each action
    that at least one of these rows, or DEVICE_ACTIONS, or ANONYMOUS_ACTIONS has it.
R2  A regulator and a vendor never have an action that shows personal data or moves a valve.
"""

from enum import StrEnum

from access.actions import Action
from access.enterprises import EnterpriseKind


class Role(StrEnum):
    """In what capacity somebody acts."""

    RESIDENT = "resident"
    OPERATOR = "operator"  # at a gas company's duty desk
    COMPANY_ADMINISTRATOR = "company_administrator"  # of a gas company
    FIELD_CREW = "field_crew"
    VENDOR = "vendor"  # of devices
    INSTALLER = "installer"
    PROPERTY_MANAGER = "property_manager"
    REGULATOR = "regulator"
    PLATFORM_ADMINISTRATOR = "platform_administrator"


#: What needs no credential.
ANONYMOUS_ACTIONS = frozenset({Action.WATCH_HEALTH, Action.SIGN_IN, Action.READ_PUBLIC, Action.COMPLAIN})

#: What a device may do, and only for itself and those behind it.
DEVICE_ACTIONS = ANONYMOUS_ACTIONS | {Action.PUBLISH_READINGS}

#: What everybody may do who has signed in as a person or with a key.
SIGNED_IN_ACTIONS = ANONYMOUS_ACTIONS | {Action.CHANGE_SELF, Action.READ_DESCRIPTION, Action.READ_AREAS}

#: What whoever speaks for a party does: what it lets others see, what others let it see, and where that is sent.
_SHARES = frozenset(
    {
        Action.READ_GRANTS,
        Action.CHANGE_GRANTS,
        Action.READ_SHARED,
        Action.READ_WEBHOOKS,
        Action.CHANGE_WEBHOOKS,
    }
)

_SEES_ALARMS = frozenset({Action.READ_ALARMS, Action.READ_DEVICES, Action.READ_COMMANDS})

_RESIDENT = (
    SIGNED_IN_ACTIONS
    | _SEES_ALARMS
    | {
        Action.READ_INSTALLATIONS,
        Action.READ_CLAIMS,
        Action.CLAIM_DEVICE,
        Action.READ_SITES,
        Action.READ_READINGS,
        Action.READ_INCIDENTS,
        Action.ACKNOWLEDGE_ALARM,
        Action.SHELVE_ALARM,  # never high gas or carbon monoxide: rules/life/overlays.py
        Action.COMMENT,
        Action.CLOSE_VALVE,
    }
)

_FIELD_CREW = (
    SIGNED_IN_ACTIONS
    | _SEES_ALARMS
    | {
        Action.READ_INSTALLATIONS,
        Action.READ_CLAIMS,
        Action.CLAIM_DEVICE,
        Action.READ_SITES,
        Action.READ_PEOPLE,
        Action.READ_ENTERPRISES,
        Action.INSTALL,
        Action.READ_READINGS,
        Action.READ_INCIDENTS,
        Action.ACKNOWLEDGE_ALARM,
        Action.RESET_ALARM,
        Action.COMMENT,
        Action.RESOLVE_ALARM,
        Action.TAKE_OUT_OF_SERVICE,
        Action.RETURN_TO_SERVICE,
        Action.WORK_ON_INCIDENT,
        Action.READ_PERMITS,
        Action.REQUEST_PERMIT,
        Action.APPROVE_PERMIT,
        Action.WITHDRAW_PERMIT,
        Action.COMPLETE_PERMIT,
        Action.CLOSE_VALVE,
    }
)

_OPERATOR = _FIELD_CREW | {
    Action.DECIDE_CLAIM,
    Action.CHANGE_PEOPLE,
    Action.UNMASK,
    Action.SHELVE_ALARM,
    Action.CLOSE_INCIDENT,
    Action.READ_HELD,
    Action.RELEASE_HELD,
    Action.VETO_HELD,
    Action.CANCEL_CLOSE,
    Action.READ_RULES,
    Action.EXPLAIN_RULES,
    Action.CHECK_RULES,
    Action.READ_COVERAGE,
    Action.READ_SCORECARDS,
}

_COMPANY_ADMINISTRATOR = (
    _OPERATOR
    | _SHARES
    | {
        Action.PROMISE_RESPONSE,
        Action.OFFER_DEVICE,
        Action.CHANGE_TOKENS,
        Action.READ_MODELS,
        Action.IMPORT_REGISTER,
        Action.EXPORT_REGISTER,
        Action.READ_AUDIT,
        Action.CHANGE_REGISTER,
        Action.READ_ACCOUNTS,
        Action.CHANGE_ACCOUNTS,
        Action.READ_KEYS,
        Action.CHANGE_KEYS,
    }
)

_VENDOR = (
    SIGNED_IN_ACTIONS
    | _SEES_ALARMS
    | _SHARES
    | {
        Action.READ_CLAIMS,
        Action.OFFER_DEVICE,
        Action.READ_MODELS,
        Action.HAND_IN_MODEL,
        Action.READ_ENTERPRISES,
        Action.READ_READINGS,
        Action.CHECK_RULES,
        Action.OFFER_PRODUCTS,
        Action.READ_SCORECARDS,
        Action.READ_CONFORMANCE,
        Action.READ_AUDIT,
        Action.READ_KEYS,
        Action.CHANGE_KEYS,
    }
)

_INSTALLER = (
    SIGNED_IN_ACTIONS
    | _SEES_ALARMS
    | _SHARES
    | {
        Action.READ_INSTALLATIONS,
        Action.READ_CLAIMS,
        Action.CLAIM_DEVICE,
        Action.READ_ENTERPRISES,
        Action.INSTALL,
        Action.READ_READINGS,
        Action.READ_AUDIT,
        Action.READ_KEYS,
        Action.CHANGE_KEYS,
    }
)

#: Alarms and valves of its own buildings, and no readings of what goes on inside homes.
_PROPERTY_MANAGER = (
    SIGNED_IN_ACTIONS
    | _SEES_ALARMS
    | _SHARES
    | {
        Action.READ_INSTALLATIONS,
        Action.READ_SITES,
        Action.READ_ENTERPRISES,
        Action.READ_COVERAGE,
        Action.READ_INCIDENTS,
        Action.ACKNOWLEDGE_ALARM,
        Action.COMMENT,
        Action.CLOSE_VALVE,
        Action.READ_AUDIT,
        Action.READ_KEYS,
        Action.CHANGE_KEYS,
    }
)

_REGULATOR = (
    SIGNED_IN_ACTIONS
    | _SEES_ALARMS
    | _SHARES
    | {
        Action.READ_INSTALLATIONS,
        Action.READ_SITES,
        Action.READ_ENTERPRISES,
        Action.READ_INCIDENTS,
        Action.READ_COVERAGE,
        Action.GOVERN_COVERAGE,
        Action.READ_SCORECARDS,
        Action.READ_CONFORMANCE,
        Action.GOVERN_CATALOGUE,
        Action.READ_AUDIT,
        Action.READ_KEYS,
        Action.CHANGE_KEYS,
    }
)

#: The platform's own people: all but speak for a device. Written out too (R1).
PLATFORM_ACTIONS = _COMPANY_ADMINISTRATOR | {
    Action.HAND_IN_MODEL,
    Action.DECIDE_MODEL,
    Action.OFFER_PRODUCTS,
    Action.READ_CONFORMANCE,
    Action.GOVERN_COVERAGE,
    Action.GOVERN_CATALOGUE,
    Action.CHANGE_PARTIES,
    Action.READ_METRICS,
    Action.READ_LEDGER,
    Action.READ_RULE_DOCUMENTS,
    Action.READ_BACKTESTS,
    Action.RUN_BACKTEST,
}

#: R1.
ROLE_ACTIONS: dict[Role, frozenset[Action]] = {
    Role.RESIDENT: _RESIDENT,
    Role.OPERATOR: _OPERATOR,
    Role.COMPANY_ADMINISTRATOR: _COMPANY_ADMINISTRATOR,
    Role.FIELD_CREW: _FIELD_CREW,
    Role.VENDOR: _VENDOR,
    Role.INSTALLER: _INSTALLER,
    Role.PROPERTY_MANAGER: _PROPERTY_MANAGER,
    Role.REGULATOR: _REGULATOR,
    Role.PLATFORM_ADMINISTRATOR: PLATFORM_ACTIONS,
}

#: What moves a valve, puts one off, or says that it may be moved (R2).
MOVES_A_VALVE = frozenset(
    {
        Action.CLOSE_VALVE,
        Action.CANCEL_CLOSE,
        Action.REQUEST_PERMIT,
        Action.APPROVE_PERMIT,
        Action.WITHDRAW_PERMIT,
        Action.COMPLETE_PERMIT,
        Action.RELEASE_HELD,
        Action.VETO_HELD,
    }
)

#: In what roles people act for an enterprise of each kind; a resident is at home at sites of a gas company.
ROLES_OF_KIND: dict[EnterpriseKind, frozenset[Role]] = {
    EnterpriseKind.GAS_COMPANY: frozenset({Role.OPERATOR, Role.COMPANY_ADMINISTRATOR, Role.FIELD_CREW, Role.RESIDENT}),
    EnterpriseKind.VENDOR: frozenset({Role.VENDOR}),
    EnterpriseKind.INSTALLER: frozenset({Role.INSTALLER}),
    EnterpriseKind.PROPERTY_MANAGER: frozenset({Role.PROPERTY_MANAGER}),
    EnterpriseKind.REGULATOR: frozenset({Role.REGULATOR}),
}
