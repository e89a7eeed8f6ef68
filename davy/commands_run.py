"""The commands that run until they are stopped: up, engine, storage, api, webhooks."""

import asyncio
import errno
from typing import Annotated

import typer

from davy.exits import CannotGoOn, Exit, disk_refused
from davy.settings import Settings, variable


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(engine)
    app.command()(storage)
    app.command()(api)
    app.command()(webhooks)


def up(
    ctx: typer.Context,
    demo: Annotated[bool, typer.Option("--demo", help="200 simulated homes, a leak, and its story")] = False,
) -> None:
    """Run everything: PostgreSQL (unless DAVY_DATABASE_URL), engine, storage follower, API. Ctrl-C stops it cleanly."""
    from davy import supervisor
    from davy.demo import DEMO_DATA, run_demo
    from davy.output import say
    from davy.signals import until_cancelled

    settings = ctx.obj.settings(DEMO_DATA if demo else None)
    if demo:
        asyncio.run(until_cancelled(lambda hurry: run_demo(settings, hurry)))
    else:
        asyncio.run(until_cancelled(lambda hurry: supervisor.up(settings, say, hurry)))


def engine(
    ctx: typer.Context,
    restored: Annotated[
        bool, typer.Option("--restored", help="its store was put back from a copy: what it remembers waits to be heard")
    ] = False,
) -> None:
    """Run the engine alone: devices, rules, commands. It needs no database."""
    import uvloop

    from davy import folders
    from davy.log import configure_log
    from davy.signals import until_stopped
    from davy.wiring import run_engine
    from engine.cycle import Ended
    from engine.store import StoreBusy, StoreOfAnotherVersion, StoreRefused

    settings = ctx.obj.settings()
    configure_log(settings, "engine")
    folders.prepare_data_folder(settings, demo=settings.demo_marker.exists())
    folders.prepare_door(settings)
    try:
        uvloop.run(until_stopped(lambda stop: run_engine(settings, stop, restored=restored)))
    except StoreOfAnotherVersion as refused:
        raise CannotGoOn(Exit.VERSION, str(refused)) from refused
    except StoreBusy as refused:
        raise CannotGoOn(Exit.BUSY, str(refused)) from refused
    except (StoreRefused, Ended) as refused:
        raise CannotGoOn(Exit.DISK, str(refused)) from refused
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    except OSError as error:
        raise _refused_by_system(settings, error) from error


def _refused_by_system(settings: Settings, error: OSError) -> CannotGoOn:
    """An engine that could not bind its port or open its files."""
    if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES) and error.filename is None:
        key = variable("mqtt_port")
        return CannotGoOn(Exit.PORT, f"port {settings.mqtt_port} ({key}) cannot be listened on: {error.strerror}")
    return disk_refused(settings.data, error)


def storage(ctx: typer.Context) -> None:
    """Run the storage follower alone: the engine's journal into the database."""
    import uvloop

    from davy.following import run_storage
    from davy.log import configure_log
    from davy.signals import until_stopped

    settings = ctx.obj.settings()
    configure_log(settings, "storage")
    uvloop.run(until_stopped(lambda stop: run_storage(settings, stop)))


def api(ctx: typer.Context) -> None:
    """Run the HTTP API alone."""
    from davy.log import configure_log
    from davy.serving import run_api

    settings = ctx.obj.settings()
    configure_log(settings, "api")
    run_api(settings)


def webhooks(ctx: typer.Context) -> None:
    """Run the sender of webhooks alone: what is shared, to where its receivers want it."""
    import uvloop

    from davy.log import configure_log
    from davy.signals import until_stopped
    from davy.webhook_part import run_webhooks

    settings = ctx.obj.settings()
    configure_log(settings, "webhooks")
    uvloop.run(until_stopped(lambda stop: run_webhooks(settings, stop)))
