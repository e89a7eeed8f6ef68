"""Operations: catalogue. Written by api/client/source.py."""

from api.catalogue_shapes import (
    CatalogueShown,
    ComplaintFollowed,
    ComplaintGiven,
    ComplaintsShown,
    EntryGiven,
    PublicationGiven,
    Removal,
    StepGiven,
)
from api.client.operation import (
    Operation,
)

read_catalogue: Operation[None, CatalogueShown] = Operation(
    "read_catalogue",
    "GET",
    "/v1/public/catalogue/{area}",
    None,
    CatalogueShown,
)

read_catalogue_at_work: Operation[None, CatalogueShown] = Operation(
    "read_catalogue_at_work",
    "GET",
    "/v1/catalogue/{area}",
    None,
    CatalogueShown,
)

offer_products: Operation[EntryGiven, None] = Operation(
    "offer_products",
    "PUT",
    "/v1/enterprises/{enterprise}/catalogue/{district}",
    EntryGiven,
    None,
)

admit_entry: Operation[None, None] = Operation(
    "admit_entry",
    "POST",
    "/v1/catalogue/{area}/{vendor_key}/admit",
    None,
    None,
    keyed=True,
)

remove_entry: Operation[Removal, None] = Operation(
    "remove_entry",
    "POST",
    "/v1/catalogue/{area}/{vendor_key}/remove",
    Removal,
    None,
    keyed=True,
)

publish_catalogue: Operation[PublicationGiven, CatalogueShown] = Operation(
    "publish_catalogue",
    "POST",
    "/v1/catalogue/{area}/publish",
    PublicationGiven,
    CatalogueShown,
    keyed=True,
)

complain: Operation[ComplaintGiven, ComplaintFollowed] = Operation(
    "complain",
    "POST",
    "/v1/public/complaints",
    ComplaintGiven,
    ComplaintFollowed,
)

follow_complaint: Operation[None, ComplaintFollowed] = Operation(
    "follow_complaint",
    "GET",
    "/v1/public/complaints/{number}",
    None,
    ComplaintFollowed,
)

list_complaints: Operation[None, ComplaintsShown] = Operation(
    "list_complaints",
    "GET",
    "/v1/catalogue/{area}/complaints",
    None,
    ComplaintsShown,
)

answer_complaint: Operation[StepGiven, ComplaintFollowed] = Operation(
    "answer_complaint",
    "POST",
    "/v1/catalogue/{area}/complaints/{number}",
    StepGiven,
    ComplaintFollowed,
    keyed=True,
)
