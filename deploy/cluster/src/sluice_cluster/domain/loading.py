"""How an image that was built here gets into a cluster without a registry."""

import shlex

_BY_PREFIX = {
    "kind-": "kind load image-archive --name {rest}",
    "k3d-": "k3d image import --cluster {rest}",
}
_BY_NAME = {"minikube": "minikube image load"}


class NoWayToLoadError(Exception):
    """Nobody has said how this cluster gets its images."""


def load_command(context: str, given: str | None) -> list[str]:
    """Return the command to which the path of an image's archive is appended.

    Args:
        context: The current context of the kubeconfig, which tools for clusters on one machine name after themselves.
        given: What the user says, a command line; None if nothing.

    Raises:
        NoWayToLoadError: It is not given, and the context is of no kind that is known.
    """
    if given:
        return shlex.split(given)
    for prefix, command in _BY_PREFIX.items():
        if context.startswith(prefix):
            return shlex.split(command.format(rest=context.removeprefix(prefix)))
    if context in _BY_NAME:
        return shlex.split(_BY_NAME[context])
    raise NoWayToLoadError(
        f"The context {context!r} is of no kind of cluster that is known: say by SLUICE_CLUSTER_LOAD which command "
        "loads an image's archive, for example SLUICE_CLUSTER_LOAD='k3s ctr images import'."
    )
