import pytest

from sluice_cluster.domain.loading import NoWayToLoadError, load_command


@pytest.mark.parametrize(
    ("context", "command"),
    [
        ("kind-trial", ["kind", "load", "image-archive", "--name", "trial"]),
        ("k3d-trial", ["k3d", "image", "import", "--cluster", "trial"]),
        ("minikube", ["minikube", "image", "load"]),
    ],
)
def test_clusters_on_one_machine_are_known_by_their_contexts(context: str, command: list[str]) -> None:
    assert load_command(context, None) == command


def test_the_users_word_comes_first() -> None:
    assert load_command("kind-trial", "ctr --namespace k8s.io images import") == [
        *("ctr", "--namespace", "k8s.io", "images", "import")
    ]


def test_of_any_other_cluster_the_user_must_say_it() -> None:
    with pytest.raises(NoWayToLoadError, match="SLUICE_CLUSTER_LOAD"):
        load_command("production", None)
