"""Every family of the hostile corpus is refused with a reason of its own, by the tool as by the service's verifier."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.unit.signing.hostile import forms
from tests.unit.signing.hostile.corpus import FAMILIES, write
from tests.unit.signing.hostile.making import SIGNED_AT, Family, honest, signer, trusted, trusted_pems

from sluice_signing import KeyPair, PackageLimits, PackageRefusedError, sign, verify
from sluice_signing.adapters.archive import ZipArchive
from sluice_signing.application.sign_package import append_manifest, check_unsigned
from sluice_signing.entrypoints.cli import EXIT_REFUSED, main

families = pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of the tool that name all trusted keys."""
    folder = tmp_path_factory.mktemp("keys")
    options = []
    for number, pem in enumerate(trusted_pems()):
        path = folder / f"{number}.pem"
        path.write_text(pem)
        options += ["--key", str(path)]
    return options


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(PackageRefusedError) as refused:
        call()
    return refused.value.code


def test_the_package_that_the_corpus_is_made_of_is_accepted() -> None:
    assert verify(io.BytesIO(honest()), trusted()).image_name == "app.bin"


def test_every_family_has_a_reason_of_its_own() -> None:
    assert len({family.code for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.requirement("R023")
@families
def test_the_tool_refuses_every_package_of_a_family(
    family: Family, keys: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "package_signed.zip"
    for package in family.make():
        path.write_bytes(package.raw)
        assert main(["verify", *keys, str(path)]) == EXIT_REFUSED, package.name
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(f"[{family.code}]"), package.name


def _sign(raw: bytes) -> None:
    """Sign as the tool does, with a key that is open already: opening one takes longer than all else."""
    file, limits = io.BytesIO(raw), PackageLimits()
    archive = ZipArchive(file, limits)
    check_unsigned(archive.entries, limits)
    append_manifest(file, archive, signer(), SIGNED_AT)


@families
def test_the_rules_of_signing_refuse_every_package_of_a_hostile_form(family: Family) -> None:
    for package in family.make():
        if package.before is not None:
            assert _code(partial(_sign, package.before)) == family.code, package.name


def test_the_tool_writes_no_signed_package_of_a_hostile_one(pair: KeyPair, passphrase: str, tmp_path: Path) -> None:
    (package, *_) = forms.FAMILIES[0].make()
    path = tmp_path / "package.zip"
    path.write_bytes(package.before or b"")
    assert _code(lambda: sign(path, pair.private_pem, passphrase)) == forms.FAMILIES[0].code
    assert list(tmp_path.iterdir()) == [path]


def test_the_generator_writes_the_corpus_as_files(tmp_path: Path) -> None:
    write(tmp_path)
    assert len(list(tmp_path.glob("*/*.zip"))) >= len(FAMILIES)
    assert (tmp_path / "index.json").read_text().count("refused_with") == len(list(tmp_path.glob("*/*.zip")))
