from sluice_embedded.entrypoints.check import lock_problems

PINNED = "six==1.17.0 \\\n    --hash=sha256:abc \\\n    --hash=sha256:def\n"


def test_a_lock_with_hashes_and_without_hosts_is_good() -> None:
    assert list(lock_problems("requirements.lock", PINNED)) == []


def test_a_lock_that_names_a_host_is_refused() -> None:
    text = "--index-url https://registry.example/simple --hash=\n" + PINNED
    assert list(lock_problems("requirements.lock", text)) == ["requirements.lock: names a host"]


def test_a_package_without_a_hash_is_named() -> None:
    text = PINNED + "rich==15.0.0 ; python_version > '3'\n"
    assert list(lock_problems("requirements.lock", text)) == ["requirements.lock: no hash for rich==15.0.0"]


def test_other_lock_formats_are_searched_for_hosts_only() -> None:
    assert list(lock_problems("jars.sha256", "abc  kafka.jar\n")) == []
    assert list(lock_problems("package-lock.json", '{"resolved": "https://registry.example/x"}'))
