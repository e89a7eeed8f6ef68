"""Operations: devices. Written by api/client/source.py."""

from api.alarm_shapes import (
    Instructed,
)
from api.client.operation import (
    Operation,
)
from api.device_shapes import (
    DeviceInFull,
    Devices,
    OutOfServiceRequest,
)

list_devices: Operation[None, Devices] = Operation(
    "list_devices",
    "GET",
    "/v1/devices",
    None,
    Devices,
    query=(
        "as_of",
        "fields",
        "cursor",
        "limit",
        "site",
        "kind",
        "model",
        "vendor",
        "gateway",
        "area",
        "enterprise",
        "manager",
        "installer",
        "due_before",
    ),
    cursor="cursor",
)

get_device: Operation[None, DeviceInFull] = Operation(
    "get_device",
    "GET",
    "/v1/devices/{vendor}/{serial}",
    None,
    DeviceInFull,
    query=(
        "as_of",
        "fields",
    ),
)

take_out_of_service: Operation[OutOfServiceRequest, Instructed] = Operation(
    "take_out_of_service",
    "POST",
    "/v1/devices/{vendor}/{serial}/take-out-of-service",
    OutOfServiceRequest,
    Instructed,
    keyed=True,
)

return_to_service: Operation[None, Instructed] = Operation(
    "return_to_service",
    "POST",
    "/v1/devices/{vendor}/{serial}/return-to-service",
    None,
    Instructed,
    keyed=True,
)
