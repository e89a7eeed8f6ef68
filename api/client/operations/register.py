"""Operations: register. Written by api/client/source.py."""

from api.areas import (
    AreaInFull,
    Areas,
    AreasGiven,
)
from api.client.operation import (
    Operation,
)
from api.device_given import (
    DeviceChange,
    DevicesGiven,
)
from api.device_shapes import (
    Device,
    DeviceHistory,
)
from api.enterprise_shapes import (
    EnterpriseChange,
    EnterpriseHistory,
    Enterprises,
    EnterprisesGiven,
    EnterpriseShown,
)
from api.installation_shapes import (
    CertificateGiven,
    Certificates,
    Install,
    InstallationChange,
    Installations,
    InstallationShown,
    LinkGiven,
    Links,
    TakeDown,
)
from api.register_changes import (
    Outcome,
)
from api.site_shapes import (
    SiteChange,
    SiteHistory,
    Sites,
    SitesGiven,
    SiteShown,
)

list_enterprises: Operation[None, Enterprises] = Operation(
    "list_enterprises",
    "GET",
    "/v1/enterprises",
    None,
    Enterprises,
    query=(
        "kind",
        "area",
        "as_of",
        "fields",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

put_enterprises: Operation[EnterprisesGiven, Outcome] = Operation(
    "put_enterprises",
    "POST",
    "/v1/enterprises",
    EnterprisesGiven,
    Outcome,
    query=("dry_run",),
    keyed=True,
)

get_enterprise: Operation[None, EnterpriseShown] = Operation(
    "get_enterprise",
    "GET",
    "/v1/enterprises/{enterprise}",
    None,
    EnterpriseShown,
    query=(
        "as_of",
        "fields",
    ),
)

get_enterprise_history: Operation[None, EnterpriseHistory] = Operation(
    "get_enterprise_history",
    "GET",
    "/v1/enterprises/{enterprise}/history",
    None,
    EnterpriseHistory,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

change_enterprise: Operation[EnterpriseChange, EnterpriseShown] = Operation(
    "change_enterprise",
    "PATCH",
    "/v1/enterprises/{enterprise}",
    EnterpriseChange,
    EnterpriseShown,
)

remove_enterprise: Operation[None, None] = Operation(
    "remove_enterprise",
    "DELETE",
    "/v1/enterprises/{enterprise}",
    None,
    None,
)

list_areas: Operation[None, Areas] = Operation(
    "list_areas",
    "GET",
    "/v1/areas",
    None,
    Areas,
    query=(
        "parent",
        "within",
        "day",
        "as_of",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

put_areas: Operation[AreasGiven, Outcome] = Operation(
    "put_areas",
    "POST",
    "/v1/areas",
    AreasGiven,
    Outcome,
    query=("dry_run",),
    keyed=True,
)

get_area: Operation[None, AreaInFull] = Operation(
    "get_area",
    "GET",
    "/v1/areas/{code}",
    None,
    AreaInFull,
    query=("day",),
)

list_sites: Operation[None, Sites] = Operation(
    "list_sites",
    "GET",
    "/v1/sites",
    None,
    Sites,
    query=(
        "as_of",
        "fields",
        "cursor",
        "limit",
        "area",
        "enterprise",
        "manager",
        "building",
        "site_class",
        "department",
        "neighbourhood",
        "hardship",
    ),
    cursor="cursor",
)

put_sites: Operation[SitesGiven, Outcome] = Operation(
    "put_sites",
    "POST",
    "/v1/sites",
    SitesGiven,
    Outcome,
    query=("dry_run",),
    keyed=True,
)

get_site: Operation[None, SiteShown] = Operation(
    "get_site",
    "GET",
    "/v1/sites/{site}",
    None,
    SiteShown,
    query=(
        "as_of",
        "fields",
    ),
)

get_site_history: Operation[None, SiteHistory] = Operation(
    "get_site_history",
    "GET",
    "/v1/sites/{site}/history",
    None,
    SiteHistory,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

change_site: Operation[SiteChange, SiteShown] = Operation(
    "change_site",
    "PATCH",
    "/v1/sites/{site}",
    SiteChange,
    SiteShown,
)

remove_site: Operation[None, None] = Operation(
    "remove_site",
    "DELETE",
    "/v1/sites/{site}",
    None,
    None,
)

put_devices: Operation[DevicesGiven, Outcome] = Operation(
    "put_devices",
    "POST",
    "/v1/devices",
    DevicesGiven,
    Outcome,
    query=("dry_run",),
    keyed=True,
)

change_device: Operation[DeviceChange, Device] = Operation(
    "change_device",
    "PATCH",
    "/v1/devices/{vendor}/{serial}",
    DeviceChange,
    Device,
)

remove_device: Operation[None, None] = Operation(
    "remove_device",
    "DELETE",
    "/v1/devices/{vendor}/{serial}",
    None,
    None,
)

get_device_history: Operation[None, DeviceHistory] = Operation(
    "get_device_history",
    "GET",
    "/v1/devices/{vendor}/{serial}/history",
    None,
    DeviceHistory,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

list_certificates: Operation[None, Certificates] = Operation(
    "list_certificates",
    "GET",
    "/v1/devices/{vendor}/{serial}/certificates",
    None,
    Certificates,
    query=("as_of",),
)

put_certificate: Operation[CertificateGiven, Certificates] = Operation(
    "put_certificate",
    "POST",
    "/v1/devices/{vendor}/{serial}/certificates",
    CertificateGiven,
    Certificates,
    keyed=True,
)

remove_certificate: Operation[None, None] = Operation(
    "remove_certificate",
    "DELETE",
    "/v1/devices/{vendor}/{serial}/certificates",
    None,
    None,
    query=(
        "scheme",
        "number",
    ),
)

list_links: Operation[None, Links] = Operation(
    "list_links",
    "GET",
    "/v1/devices/{vendor}/{serial}/links",
    None,
    Links,
    query=("as_of",),
)

put_link: Operation[LinkGiven, Links] = Operation(
    "put_link",
    "POST",
    "/v1/devices/{vendor}/{serial}/links",
    LinkGiven,
    Links,
    keyed=True,
)

remove_link: Operation[None, None] = Operation(
    "remove_link",
    "DELETE",
    "/v1/devices/{vendor}/{serial}/links",
    None,
    None,
    query=("valve",),
)

list_installations: Operation[None, Installations] = Operation(
    "list_installations",
    "GET",
    "/v1/installations",
    None,
    Installations,
    query=(
        "as_of",
        "cursor",
        "limit",
        "device",
        "site",
        "installer",
        "replaces",
        "day",
        "open",
    ),
    cursor="cursor",
)

get_installation: Operation[None, InstallationShown] = Operation(
    "get_installation",
    "GET",
    "/v1/installations/{installation}",
    None,
    InstallationShown,
    query=("as_of",),
)

install: Operation[Install, InstallationShown] = Operation(
    "install",
    "POST",
    "/v1/installations",
    Install,
    InstallationShown,
    keyed=True,
)

change_installation: Operation[InstallationChange, InstallationShown] = Operation(
    "change_installation",
    "PATCH",
    "/v1/installations/{installation}",
    InstallationChange,
    InstallationShown,
)

end_installation: Operation[TakeDown, InstallationShown] = Operation(
    "end_installation",
    "POST",
    "/v1/installations/{installation}/end",
    TakeDown,
    InstallationShown,
    keyed=True,
)
