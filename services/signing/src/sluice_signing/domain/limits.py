"""What a package may be at most; one place for all bounds, so that tool and service agree."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLimits:
    """Bounds on untrusted archives, checked before the bytes they bound are read.

    Attributes:
        max_archive_bytes: Size of the zip file in bytes. A little above the content's, as headers
            and the manifest come on top of images that cannot be compressed.
        max_content_bytes: Sum of the uncompressed sizes of all entries in bytes (IoTDA: 1 GB).
        max_entries: Entries in the archive, the manifest included.
        max_directory_bytes: Size of the zip's central directory in bytes.
        max_manifest_bytes: Size of the manifest's envelope in bytes.
        max_name_bytes: Length of an entry's name in UTF-8 bytes.
        max_ratio: Uncompressed to compressed size of an entry; firmware reaches about 20.
        ratio_free_bytes: Entries up to this uncompressed size in bytes may have any ratio:
            small images filled with 0xFF are common and harmless.
    """

    max_archive_bytes: int = GIB + 4 * MIB
    max_content_bytes: int = GIB
    max_entries: int = 1_000
    max_directory_bytes: int = MIB
    max_manifest_bytes: int = MIB
    max_name_bytes: int = 255
    max_ratio: int = 200
    ratio_free_bytes: int = 16 * MIB
