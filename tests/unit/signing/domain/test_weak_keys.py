"""Weak keys: the platform refuses what the tool refuses."""

import inspect

import sluice_api.domain.weak_keys
import sluice_signing.domain.weak_keys


def test_the_platform_refuses_at_its_api_the_same_keys_as_the_tool_does() -> None:
    tool, platform = (
        inspect.getsource(module).partition('"""\n\nfrom math')[2]
        for module in (sluice_signing.domain.weak_keys, sluice_api.domain.weak_keys)
    )
    assert "def why_weak" in tool
    assert platform == tool
