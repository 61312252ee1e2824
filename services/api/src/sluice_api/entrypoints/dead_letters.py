"""Dead letters: `python -m sluice_api.entrypoints.dead_letters` lists them, shows one, and replays what people choose.

A replayed record stands behind all others of its partition, under the key that it had. Nothing is replayed without a
question or `--yes`, and nothing twice without `--again`. Ends with 0 if all that was asked for was done, with 1 if some
was not, with 2 for wrong use.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime

from sluice_api.application.dead_letters import DeadLetters
from sluice_api.bootstrap.dead_letters import opened_dead_letters
from sluice_api.domain.dead_letters import FiledLetter, Selection
from sluice_api.entrypoints.letter_texts import full_text, line_of
from sluice_common.messages.base import now
from sluice_common.observability import configure_logging
from sluice_common.settings import CommonSettings
from sluice_common.supervision import is_passing


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    settings = CommonSettings()
    configure_logging("dead-letters", settings)
    try:
        done = asyncio.run(_run(options, settings))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if not is_passing(error):
            raise
        sys.stderr.write(f"Kafka does not answer: {error}\n")
        sys.exit(1)
    sys.exit(0 if done else 1)


async def _run(options: argparse.Namespace, settings: CommonSettings) -> bool:
    async with opened_dead_letters(settings) as letters:
        chosen = await letters.list(_selection(options))
        if unknown := sorted(set(options.ids) - {filed.letter.letter_id for filed in chosen}):
            sys.stderr.write(f"there is no letter {', '.join(unknown)}\n")
        if options.command == "replay":
            done = await _replay(letters, chosen, options)
        else:
            done = _show(chosen, at=now(), full=options.command == "show")
        return done and not unknown


def _selection(options: argparse.Namespace) -> Selection:
    by_name = bool(options.ids)
    return Selection(
        ids=frozenset(options.ids), topic=options.topic, reason=options.reason, replayed=by_name or options.all
    )


def _show(chosen: Sequence[FiledLetter], *, at: datetime, full: bool) -> bool:
    for filed in chosen:
        sys.stdout.write(full_text(filed, at) if full else line_of(filed, at))
    if not chosen:
        sys.stderr.write("there are none\n")
    return True


async def _replay(letters: DeadLetters, chosen: Sequence[FiledLetter], options: argparse.Namespace) -> bool:
    _show(chosen, at=now(), full=False)
    if not chosen or not (options.yes or _agrees(len(chosen))):
        return not chosen
    refused = 0
    async for replay in letters.replay(chosen, again=options.again):
        outcome = "replayed" if replay.why_not is None else f"not replayed: {replay.why_not}"
        sys.stdout.write(f"{replay.letter.letter_id}: {outcome}\n")
        refused += replay.why_not is not None
    return not refused


def _agrees(number: int) -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write("nothing was replayed: there is nobody to ask, and no --yes\n")
        return False
    sys.stderr.write(f"Replay {number}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dead-letters", description="Look at dead letters, and replay them.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("--topic", help="only those that came from this topic")
    which.add_argument("--reason", help="only those whose reason contains this text")
    which.add_argument("--all", action="store_true", help="also those that were replayed, or may have been")
    listing = commands.add_parser("list", parents=[which], help="one line for each: id, age, topic, place, key, reason")
    listing.set_defaults(ids=[])
    showing = commands.add_parser("show", parents=[which], help="all of some, with what they say")
    replaying = commands.add_parser("replay", parents=[which], help="put some into their topic again")
    for command in (showing, replaying):
        command.add_argument(
            "ids", nargs="*", metavar="ID", help="as `list` names them; all that match if there is none"
        )
    replaying.add_argument("--yes", action="store_true", help="do not ask")
    replaying.add_argument("--again", action="store_true", help="those too that were replayed, or may have been")
    return parser


if __name__ == "__main__":
    main()
