"""The modules of api/client/operations, one per tag, from the application's routes. `python -m api.client.source`
writes them anew; a test holds the files to it."""

from collections import defaultdict
from pathlib import Path
from types import UnionType

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from api.app import create_app
from api.config import ApiConfig
from api.permits import GuardedRoute

FOLDER = Path(__file__).parent / "operations"


def sources() -> dict[str, str]:
    """File name -> text, formatted as the rest of the code."""
    by_tag: dict[str, list[tuple[str, GuardedRoute]]] = defaultdict(list)
    app = create_app(ApiConfig(door=Path("/nowhere"), database_url=None, admin_token_sha256=""))
    for path, route in routes(app):
        by_tag[str(route.tags[0]).replace("-", "_")].append((path, route))
    told = {f"{tag}.py": _module(tag, of) for tag, of in sorted(by_tag.items())}
    return told | {"__init__.py": '"""Every operation of the API, by tag. Written by api/client/source.py."""\n'}


def routes(app: FastAPI) -> list[tuple[str, GuardedRoute]]:
    """Whole paths and their routes, as they are served."""
    found: list[tuple[str, GuardedRoute]] = []
    for context in iter_route_contexts(app.routes):
        assert isinstance(context.original_route, GuardedRoute)
        found.append((str(context.path), context.original_route))
    return found


def _module(tag: str, of: list[tuple[str, GuardedRoute]]) -> str:
    used: dict[str, set[str]] = defaultdict(set)
    used["api.client.operation"].add("Operation")
    operations = [_operation(path, route, used) for path, route in of]
    imports = "".join(_import(module, names) for module, names in sorted(used.items()))
    return f'"""Operations: {tag}. Written by api/client/source.py."""\n\n{imports}\n' + "\n".join(operations)


def _import(module: str, names: set[str]) -> str:
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in sorted(names, key=str.lower)) + ")\n"


def _operation(path: str, route: GuardedRoute, used: dict[str, set[str]]) -> str:
    body, answer = _body(route, used), _answer(route, used)
    query = _query(route.dependant)
    headers = {field.alias.lower() for field in route.dependant.header_params}
    keyed = route.once or "idempotency-key" in headers or route.operation_id == "push_telemetry"
    paged = next((name for name in ("cursor", "after") if name in query), "") if _has_next(route) else ""
    lines = [
        f'"{route.operation_id}"',
        f'"{next(iter(route.methods or ()))}"',
        f'"{path}"',
        body,
        answer,
        *([f"query={_names(query)}"] if query else []),
        *(["keyed=True"] if keyed else []),
        *([f'cursor="{paged}"'] if paged else []),
    ]
    arguments = "".join(f"    {line},\n" for line in lines)
    return f"{route.operation_id}: Operation[{body}, {answer}] = Operation(\n{arguments})\n"


def _query(asked: Dependant) -> list[str]:
    return [field.alias for field in asked.query_params] + [name for one in asked.dependencies for name in _query(one)]


def _names(names: list[str]) -> str:
    if len(names) == 1:
        return f'("{names[0]}",)'
    return "(\n" + "".join(f'        "{name}",\n' for name in names) + "    )"


def _body(route: GuardedRoute, used: dict[str, set[str]]) -> str:
    if route.body_field is not None:
        return _named(route.body_field.field_info.annotation, used)
    return "bytes" if "requestBody" in (route.openapi_extra or {}) else "None"


def _answer(route: GuardedRoute, used: dict[str, set[str]]) -> str:
    if route.response_model is None:
        return "None" if route.status_code == 204 else "bytes"
    return _named(route.response_model, used)


def _named(kind: object, used: dict[str, set[str]]) -> str:
    if isinstance(kind, UnionType):  # no type is made of it when it is read
        return "bytes"
    assert isinstance(kind, type)
    used[kind.__module__].add(kind.__name__)
    return kind.__name__


def _has_next(route: GuardedRoute) -> bool:
    return "next" in getattr(route.response_model, "model_fields", {})


if __name__ == "__main__":
    for name, text in sources().items():
        (FOLDER / name).write_text(text, "utf-8")
