"""The one rule for endpoint client names: what the API takes, in JSON as in CSV, registers at the gateway.

OMA TS 1.1.1 §6.2.1 has `ep` as a string without saying of what. Names are compared byte by byte in UTF-8, without
normalisation: a name with a no-break space is another one than that with a space.
"""

import re

MAX_BYTES = 252
"""What a CoAP option Uri-Query of 255 bytes can hold behind `ep=` (RFC 7252 §5.10)."""
_UNUSABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters, line and paragraph separators, and halves of surrogate pairs, which UTF-8 does not have.

By number and not by category: those of a Unicode version would make names valid in one process and not in another.
"""


def is_endpoint_name(name: str) -> bool:
    """Return whether a device may have this name: 1 to 252 bytes of UTF-8 without control characters."""
    return _UNUSABLE.search(name) is None and 0 < len(name.encode()) <= MAX_BYTES
