"""After a restore of an older database: `python -m sluice_api.entrypoints.rebuild` writes what Kafka has of it since.

Executions, the progress of tasks, device commands and what devices have reported. It may run beside the services, be
interrupted and be repeated; the second time it finds nothing to write. Ends with 0 if everything that Kafka keeps is
in the database, with 1 if Kafka or the database failed, or some counts are left to the projector.
"""

import asyncio
import sys
from functools import partial

from sluice_api.application.projector.rebuild import KeptMessages, Rebuilt
from sluice_api.bootstrap.rebuild import opened_rebuild
from sluice_api.settings import ProjectorSettings
from sluice_common.errors import FatalError
from sluice_common.observability import configure_logging
from sluice_common.supervision import is_passing


async def rebuild(settings: ProjectorSettings) -> Rebuilt:
    """Read and write everything, and say how far it is.

    Raises:
        FatalError: The database does not take it.
        KafkaError: Kafka cannot be reached.
    """
    async with opened_rebuild(settings) as opened:
        for events in opened.events:
            await events.read(partial(_show, events, "\r" if sys.stderr.isatty() else "\n"))
            _show(events, "\n")
        return await opened.rebuild.finish()


def _show(events: KeptMessages, end: str) -> None:
    poison = f", {events.poison} that cannot be stored" if events.poison else ""
    sys.stderr.write(f"{events.name}: {events.read_records} messages, {events.share:.0%}{poison}{end}")
    sys.stderr.flush()


def main() -> None:
    """Rebuild."""
    settings = ProjectorSettings()
    configure_logging("rebuild", settings)
    try:
        done = asyncio.run(rebuild(settings))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not isinstance(error, FatalError) and not is_passing(error):
            raise
        sys.stderr.write(f"The rebuild cannot go on: {error}\nRun it again; it begins anew and repeats nothing.\n")
        sys.exit(1)
    sys.stdout.write(f"{done.ends} ends of executions written, {done.tasks} tasks counted anew\n")
    if done.overtaken:
        sys.stderr.write(f"{done.overtaken} of them changed meanwhile; the projector counts them within an hour\n")
    sys.exit(1 if done.overtaken else 0)


if __name__ == "__main__":
    main()
