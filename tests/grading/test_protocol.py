"""What crosses between sandbox and marker arrives as it was, and nothing else gets through."""

import contextlib
import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gencourse.grading.protocol import HEADER, ProtocolError, announced, pack, plain, unpack


def crossed(value):
    message = pack({"do": "it"}, [value])
    text, arrays = announced(message[: HEADER.size])
    body = message[HEADER.size :]
    assert len(body) == text + arrays
    header, (result,) = unpack(body[:text], body[text:])
    assert header == {"do": "it"}
    return result


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.float16, torch.int64, torch.bool, torch.complex64],
)
@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (2, 3, 1)])
def test_a_tensor_arrives_as_it_was(dtype, shape):
    sent = torch.randint(0, 2, shape).to(dtype)
    got = crossed(sent)
    assert got.dtype == dtype
    assert torch.equal(got, sent)


def test_a_type_that_numpy_lacks_arrives_in_the_next_larger_one():
    sent = torch.ones(2, dtype=torch.bfloat16)
    assert torch.equal(crossed(sent), sent.float())


def test_what_a_function_may_return_becomes_plain():
    x = torch.ones(2, requires_grad=True)
    got = plain([x * 2, np.float64(1.5), (np.arange(2), None, "a", 3)])
    assert torch.equal(got[0], torch.tensor([2.0, 2.0]))
    assert not got[0].requires_grad
    assert got[1].item() == 1.5
    assert got[2][1:] == (None, "a", 3)
    assert crossed(got[2][1:]) == (None, "a", 3)


@pytest.mark.parametrize("value", [object(), {"a": 1}, 1 << 64, [[[[1]]]], lambda: 0])
def test_anything_else_is_refused_with_its_type(value):
    with pytest.raises(TypeError, match="type"):
        plain(value)


def test_a_large_answer_is_refused_before_it_is_sent():
    with pytest.raises(ProtocolError, match="too large"):
        pack({}, [torch.zeros(1 << 24)])


@pytest.mark.parametrize(
    "described",
    [
        {"dtype": "float32", "shape": [1 << 40], "start": 0},
        {"dtype": "float32", "shape": [-1], "start": 0},
        {"dtype": "float32", "shape": [2], "start": -4},
        {"dtype": "float32", "shape": [True], "start": 0},
        {"dtype": "float32", "shape": [0, 1 << 80], "start": 0},
        {"dtype": "float32", "shape": [1] * 9, "start": 0},
        {"dtype": "object", "shape": [1], "start": 0},
        {"dtype": ["float32"], "shape": [1], "start": 0},
        {"shape": [1]},
        10**30,
    ],
)
def test_an_array_is_checked_against_its_bytes_before_memory_is_spent(described):
    text = json.dumps({"values": [described]}).encode()
    with pytest.raises(ProtocolError):
        unpack(text, b"12345678")


def test_a_header_cannot_announce_more_than_may_be_sent():
    with pytest.raises(ProtocolError):
        announced(struct.pack("<II", 1 << 31, 0))


@given(st.binary(max_size=300), st.binary(max_size=64))
def test_any_bytes_are_either_a_message_or_refused(text, arrays):
    with contextlib.suppress(ProtocolError):
        unpack(text, arrays)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["dtype", "shape", "start", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4), st.binary(max_size=32))
def test_any_values_are_either_a_message_or_refused(values, arrays):
    try:
        message, got = unpack(json.dumps({"values": values}).encode(), arrays)
    except ProtocolError:
        return
    assert message == {}
    assert len(got) == len(values)


def test_deep_nesting_is_refused():
    with pytest.raises(ProtocolError):
        unpack(b'{"values":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"")


def test_a_list_of_many_parts_is_refused_before_it_is_taken_apart():
    assert len(plain([0] * 10_000)) == 10_000
    with pytest.raises(TypeError, match=r"too large: a list of 1,000,000 parts\. Return a tensor"):
        plain([0] * 10**6)
