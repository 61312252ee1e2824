"""The offline tool as files: the release that makers get apart from any platform. Wires builder and files."""

from pathlib import Path

from sluice_signing.adapters.files import appearing
from sluice_signing.adapters.signtool import NAME, build, sha256


def write_release(folder: Path) -> tuple[str, Path]:
    """Write `signtool.zip` and `signtool.zip.sha256` into a folder, made if need be; return digest and path.

    Raises:
        OSError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = build()
    digest, path = sha256(content), folder / NAME
    for written, data in ((path, content), (folder / f"{NAME}.sha256", f"{digest}  {NAME}\n".encode())):
        with appearing(written) as file:
            file.write(data)
    return digest, path
