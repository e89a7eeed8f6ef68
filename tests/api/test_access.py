"""One authorize(): the whole table, row by row."""

import pytest

from access.authorize import Action, Denied, NotFound, OfAlarm, OfDevice, Platform, authorize
from access.principals import Administrator, Anonymous, DevicePrincipal
from access.roles import ANONYMOUS_ACTIONS, DEVICE_ACTIONS

DEVICE = DevicePrincipal("acme/g1", frozenset({"acme/g1", "acme/d2"}))


@pytest.mark.parametrize("action", Action)
def test_nobody_does_anything_but_watch_health_and_sign_in(action: Action) -> None:
    if action in ANONYMOUS_ACTIONS:
        authorize(Anonymous(), action, Platform())
    else:
        with pytest.raises(Denied):
            authorize(Anonymous(), action, OfDevice("acme/d2"))


@pytest.mark.parametrize("action", Action)
def test_an_administrator_does_everything_but_speak_for_a_device(action: Action) -> None:
    if action is Action.PUBLISH_READINGS:
        with pytest.raises(Denied, match="publish readings"):
            authorize(Administrator(), action, OfDevice("acme/d2"))
    else:
        authorize(Administrator(), action, OfAlarm("0" * 32))


@pytest.mark.parametrize("action", sorted(set(Action) - DEVICE_ACTIONS))
def test_a_device_only_publishes(action: Action) -> None:
    with pytest.raises(Denied):
        authorize(DEVICE, action, OfDevice("acme/g1"))


def test_a_device_publishes_for_itself_and_those_behind_it() -> None:
    for identity in ("acme/g1", "acme/d2"):
        authorize(DEVICE, Action.PUBLISH_READINGS, OfDevice(identity))


def test_a_device_cannot_learn_of_another_devices_existence() -> None:
    with pytest.raises(NotFound):
        authorize(DEVICE, Action.PUBLISH_READINGS, OfDevice("acme/d1"))


def test_readings_are_published_for_devices_only() -> None:
    with pytest.raises(Denied):
        authorize(DEVICE, Action.PUBLISH_READINGS, Platform())
