"""Key rotation: `python -m sluice_api.entrypoints.reseal` seals every stored secret anew with the first key.

Run it after all services have been restarted with the new key first and the old ones behind it; then drop those. It
may be interrupted and repeated. Ends with 0 if the first key has sealed everything, with 1 if a secret can be opened
with none of the keys, with 2 if there is no key.
"""

import asyncio
import sys

from sluice_api.application.resealing import Report
from sluice_api.bootstrap.reseal import opened_resealing
from sluice_api.settings import ResealSettings
from sluice_common.sealing import SealingError


async def reseal(settings: ResealSettings) -> bool:
    """Seal everything anew, and say how far it is; return whether every secret could be opened.

    Raises:
        SealingError: There is no key, or one is too short.
    """
    reports: dict[str, Report] = {}
    async with opened_resealing(settings) as resealing:
        async for report in resealing.run():
            reports[report.place] = report
            _show(report, end="\r" if sys.stderr.isatty() else "\n")
    for report in reports.values():
        _show(report, end="\n")
        if report.unreadable:
            sys.stderr.write(f"  no key opens, for example: {', '.join(report.named)}\n")
    return not any(report.unreadable for report in reports.values())


def _show(report: Report, end: str) -> None:
    sys.stderr.write(
        f"{report.place}: {report.resealed} sealed anew, {report.current} were current,"
        f" {report.unreadable} unreadable{end}"
    )


def main() -> None:
    """Seal everything anew."""
    try:
        done = asyncio.run(reseal(ResealSettings()))
    except SealingError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()
