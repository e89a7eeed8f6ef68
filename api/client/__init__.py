"""A client of the API for programs: `Davy`, and the operations in api/client/operations."""

from api.client.davy import Davy
from api.client.failures import Refused, Unavailable
from api.client.operation import Operation

__all__ = ["Davy", "Operation", "Refused", "Unavailable"]
