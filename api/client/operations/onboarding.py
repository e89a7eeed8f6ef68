"""Operations: onboarding. Written by api/client/source.py."""

from api.claim_shapes import (
    Claimed,
    ClaimShown,
    ClaimsShown,
    Label,
)
from api.claims import (
    ClaimPolicy,
    ClaimPolicyShown,
    DeviceClaimed,
    DeviceOffered,
    Refusal,
)
from api.client.operation import (
    Operation,
)
from api.device_models import (
    ModelHandedIn,
    ModelVersionInFull,
    ModelVersions,
    ModelVersionShown,
    NextState,
)
from api.model_conformance import (
    ConformanceShown,
)
from api.tokens_of_devices import (
    TokenAsked,
    TokenMade,
)

offer_device: Operation[DeviceOffered, Label] = Operation(
    "offer_device",
    "POST",
    "/v1/claims/offers",
    DeviceOffered,
    Label,
    keyed=True,
)

claim_device: Operation[DeviceClaimed, Claimed] = Operation(
    "claim_device",
    "POST",
    "/v1/claims",
    DeviceClaimed,
    Claimed,
    keyed=True,
)

list_claims: Operation[None, ClaimsShown] = Operation(
    "list_claims",
    "GET",
    "/v1/claims",
    None,
    ClaimsShown,
    query=(
        "state",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

approve_claim: Operation[None, Claimed] = Operation(
    "approve_claim",
    "POST",
    "/v1/claims/{claim}/approve",
    None,
    Claimed,
    keyed=True,
)

refuse_claim: Operation[Refusal, ClaimShown] = Operation(
    "refuse_claim",
    "POST",
    "/v1/claims/{claim}/refuse",
    Refusal,
    ClaimShown,
    keyed=True,
)

set_claim_policy: Operation[ClaimPolicy, ClaimPolicyShown] = Operation(
    "set_claim_policy",
    "PUT",
    "/v1/claims/policies/{enterprise}",
    ClaimPolicy,
    ClaimPolicyShown,
)

change_token: Operation[TokenAsked, TokenMade] = Operation(
    "change_token",
    "POST",
    "/v1/devices/{vendor}/{serial}/token",
    TokenAsked,
    TokenMade,
    keyed=True,
)

revoke_token: Operation[None, None] = Operation(
    "revoke_token",
    "DELETE",
    "/v1/devices/{vendor}/{serial}/token",
    None,
    None,
)

get_model_conformance: Operation[None, ConformanceShown] = Operation(
    "get_model_conformance",
    "GET",
    "/v1/device-models/{model}/conformance",
    None,
    ConformanceShown,
    query=(
        "days",
        "simulated",
    ),
)

list_model_versions: Operation[None, ModelVersions] = Operation(
    "list_model_versions",
    "GET",
    "/v1/device-models",
    None,
    ModelVersions,
    query=(
        "state",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_model_version: Operation[None, ModelVersionInFull] = Operation(
    "get_model_version",
    "GET",
    "/v1/device-models/{model}/{version}",
    None,
    ModelVersionInFull,
)

hand_in_model: Operation[ModelHandedIn, ModelVersionShown] = Operation(
    "hand_in_model",
    "PUT",
    "/v1/device-models/{model}",
    ModelHandedIn,
    ModelVersionShown,
)

decide_model: Operation[NextState, ModelVersionShown] = Operation(
    "decide_model",
    "POST",
    "/v1/device-models/{model}/{version}/state",
    NextState,
    ModelVersionShown,
    keyed=True,
)
