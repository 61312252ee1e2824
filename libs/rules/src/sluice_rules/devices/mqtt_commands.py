"""What goes to MQTT devices: the three commands of `mqtt-commands`, none of which has an outcome (ADR 0012)."""

from sluice_common.messages.base import utc
from sluice_common.messages.mqtt_commands import CloseDownload, OfferFirmware, QueryVersion
from sluice_rules.devices.effects import ToMqtt
from sluice_rules.devices.transition import Transition


def query_version(transition: Transition, *, though_offline: bool = False) -> None:
    """Ask the device for its version, if it seems to be online; of no use after the step's deadline (R093)."""
    execution = transition.execution
    if transition.awake or though_offline:
        query = QueryVersion(
            **transition.head(execution.app_id),
            command_id=transition.command_id(),
            execution_id=execution.execution_id,
            attempt=execution.attempt.number,
            expires_at=utc(execution.deadline),
        )
        transition.effects.append(ToMqtt(query))


def offer_firmware(transition: Transition) -> None:
    """Tell the device where its image is; from here on it may fetch it until the token's end (R097)."""
    execution, attempt = transition.execution, transition.execution.attempt
    attempt.needs_fence = True
    attempt.epoch = transition.link.epoch
    offer = OfferFirmware(
        **transition.head(execution.app_id),
        command_id=transition.command_id(),
        execution_id=execution.execution_id,
        attempt=attempt.number,
        expires_at=utc(attempt.not_after),
        package=execution.package,
        not_after=utc(attempt.not_after),
        one_based_ranges=execution.product.one_based_ranges,
    )
    transition.effects.append(ToMqtt(offer))


def close_download(transition: Transition) -> None:
    """Have the image of this attempt served no more."""
    execution = transition.execution
    close = CloseDownload(
        **transition.head(execution.app_id),
        command_id=transition.command_id(),
        execution_id=execution.execution_id,
        attempt=execution.attempt.number,
    )
    transition.effects.append(ToMqtt(close))
