"""Which versions an upgrade may start from (R033, D04, D05)."""

from fnmatch import fnmatchcase


def is_supported(version: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a version matches one of the patterns; no patterns mean that any version does.

    Only `*` and `?` are special; `[` stands for itself.
    """
    return not patterns or any(fnmatchcase(version, pattern.replace("[", "[[]")) for pattern in patterns)
