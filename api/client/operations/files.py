"""Operations: files. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.imports import (
    ExportAsked,
    ExportShown,
    ImportShown,
)

begin_import: Operation[None, ImportShown] = Operation(
    "begin_import",
    "POST",
    "/v1/imports",
    None,
    ImportShown,
    query=(
        "dry_run",
        "name",
    ),
    keyed=True,
)

get_import: Operation[None, ImportShown] = Operation(
    "get_import",
    "GET",
    "/v1/imports/{job}",
    None,
    ImportShown,
)

begin_export: Operation[ExportAsked, ExportShown] = Operation(
    "begin_export",
    "POST",
    "/v1/exports",
    ExportAsked,
    ExportShown,
    keyed=True,
)

get_export: Operation[None, ExportShown] = Operation(
    "get_export",
    "GET",
    "/v1/exports/{job}",
    None,
    ExportShown,
)

get_export_file: Operation[None, bytes] = Operation(
    "get_export_file",
    "GET",
    "/v1/exports/{job}/file",
    None,
    bytes,
)
