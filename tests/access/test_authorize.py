"""Roles and what they may do it to: the table's own rules, and that scopes and single answers agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.actions import Action
from access.authorize import Denied, NotFound, acts_as, authorize, enterprises_of, may, scope
from access.ownership import Owner, Scope
from access.principals import Membership, Person, Principal, Service
from access.roles import ANONYMOUS_ACTIONS, DEVICE_ACTIONS, MOVES_A_VALVE, ROLE_ACTIONS, Role
from access.subjects import OfDevice, OfEnterprise, OfIncident, OfSite

KEYS = st.sampled_from(["", "a", "b", "c"])
OWNERS = st.builds(
    Owner,
    site=KEYS,
    enterprise=KEYS,
    manager=KEYS,
    area=st.sampled_from(["", "500101", "500102", "510000"]),
    vendor=KEYS,
    installer=KEYS,
)
MEMBERSHIPS = st.builds(
    Membership,
    role=st.sampled_from(Role),
    enterprise=KEYS,
    area=st.sampled_from(["", "50", "500101", "51"]),
    vendor=KEYS,
    sites=st.frozensets(st.sampled_from(["a", "b"]), max_size=1),
)
PEOPLE = st.builds(Person, account=st.just("p"), memberships=st.lists(MEMBERSHIPS, max_size=3).map(tuple))
SERVICES = st.builds(
    Service, key=st.just("k"), membership=MEMBERSHIPS, scopes=st.frozensets(st.sampled_from([str(a) for a in Action]))
)
ACTIONS = st.sampled_from(Action)


def person(role: Role, **of: object) -> Person:
    return Person("p", (Membership(role, **of),))  # type: ignore[arg-type]


@pytest.mark.parametrize("action", Action)
def test_every_action_is_somebodys(action: Action) -> None:
    assert action in DEVICE_ACTIONS | ANONYMOUS_ACTIONS or any(action in row for row in ROLE_ACTIONS.values())


@pytest.mark.parametrize("role", [Role.REGULATOR, Role.VENDOR])
def test_a_regulator_and_a_vendor_move_no_valve(role: Role) -> None:
    assert not ROLE_ACTIONS[role] & MOVES_A_VALVE


def test_only_devices_publish() -> None:
    assert not any(Action.PUBLISH_READINGS in row for row in ROLE_ACTIONS.values())


def test_a_property_manager_sees_no_readings() -> None:
    assert Action.READ_READINGS not in ROLE_ACTIONS[Role.PROPERTY_MANAGER]


@given(PEOPLE | SERVICES, ACTIONS, OWNERS)
def test_one_answer_is_what_the_scope_says(who: Principal, action: Action, owner: Owner) -> None:
    subject = OfDevice("acme/d1", owner)
    if not may(who, action):
        with pytest.raises(Denied):
            authorize(who, action, subject)
    elif scope(who, action).admits(owner):
        authorize(who, action, subject)
    else:
        with pytest.raises(NotFound):
            authorize(who, action, subject)


@given(PEOPLE, ACTIONS, OWNERS)
def test_memberships_unite_and_give_each_other_nothing(who: Person, action: Action, owner: Owner) -> None:
    each = [scope(Person("p", (one,)), action).admits(owner) for one in who.memberships]
    assert scope(who, action).admits(owner) == any(each)


@given(MEMBERSHIPS, st.frozensets(st.sampled_from([str(a) for a in Action])), ACTIONS, OWNERS)
def test_a_key_gives_nothing_that_its_membership_has_not(
    of: Membership, scopes: frozenset[str], action: Action, owner: Owner
) -> None:
    key, holder = Service("k", of, scopes), Person("p", (of,))
    if scope(key, action).admits(owner):
        assert scope(holder, action).admits(owner)
        assert action in scopes


@given(PEOPLE, ACTIONS)
def test_what_is_nobodys_is_seen_by_the_platform_only(who: Person, action: Action) -> None:
    platform = any(one.role is Role.PLATFORM_ADMINISTRATOR and not one.sites for one in who.memberships)
    assert not scope(who, action).admits(Owner()) or platform


def test_an_incident_over_two_parties_is_seen_by_neither_alone() -> None:
    who = person(Role.OPERATOR, enterprise="a")
    mine, theirs = Owner(site="s1", enterprise="a"), Owner(site="s2", enterprise="b")
    authorize(who, Action.READ_INCIDENTS, OfIncident("i", (mine, mine)))
    for owners in ((mine, theirs), (theirs,), ()):
        with pytest.raises(NotFound, match="no incident i"):
            authorize(who, Action.READ_INCIDENTS, OfIncident("i", owners))


def test_what_does_not_exist_and_what_is_not_ones_own_are_answered_alike() -> None:
    who = person(Role.OPERATOR, enterprise="a")
    said = []
    for owner in (None, Owner(site="s", enterprise="b")):
        with pytest.raises(NotFound) as hidden:
            authorize(who, Action.READ_DEVICES, OfDevice("acme/d1", owner))
        said.append(str(hidden.value))
    assert said[0] == said[1]


def test_a_regulator_sees_its_area_and_no_other() -> None:
    who = person(Role.REGULATOR, enterprise="bureau", area="5001")
    assert scope(who, Action.READ_ALARMS) == Scope(areas=frozenset({"5001"}))
    authorize(who, Action.READ_ALARMS, OfSite("s", Owner(site="s", area="500156")))
    with pytest.raises(NotFound):
        authorize(who, Action.READ_ALARMS, OfSite("s", Owner(site="s", area="500200")))


def test_an_enterprises_own_affairs_are_its_members() -> None:
    who = person(Role.COMPANY_ADMINISTRATOR, enterprise="a")
    authorize(who, Action.CHANGE_ACCOUNTS, OfEnterprise("a"))
    with pytest.raises(NotFound):
        authorize(who, Action.CHANGE_ACCOUNTS, OfEnterprise("b"))
    assert enterprises_of(person(Role.PLATFORM_ADMINISTRATOR), Action.CHANGE_ACCOUNTS) is None


def test_a_resident_who_is_an_operator_too_acts_as_an_operator_where_he_is_one() -> None:
    home = Membership(Role.RESIDENT, "a", sites=frozenset({"home"}))
    desk = Membership(Role.OPERATOR, "b")
    who = Person("p", (home, desk))
    assert acts_as(who, Action.SHELVE_ALARM, Owner(site="home", enterprise="a")) is Role.RESIDENT
    assert acts_as(who, Action.SHELVE_ALARM, Owner(site="x", enterprise="b")) is Role.OPERATOR
