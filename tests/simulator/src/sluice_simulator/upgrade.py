"""How one device goes through its upgrades: object 5 with the fates of its plan.

Requests come in through `write_uri`, `execute` and `result_read`; what the device as a whole must do (die, reboot) goes
out through `Body`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from sluice_simulator import packet as coap
from sluice_simulator.coap import Delivery, Endpoint, Reply
from sluice_simulator.coverage import Window
from sluice_simulator.download import Download, Image, PackageUri, UriError
from sluice_simulator.firmware import Firmware, FirmwareError, State
from sluice_simulator.fleet import Behaviour, DeviceSpec, Result, Stage
from sluice_simulator.observation import Observation
from sluice_simulator.timeline import Timeline, What


class Body(Protocol):
    """What an upgrade needs of the device that it happens in."""

    @property
    def window(self) -> Window | None:
        """Cell and class as last reported."""

    def download_endpoint(self, uri: PackageUri) -> Endpoint:
        """The endpoint that fetches this URI."""

    def keep_awake(self, *, busy: bool) -> None:
        """Listen without a pause, or only as long as the rhythm says."""

    def die(self) -> None:
        """Fall silent for ever."""

    def reboot(self) -> None:
        """Restart, and call `Upgrade.booted` then."""


class Upgrade:
    """Object 5 of one device at work.

    Args:
        loop: Runs the pace.
        spec: Traits and fates.
        body: The device.
        firmware: Its state machine.
        observation: Told of each state.
        timeline: Keeps what happens.
        check: Whether an image is what it should be; None trusts every image.

    Attributes:
        attempt: Package URIs received so far.
        results: Attempts so far by the Update Result that they ended with.
    """

    __slots__ = (
        "_body",
        "_check",
        "_download",
        "_fate",
        "_firmware",
        "_loop",
        "_observation",
        "_spec",
        "_timeline",
        "_timer",
        "attempt",
        "results",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        spec: DeviceSpec,
        body: Body,
        *,
        firmware: Firmware,
        observation: Observation,
        timeline: Timeline,
        check: Callable[[Image], bool] | None,
    ) -> None:
        self._loop = loop
        self._spec = spec
        self._body = body
        self._firmware = firmware
        self._observation = observation
        self._timeline = timeline
        self._check = check
        self._download: Download | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fate = spec.fate(1)
        self.attempt = 0
        self.results: Counter[Result] = Counter()

    @property
    def _update_behaviour(self) -> Behaviour:
        return self._fate.behaviour if self._fate.stage is Stage.UPDATE else Behaviour.SUCCEED

    def write_uri(self, uri: str) -> Reply:
        """Write of `/5/0/1`: a package, or with an empty string the end of the attempt."""
        try:
            if not uri:
                self._abort()
                return Reply(coap.CHANGED, then=self._observation.changed)
            self._firmware.offer(uri)
        except FirmwareError:
            return Reply(coap.METHOD_NOT_ALLOWED)
        self.attempt += 1
        self._fate = self._spec.fate(self.attempt)
        self._note(What.URI_RECEIVED, self._body.window)
        if self._fate.stage is Stage.OFFER and self._fate.behaviour is Behaviour.REFUSE:
            self._firmware.reset()
            return Reply(coap.METHOD_NOT_ALLOWED)
        return Reply(coap.CHANGED, then=self._begin)

    def execute(self) -> Reply:
        """Execute of `/5/0/2`."""
        self._note(What.EXECUTED)
        if self._update_behaviour is Behaviour.REFUSE:
            return Reply(coap.METHOD_NOT_ALLOWED)
        if self._update_behaviour is Behaviour.STALL:
            return Reply(coap.CHANGED)
        try:
            self._firmware.execute()
        except FirmwareError:
            return Reply(coap.METHOD_NOT_ALLOWED)
        return Reply(coap.CHANGED, then=self._update)

    def result_read(self) -> None:
        """A Read of `/5/0/5` has been answered."""
        if self._firmware.result is not Result.INITIAL:
            self._note(What.RESULT_REPORTED)

    def booted(self) -> None:
        """The device runs again: an update that ran shows its outcome, a download is lost."""
        if self._firmware.state is State.UPDATING:
            self._show_outcome()
        elif self._firmware.state is State.DOWNLOADING:
            self._fail(Result.CONNECTION_LOST)

    def halt(self) -> None:
        """Stop all that is under way: the device loses its power."""
        if self._download is not None:
            self._download.cancel()
            self._download = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        fate = self._fate
        if fate.stage is Stage.OFFER and fate.behaviour is Behaviour.STALL:
            return
        if fate.stage is Stage.OFFER and fate.behaviour is Behaviour.DIE:
            self._body.die()
            return
        self._firmware.start_download()
        self._body.keep_awake(busy=True)
        if self._spec.dialect.awaits_ack:
            self._observation.changed(self._after(self._fetch))
        else:
            self._observation.changed()
            self._fetch()

    def _fetch(self) -> None:
        if self._meet_fate(blocks=0):
            return
        try:
            uri = PackageUri.parse(self._firmware.uri)
            endpoint = self._body.download_endpoint(uri)
        except UriError as error:
            self._fail(error.result)
            return
        self._download = Download(
            self._loop,
            endpoint,
            uri.options(path_only=self._spec.dialect.ignores_uri_host),
            served=self._block_served,
            ended=self._fetched,
            block_exponent=self._spec.pace.block_exponent,
            seconds=self._spec.pace.download_seconds,
        )
        self._download.start()

    def _block_served(self, blocks: int) -> None:
        self._timeline.block(time.monotonic(), self.attempt)
        self._meet_fate(blocks)

    def _fetched(self, outcome: Image | Result) -> None:
        self._download = None
        if isinstance(outcome, Result):
            self._fail(outcome)
        elif self._check is not None and not self._check(outcome):
            self._fail(Result.INTEGRITY_CHECK_FAILED)
        elif not self._meet_fate(self._fate.after_blocks):  # images may be shorter than the fate's blocks
            self._firmware.downloaded(self._spec.target_version)
            self._note(What.DOWNLOADED)
            self._body.keep_awake(busy=False)
            self._observation.changed()

    def _meet_fate(self, blocks: int) -> bool:
        """Return whether the download comes to its end here, as this attempt's fate has it."""
        fate = self._fate
        if fate.stage is not Stage.DOWNLOAD or fate.behaviour is Behaviour.SUCCEED:
            return False
        if blocks < fate.after_blocks:
            return False
        self.halt()
        if fate.behaviour is Behaviour.DIE:
            self._body.die()
        elif fate.behaviour is Behaviour.POWER_CUT:
            self._body.reboot()
        elif fate.behaviour is Behaviour.FAIL:
            self._fail(fate.result)
        return True

    def _update(self) -> None:
        self._body.keep_awake(busy=True)
        if self._update_behaviour is Behaviour.DIE:
            self._observation.changed(lambda _: self._body.die())
        elif self._spec.dialect.awaits_ack:
            self._observation.changed(self._after(self._install))
        else:
            self._observation.changed()
            self._install()

    def _install(self) -> None:
        self._timer = self._loop.call_later(self._spec.pace.update_seconds, self._body.reboot)

    def _show_outcome(self) -> None:
        behaviour = self._update_behaviour
        if behaviour is Behaviour.FAIL:
            self._fail(self._fate.result, State(self._spec.dialect.failed_update_state))
            return
        version = self._spec.target_version
        self._firmware.updated(self._firmware.version if behaviour is Behaviour.KEEP_OLD_VERSION else version)
        self.results[Result.SUCCESS] += 1
        self._note(What.UPDATED)
        self._body.keep_awake(busy=False)

    def _fail(self, result: Result, state: State = State.IDLE) -> None:
        known = Result.UPDATE_FAILED if self._spec.dialect.knows_only_result_8 else result
        self._firmware.failed(known, state)
        self.results[known] += 1
        self._note(What.FAILED)
        self._body.keep_awake(busy=False)
        self._observation.changed()

    def _abort(self) -> None:
        self._firmware.reset()
        self.halt()
        self._note(What.ABORTED)
        self._body.keep_awake(busy=False)

    def _after(self, step: Callable[[], None]) -> Callable[[Delivery], None]:
        """Go on when the notification was acknowledged; without an observer at once, else the attempt fails."""
        attempt = self.attempt

        def on_delivery(delivery: Delivery) -> None:
            if attempt != self.attempt or not self._firmware.busy:
                return  # aborted in between
            if delivery in {Delivery.ACKNOWLEDGED, Delivery.UNCONFIRMED}:
                step()
            else:
                self._fail(Result.UPDATE_FAILED)

        return on_delivery

    def _note(self, what: What, window: Window | None = None) -> None:
        self._timeline.add(time.monotonic(), what, self.attempt, window)
