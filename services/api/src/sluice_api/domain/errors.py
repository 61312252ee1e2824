"""What the API refuses, without the words of any protocol: entrypoints say how each kind travels."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_NAMED = 100
"""Most devices or tasks that one error names."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request.

    Attributes:
        field: Its path, for example `policy.max_retries`.
        message: What is wrong.
    """

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class NamedDevice:
    """A device that an error names.

    Attributes:
        device_id: Its id.
        because: What it is busy with: `active_execution`, `pending_command` or `targeted_by_task`; None if unknown.
        task_id: The task of that.
        command_id: The command of that.
    """

    device_id: str
    because: str | None = None
    task_id: str | None = None
    command_id: str | None = None


@dataclass(frozen=True, slots=True)
class NamedTask:
    """A task that an error names."""

    task_id: str
    name: str
    status: str


class DomainError(Exception):
    """A request that cannot be done.

    Attributes:
        code: Stable code, for programs.
        detail: What is wrong and what to do, for people.
        devices: Devices that stand in the way, at most `MAX_NAMED`.
        tasks: Tasks that do, at most `MAX_NAMED`.
    """

    def __init__(
        self, code: str, detail: str, *, devices: Sequence[NamedDevice] = (), tasks: Sequence[NamedTask] = ()
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.devices = devices[:MAX_NAMED]
        self.tasks = tasks[:MAX_NAMED]


class NotFoundError(DomainError):
    """Nothing of that id belongs to the caller.

    Args:
        kind: What was looked for.
        identifier: The id.
    """

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__("not_found", f"There is no {kind} {identifier[:64]!r}.")


class ConflictError(DomainError):
    """Not possible in the present state."""


class InProgressError(DomainError):
    """The same request is being worked on; it may be repeated in a moment."""


class UnavailableError(DomainError):
    """Something that is needed is not there yet; the request may be repeated later."""


class InvalidError(DomainError):
    """Fields of the request are wrong.

    Args:
        field: The first wrong field.
        message: What is wrong with it.
        code: Stable code.
        others: Further wrong fields.
        devices: Devices that do not exist.
    """

    def __init__(
        self,
        field: str,
        message: str,
        code: str = "validation_failed",
        others: Sequence[FieldError] = (),
        devices: Sequence[NamedDevice] = (),
    ) -> None:
        super().__init__(code, f"{field}: {message}", devices=devices)
        self.errors = (FieldError(field, message), *others)
