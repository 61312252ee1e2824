import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice_api.domain.cursors import decode_cursor, encode_cursor
from sluice_api.domain.errors import InvalidError


@given(st.text(min_size=1, max_size=60))
def test_a_cursor_gives_its_id_back(last_id: str) -> None:
    try:
        last_id.encode()
    except UnicodeEncodeError:
        return
    assert decode_cursor(encode_cursor(last_id)) == last_id


@given(st.text(max_size=600))
def test_whatever_is_sent_is_a_cursor_or_invalid(cursor: str) -> None:
    try:
        last_id = decode_cursor(cursor)
    except InvalidError:
        return
    assert encode_cursor(last_id) == cursor


@pytest.mark.parametrize("cursor", ["", "=", "YQ==", "YR", "a" * 513, "ÿ"])
def test_a_cursor_has_one_form(cursor: str) -> None:
    with pytest.raises(InvalidError) as caught:
        decode_cursor(cursor)
    assert caught.value.code == "invalid_cursor"
