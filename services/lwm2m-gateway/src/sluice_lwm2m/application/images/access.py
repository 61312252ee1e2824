"""Who may fetch which image: nothing is served without a valid token, and nothing of an attempt that has ended.

An attempt that has ended is fenced here (`docs/upgrade.md`). A block is served while the token is signed by the
platform, its time has not passed, the device's registration names its attempt as the current one, and its image is not
revoked.
"""

from collections.abc import Callable, Container
from functools import lru_cache

from sluice_common.ids import execution_id
from sluice_common.messages.registrations import AttemptRef
from sluice_common.tokens import ENVELOPE_SUFFIX, ImageToken, InvalidTokenError, TokenSigner
from sluice_lwm2m.application.uplinks import UplinkReporter
from sluice_lwm2m.domain.coap.message import path_segments
from sluice_lwm2m.domain.coap.peer import Peer
from sluice_lwm2m.domain.sessions import Sessions

_TOKENS_KEPT = 4_096
_ENVELOPE = ENVELOPE_SUFFIX.encode()


class ImageAccess:
    """Admits requests for images by their path."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        revoked: Container[str],
        signer: TokenSigner,
        reporter: UplinkReporter,
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            sessions: The devices.
            revoked: Ids of images that are served no more.
            signer: Verifies tokens.
            reporter: Reports devices that request blocks.
            clock: Seconds since 1970.
        """
        self._sessions = sessions
        self._revoked = revoked
        self._signer = signer
        self._reporter = reporter
        self._clock = clock
        self._verified = lru_cache(maxsize=_TOKENS_KEPT)(self._verify)

    def admit(self, path: list[bytes], remote: Peer) -> str | None:
        """Return the id of the image, or of the envelope that signs it, that may be served to an address, else None.

        Its device is awake then. It may fetch from any socket, but not from an address that it has left in the midst of
        the upgrade: another device may be there now.
        """
        if not _is_image(path) and not _is_image(path := path_segments(path)):
            return None
        name = path[1].removesuffix(_ENVELOPE)
        try:
            token, attempt = self._verified(name)
        except InvalidTokenError:
            return None
        now = self._clock()
        session = self._sessions.owned(token.device_id)
        if now >= token.not_after or session is None or session.record.current_attempt != attempt:
            return None
        if token.image_id in self._revoked or remote in session.former:
            return None
        session.extend_awake_window(now)
        if name == path[1]:
            session.fetching = attempt
            session.block_at = now
        session.is_fresh = False
        if not session.is_reported:
            self._reporter.report_activity(session)
        return token.image_id if name == path[1] else token.image_id + ENVELOPE_SUFFIX

    def note_end(self, path: list[bytes]) -> None:
        """Note that the last block of what was admitted by a path was sent."""
        token, _ = self._verified(path_segments(path)[1].removesuffix(_ENVELOPE))
        if (session := self._sessions.owned(token.device_id)) is not None:
            session.block_at = 0.0

    def _verify(self, text: bytes) -> tuple[ImageToken, AttemptRef]:
        token = self._signer.verify(text.decode("ascii", errors="replace"))
        execution = execution_id(token.task_id, token.device_id)
        return token, AttemptRef(execution_id=execution, attempt=token.attempt)


def _is_image(path: list[bytes]) -> bool:
    return len(path) == 2 and path[0] == b"fw"  # noqa: PLR2004 - /fw/{token}
