"""Object 5, Firmware Update: the state machine of OMA TS 1.1.1 §E.6, without sockets, clock or chance."""

from enum import IntEnum

from sluice_simulator.fleet import Result


class State(IntEnum):
    """`/5/0/3`."""

    IDLE = 0
    DOWNLOADING = 1
    DOWNLOADED = 2
    UPDATING = 3


class FirmwareError(RuntimeError):
    """The state machine does not allow this now; a request for it is answered 4.05."""


class Firmware:
    """State, result and versions of one device.

    Args:
        version: The running version, `/3/0/3`.

    Attributes:
        state: `/5/0/3`.
        result: `/5/0/5`.
        uri: `/5/0/1`, empty when idle.
        version: `/3/0/3`.
        package_version: `/5/0/7`: the version of a downloaded package, empty without one.
    """

    __slots__ = ("package_version", "result", "state", "uri", "version")

    def __init__(self, version: str) -> None:
        self.state = State.IDLE
        self.result = Result.INITIAL
        self.uri = ""
        self.version = version
        self.package_version = ""

    @property
    def busy(self) -> bool:
        """Return whether blocks are fetched or an update runs."""
        return self.state in {State.DOWNLOADING, State.UPDATING}

    def reset(self) -> None:
        """An empty Package URI: back to idle.

        Raises:
            FirmwareError: An update cannot be called back.
        """
        self._require(State.IDLE, State.DOWNLOADING, State.DOWNLOADED)
        self._to_idle(Result.INITIAL)

    def offer(self, uri: str) -> None:
        """A Package URI: accepted when idle, and the last result is gone.

        Raises:
            FirmwareError: A package is on its way or there already.
        """
        self._require(State.IDLE)
        self.uri = uri
        self.result = Result.INITIAL

    def start_download(self) -> None:
        """The first block is asked for."""
        self._require(State.IDLE)
        self.state = State.DOWNLOADING

    def downloaded(self, package_version: str) -> None:
        """The whole package is there and sound."""
        self._require(State.DOWNLOADING)
        self.state = State.DOWNLOADED
        self.package_version = package_version

    def execute(self) -> None:
        """Execute of `/5/0/2`.

        Raises:
            FirmwareError: No package is there, or (LiteOS) one whose update has failed.
        """
        self._require(State.DOWNLOADED)
        if self.result is not Result.INITIAL:
            raise FirmwareError("the last update failed")
        self.state = State.UPDATING

    def updated(self, version: str) -> None:
        """The new firmware runs."""
        self._require(State.UPDATING)
        self._to_idle(Result.SUCCESS)
        self.version = version

    def failed(self, result: Result, state: State = State.IDLE) -> None:
        """The attempt came to nothing; `state` is where this client goes then."""
        self._to_idle(result)
        self.state = state

    def _to_idle(self, result: Result) -> None:
        self.state = State.IDLE
        self.result = result
        self.uri = ""
        self.package_version = ""

    def _require(self, *states: State) -> None:
        if self.state not in states:
            raise FirmwareError(f"not in state {self.state.name}")
