"""What the processes of the API export to Prometheus beside what every process does."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

from sluice_api.application.notifier.dispatcher import Dispatcher
from sluice_common.operations.metrics import EXPORTS, Metric, counter, gauge, histogram
from sluice_common.operations.refreshing import refreshed

REQUEST_SECONDS = Metric(
    "sluice_http_request_seconds",
    "histogram",
    "How long requests took, by route and class of the status.",
    ("method", "route", "status"),
)
LEASE = gauge("sluice_relay_lease_held", "1 if this relay is the one that works, 0 if it stands by.")
OUTBOX = gauge("sluice_outbox_due", "Documents that the relay has to look at now, counted up to 10,000.", "collection")
CALLBACKS = counter("sluice_callbacks_total", "Callbacks by what a post made of them.", "outcome")
CALLBACK_SECONDS = Metric("sluice_callback_seconds", "histogram", "How long posts of callbacks took.", ("outcome",))
CALLBACKS_WAITING = gauge("sluice_callbacks_waiting", "Callbacks that this notifier has claimed and not yet posted.")
CALLBACKS_PENDING = gauge("sluice_callbacks_pending", "Callbacks of all notifiers that have not ended, up to 10,000.")
SUSPENDED = gauge("sluice_callback_targets_suspended", "Receivers that fail and are called seldom.")
METRICS: tuple[Metric, ...] = (
    REQUEST_SECONDS,
    LEASE,
    OUTBOX,
    CALLBACKS,
    CALLBACK_SECONDS,
    CALLBACKS_WAITING,
    CALLBACKS_PENDING,
    SUSPENDED,
)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = histogram(REQUEST_SECONDS, _SECONDS)
POSTS = histogram(CALLBACK_SECONDS, _SECONDS)
Count = Callable[[], Awaitable[int]]


@contextmanager
def relay_exported(is_held: Callable[[], bool], due: Mapping[str, Count]) -> Iterator[None]:
    """Export what the relay has to do during the block.

    Args:
        is_held: Returns whether this relay works.
        due: Counts what is due, by collection.
    """
    counted: dict[str, int] = {}

    async def count() -> None:
        for name, ask in due.items():
            counted[name] = await ask()

    EXPORTS.export(LEASE, lambda: int(is_held()))
    EXPORTS.export(OUTBOX, lambda: counted)
    with refreshed(count):
        yield


@contextmanager
def notifier_exported(dispatcher: Dispatcher, pending: Count) -> Iterator[None]:
    """Export what the notifier has to do and has done during the block.

    Args:
        dispatcher: Posts.
        pending: Counts what has not ended.
    """
    counted: dict[str, int] = {}

    async def count() -> None:
        counted["pending"] = await pending()

    EXPORTS.export(CALLBACKS, lambda: dispatcher.counts)
    EXPORTS.export(CALLBACKS_WAITING, lambda: dispatcher.waiting)
    EXPORTS.export(SUSPENDED, lambda: dispatcher.suspended)
    EXPORTS.export(CALLBACKS_PENDING, lambda: counted.get("pending", 0))
    with refreshed(count):
        yield
