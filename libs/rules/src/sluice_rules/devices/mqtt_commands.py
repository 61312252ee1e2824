"""What MQTT devices are told: the three commands of `mqtt-commands`, none of which has an outcome (ADR 0012)."""

from sluice_common.messages.base import utc
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware, QueryVersion
from sluice_rules.devices.effects import ToMqtt
from sluice_rules.devices.transition import Turn


def query_version(turn: Turn, *, though_offline: bool = False) -> None:
    """Ask the device for its version, if it seems to be online; of no use after the step's deadline (R093)."""
    execution = turn.execution
    if turn.awake or though_offline:
        query = QueryVersion(
            **turn.head(execution.app_id),
            command_id=turn.command_id(),
            execution_id=execution.execution_id,
            attempt=execution.attempt.number,
            expires_at=utc(execution.deadline),
        )
        turn.effects.append(ToMqtt(query))


def offer_firmware(turn: Turn) -> None:
    """Tell the device where its image is; from here on it may fetch it until the token's end (R097)."""
    execution, attempt = turn.execution, turn.execution.attempt
    attempt.exposed = True
    attempt.epoch = turn.link.epoch
    offer = OfferFirmware(
        **turn.head(execution.app_id),
        command_id=turn.command_id(),
        execution_id=execution.execution_id,
        attempt=attempt.number,
        expires_at=utc(attempt.not_after),
        package=execution.package,
        not_after=utc(attempt.not_after),
        one_based_ranges=execution.product.one_based_ranges,
    )
    turn.effects.append(ToMqtt(offer))


def close_download(turn: Turn) -> None:
    """Have the image of this attempt served no more."""
    execution = turn.execution
    close = CloseDownload(
        **turn.head(execution.app_id),
        command_id=turn.command_id(),
        execution_id=execution.execution_id,
        attempt=execution.attempt.number,
    )
    turn.effects.append(ToMqtt(close))
