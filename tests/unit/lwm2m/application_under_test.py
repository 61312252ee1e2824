"""The gateway's application with fakes around it, and time that stands still."""

from tests.unit.lwm2m.builders import T0
from tests.unit.lwm2m.fakes import FakePublisher, FakeSender

from sluice_common.background import BackgroundTasks
from sluice_common.messages.lwm2m_commands import DeviceRequests, WritePackageUri
from sluice_common.messages.registrations import Registration
from sluice_lwm2m.application.commands.device_commands import DeviceCommands
from sluice_lwm2m.application.commands.observation_renewal import ObservationRenewal
from sluice_lwm2m.application.commands.outcomes import CommandOutcomes
from sluice_lwm2m.application.commands.requester import Requester
from sluice_lwm2m.application.commands.runner import CommandRunner
from sluice_lwm2m.application.mailbox import Mailbox
from sluice_lwm2m.application.notifications import Notifications
from sluice_lwm2m.application.ports import RequestSender
from sluice_lwm2m.application.registration_store import RegistrationStore
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain.counters import Counters
from sluice_lwm2m.domain.session import Session
from sluice_lwm2m.domain.sessions import Sessions

AWAKE_WINDOW = 10.0
SUSPENSION = 30.0
MAX_WAITING = 2


class Application:
    """Everything but the registration interface and images.

    Attributes:
        now: The time; only tests move it.
    """

    def __init__(self) -> None:
        self.now = T0
        self.tasks = BackgroundTasks()
        self.publisher = FakePublisher()
        self.counters = Counters()
        self.sessions = Sessions(0, AWAKE_WINDOW)
        self.sender = FakeSender()
        self.mailbox = Mailbox()
        self.store = RegistrationStore(self.sessions, self.publisher)
        self.reporter = UplinkReporter(self.sessions, self.mailbox, self.publisher, self.tasks, self.clock)
        self.notifications = Notifications(
            sessions=self.sessions,
            mailbox=self.mailbox,
            store=self.store,
            publisher=self.publisher,
            reporter=self.reporter,
            tasks=self.tasks,
            counters=self.counters,
            clock=self.clock,
        )
        self.commands = self._commands()

    def _commands(self) -> DeviceCommands:
        sender = self.request_sender()
        requester = Requester(sender, self.clock)
        return DeviceCommands(
            sessions=self.sessions,
            mailbox=self.mailbox,
            store=self.store,
            runner=CommandRunner(
                sessions=self.sessions,
                mailbox=self.mailbox,
                store=self.store,
                requester=requester,
                sign=self.sign,
                suspension=SUSPENSION,
                counters=self.counters,
                clock=self.clock,
            ),
            renewal=ObservationRenewal(requester, self.mailbox, self.notifications, self.clock),
            outcomes=CommandOutcomes(
                sessions=self.sessions,
                mailbox=self.mailbox,
                store=self.store,
                publisher=self.publisher,
                reporter=self.reporter,
                clock=self.clock,
            ),
            sender=sender,
            tasks=self.tasks,
            max_waiting=MAX_WAITING,
            counters=self.counters,
            clock=self.clock,
        )

    def request_sender(self) -> RequestSender:
        """Return what sends requests."""
        return self.sender

    def sign(self, command: DeviceRequests, request: WritePackageUri) -> str:  # noqa: ARG002 - the signature of `SignUri`
        """Return an image URI."""
        return f"coap://example/fw/{request.image_id}"

    def clock(self) -> float:
        """Return the time."""
        return self.now

    def register(self, record: Registration) -> Session:
        """Register a device now, without the registration interface."""
        return self.sessions.register(record, self.now)
