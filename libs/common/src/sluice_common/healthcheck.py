"""`python -m sluice_common.healthcheck`: ends with 0 if the service in this container is alive.

For orchestrators that run a command (Docker's HEALTHCHECK); Kubernetes asks `/live` and `/ready` itself.
"""

import http.client
import os
import sys
from collections.abc import Mapping

_SECONDS = 4.0


def main(environment: Mapping[str, str]) -> int:
    """Ask `/live`; return 0 for yes, 1 for no, for no answer, and where nothing can be asked."""
    port = int(environment.get("SLUICE_METRICS_PORT", "0"))
    if not port:
        sys.stderr.write("SLUICE_METRICS_PORT is 0: the service cannot be asked\n")
        return 1
    connection = http.client.HTTPConnection(_host(environment), port, timeout=_SECONDS)
    try:
        connection.request("GET", "/live")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"no answer: {error}\n")
        return 1
    finally:
        connection.close()
    return int(status != http.HTTPStatus.OK)


def _host(environment: Mapping[str, str]) -> str:
    """Return where to ask: a service that listens on all addresses is asked on this machine's own."""
    host = environment.get("SLUICE_METRICS_HOST", "127.0.0.1")
    return "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound


if __name__ == "__main__":
    sys.exit(main(os.environ))
