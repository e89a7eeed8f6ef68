"""Operations: alarms. Written by api/client/source.py."""

from api.alarm_health import (
    AlarmHealth,
)
from api.alarm_shapes import (
    Acknowledgement,
    AlarmComment,
    AlarmInFull,
    AlarmResolution,
    Alarms,
    Instructed,
    PastAlarms,
    Shelving,
)
from api.client.operation import (
    Operation,
)

stream_alarms: Operation[None, bytes] = Operation(
    "stream_alarms",
    "GET",
    "/v1/alarms/stream",
    None,
    bytes,
    query=("after",),
)

get_alarm_health: Operation[None, AlarmHealth] = Operation(
    "get_alarm_health",
    "GET",
    "/v1/alarms/health",
    None,
    AlarmHealth,
    query=(
        "from",
        "to",
        "desks",
    ),
)

list_alarms: Operation[None, Alarms] = Operation(
    "list_alarms",
    "GET",
    "/v1/alarms",
    None,
    Alarms,
    query=(
        "state",
        "priority",
        "site",
        "incident",
        "trial",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_past_alarms: Operation[None, PastAlarms] = Operation(
    "list_past_alarms",
    "GET",
    "/v1/alarms/history",
    None,
    PastAlarms,
    query=(
        "from",
        "to",
        "state",
        "priority",
        "site",
        "incident",
        "trial",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_alarm: Operation[None, AlarmInFull] = Operation(
    "get_alarm",
    "GET",
    "/v1/alarms/{alarm}",
    None,
    AlarmInFull,
)

acknowledge_alarm: Operation[Acknowledgement, Instructed] = Operation(
    "acknowledge_alarm",
    "POST",
    "/v1/alarms/{alarm}/acknowledge",
    Acknowledgement,
    Instructed,
    keyed=True,
)

reset_alarm: Operation[None, Instructed] = Operation(
    "reset_alarm",
    "POST",
    "/v1/alarms/{alarm}/reset",
    None,
    Instructed,
    keyed=True,
)

shelve_alarm: Operation[Shelving, Instructed] = Operation(
    "shelve_alarm",
    "POST",
    "/v1/alarms/{alarm}/shelve",
    Shelving,
    Instructed,
    keyed=True,
)

unshelve_alarm: Operation[None, Instructed] = Operation(
    "unshelve_alarm",
    "POST",
    "/v1/alarms/{alarm}/unshelve",
    None,
    Instructed,
    keyed=True,
)

comment_on_alarm: Operation[AlarmComment, Instructed] = Operation(
    "comment_on_alarm",
    "POST",
    "/v1/alarms/{alarm}/comment",
    AlarmComment,
    Instructed,
    keyed=True,
)

resolve_alarm: Operation[AlarmResolution, Instructed] = Operation(
    "resolve_alarm",
    "POST",
    "/v1/alarms/{alarm}/resolve",
    AlarmResolution,
    Instructed,
    keyed=True,
)
