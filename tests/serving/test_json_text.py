"""The JSON reader against Python's own, and against RapidJSON's texts for what is no JSON."""

import json
import math

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from tfdomain.serving.json_parser import ExactParser
from tfdomain.serving.json_text import debug_string, parse_object
from tfdomain.serving.status import ServingError

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=20
)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 2]))
def test_both_readers_give_what_was_written(value, ensure_ascii, indent):
    body = json.dumps({"value": value}, ensure_ascii=ensure_ascii, indent=indent).encode("utf-8", "surrogatepass")
    assert parse_object(body) == {"value": value}
    assert ExactParser(body).parse() == {"value": value}


def _finite(text):
    value = float(text)
    if math.isinf(value):
        raise ValueError("RapidJSON refuses what no double can hold")
    return value


def _whole(text):
    # Beyond 65 bits a whole number is a double to RapidJSON.
    return int(text) if abs(int(text)) <= 2**65 else _finite(text)


REFERENCE = json.JSONDecoder(parse_float=_finite, parse_int=_whole)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.integers(0), st.sampled_from([b"", b",", b"}", b"]", b'"', b"x", b"7", b" ", b"-", b"."]))
def test_the_exact_reader_refuses_what_python_refuses(value, place, replacement):
    body = json.dumps({"value": value}, ensure_ascii=False).encode("utf-8", "surrogatepass")
    place %= len(body)
    body = body[:place] + replacement + body[place + 1 :]
    try:
        expected = REFERENCE.raw_decode(body.decode().lstrip(" "))[0]
    except UnicodeDecodeError:
        return  # Python's reader has no opinion on bytes that are no UTF-8.
    except ValueError:
        with pytest.raises(ServingError, match=r"JSON Parse error: .* at offset: [0-9]+"):
            ExactParser(body).parse()
    else:
        assert ExactParser(body).parse() == expected


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "The document is empty"),
        (b" \n ", "The document is empty. at offset: 3"),
        (b"inputs: 1", "Invalid value. at offset: 0"),
        (b'{"inputs": tru}', "Invalid value. at offset: 14"),
        (b'{"inputs": [1,]}', "Invalid value. at offset: 14"),
        (b'{"inputs": }', "Unspecific syntax error. at offset: 11"),
        (b'{"inputs": [,]}', "Unspecific syntax error. at offset: 12"),
        (b"{inputs: 1}", "Missing a name for object member. at offset: 1"),
        (b'{"inputs": 1,}', "Missing a name for object member. at offset: 13"),
        (b'{"inputs" 1}', "Missing a colon after a name of object member. at offset: 10"),
        (b'{"inputs": 1', "Missing a comma or } after an object member. at offset: 12"),
        (b'{"inputs": [1 2]}', "Missing a comma or ] after an array element. at offset: 14"),
        (b'{"inputs": [1, 2', "Missing a comma or ] after an array element. at offset: 16"),
        (b'{"inputs": "a}', "Missing a closing quotation mark in string. at offset: 11"),
        (b'{"inputs": "\\q"}', "Invalid escape character in string. at offset: 12"),
        (b'{"inputs": "\x02"}', "Invalid encoding in string. at offset: 12"),
        (b'{"inputs": "\\u12G4"}', "Incorrect hex digit after \\u escape in string. at offset: 12"),
        (b'{"inputs": "\\ud83d"}', "The surrogate pair in string is invalid. at offset: 12"),
        (b'{"inputs": "\\udc80"}', "The surrogate pair in string is invalid. at offset: 12"),
        (b'{"inputs": 1e999}', "Number too big to be stored in double. at offset: 11"),
        (b'{"inputs": 1.}', "Miss fraction part in number. at offset: 13"),
        (b'{"inputs": 1e}', "Miss exponent in number. at offset: 13"),
    ],
)
def test_an_error_has_rapidjsons_text_and_offset(body, error):
    with pytest.raises(ServingError) as caught:
        parse_object(body)
    assert caught.value.message == f"JSON Parse error: {error}"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"x": [NaN, Infinity, -Infinity]}', [math.nan, math.inf, -math.inf]),
        (b'{"x": [Inf, -Inf]}', [math.inf, -math.inf]),
        (b'{"x": 1} and what follows it', 1),
        (b'\xef\xbb\xbf{"x": 1}', 1),
        (b'{"x": 1, "x": 2}', 1),
        (b'{"x": "a\xffb"}', "a\udcffb"),
        (b'{"x": "\\ud83d\\ude00 \\\\ud83d"}', "😀 \\ud83d"),
    ],
)
def test_what_python_alone_would_not_read_so(body, value):
    assert repr(parse_object(body)["x"]) == repr(value)


def test_any_depth_is_read():
    deep = b"[" * 50_000 + b"]" * 50_000
    assert parse_object(b'{"instances": [1], "nested": ' + deep + b"}")["instances"] == [1]


def test_the_root_must_be_an_object():
    with pytest.raises(ServingError, match=r"^INVALID_ARGUMENT: JSON Value: \[1, 2\] Is not object$"):
        parse_object(b"[1, 2]")


def test_a_quoted_value_is_laid_out_and_cut_as_rapidjson_does():
    assert debug_string({"a": [1, 2.5, "x"], "b": {}}) == '{\n    "a": [1, 2.5, "x"],\n    "b": {}\n}'
    cut = debug_string(list(range(1000)))
    assert cut.startswith("[0, 1, 2, 3") and 256 <= len(cut) < 256 + 5
