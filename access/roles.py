"""Roles, and what each may do at all. What it may do it *to* is said by access/ownership.py.

R1  A role's actions are written out: a new action is a decision here and not an accident.
R2  A regulator and a vendor never have an action that shows personal data or moves a valve.
"""

from enum import StrEnum


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
