"""Operations: incidents. Written by api/client/source.py."""

from api.alarm_shapes import (
    Instructed,
)
from api.client.operation import (
    Operation,
)
from api.incident_shapes import (
    ArrivalRequest,
    ClosingRequest,
    DispatchRequest,
    FieldReadingRequest,
    IncidentComment,
    IncidentInFull,
    Incidents,
    PastIncidents,
    StepRequest,
)

list_incidents: Operation[None, Incidents] = Operation(
    "list_incidents",
    "GET",
    "/v1/incidents",
    None,
    Incidents,
    query=(
        "scope",
        "key",
        "whole",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_past_incidents: Operation[None, PastIncidents] = Operation(
    "list_past_incidents",
    "GET",
    "/v1/incidents/history",
    None,
    PastIncidents,
    query=(
        "from",
        "to",
        "scope",
        "key",
        "resolution",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_incident: Operation[None, IncidentInFull] = Operation(
    "get_incident",
    "GET",
    "/v1/incidents/{incident}",
    None,
    IncidentInFull,
)

dispatch_crew: Operation[DispatchRequest, Instructed] = Operation(
    "dispatch_crew",
    "POST",
    "/v1/incidents/{incident}/dispatch",
    DispatchRequest,
    Instructed,
    keyed=True,
)

arrive_on_site: Operation[ArrivalRequest, Instructed] = Operation(
    "arrive_on_site",
    "POST",
    "/v1/incidents/{incident}/arrive",
    ArrivalRequest,
    Instructed,
    keyed=True,
)

report_field_reading: Operation[FieldReadingRequest, Instructed] = Operation(
    "report_field_reading",
    "POST",
    "/v1/incidents/{incident}/field-reading",
    FieldReadingRequest,
    Instructed,
    keyed=True,
)

finish_field_step: Operation[StepRequest, Instructed] = Operation(
    "finish_field_step",
    "POST",
    "/v1/incidents/{incident}/step",
    StepRequest,
    Instructed,
    keyed=True,
)

comment_on_incident: Operation[IncidentComment, Instructed] = Operation(
    "comment_on_incident",
    "POST",
    "/v1/incidents/{incident}/comment",
    IncidentComment,
    Instructed,
    keyed=True,
)

close_incident: Operation[ClosingRequest, Instructed] = Operation(
    "close_incident",
    "POST",
    "/v1/incidents/{incident}/close",
    ClosingRequest,
    Instructed,
    keyed=True,
)
