"""The weights file: what goes in comes out, and no damage goes unnoticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gencourse.widgets.base import STATIC
from gencourse.widgets.weights import pack, unpack

TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=12),
    st.sampled_from(["<f2", "<f4", "u1"]).flatmap(
        lambda dtype: arrays(np.dtype(dtype), array_shapes(min_side=0))
    ),
    max_size=4,
)


@given(st.dictionaries(st.text(), st.integers() | st.text()), TENSORS)
def test_unpack_inverts_pack(meta, tensors):
    found_meta, found = unpack(pack(meta, tensors))
    assert found_meta == meta
    assert list(found) == list(tensors)
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@given(st.data())
def test_any_changed_byte_is_noticed(data):
    content = bytearray(pack({"a": 1}, {"weight": np.arange(6, dtype=np.float16)}))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"damaged|not the weights file"):
        unpack(bytes(content))


def test_a_file_cut_short_is_noticed():
    content = pack({}, {"weight": np.arange(6, dtype=np.float16)})
    for length in range(len(content)):
        with pytest.raises(ValueError, match=r"damaged|not the weights file"):
            unpack(content[:length])


def test_the_same_numbers_give_the_same_bytes():
    tensors = {"weight": np.ones((2, 3), dtype=np.float16)}
    assert pack({"a": [1]}, tensors) == pack({"a": [1]}, tensors)


@pytest.mark.browser
def test_the_browser_reads_what_python_wrote_and_notices_damage(site, open_page):
    page = open_page(f"{site}pages/far.html")
    content = pack(
        {"name": "π"},
        {
            "halves": np.array([0, -0.0, 1, -2.5, 65504, 6e-8, 6.1e-5, 1 / 3], dtype=np.float16),
            "bytes": np.arange(5, dtype=np.uint8),
            "singles": np.array([[np.pi], [-1e-30]], dtype=np.float32),
        },
    )
    read = """async (bytes) => {
        const { readWeights } = await import("../_static/live/latent-plane.mjs");
        // As a kernel sends it: a view into a larger buffer, at an odd place.
        const buffer = new Uint8Array(bytes.length + 5);
        buffer.set(bytes, 3);
        try {
            const { meta, tensors } = readWeights(new DataView(buffer.buffer, 3, bytes.length));
            return [meta, Object.entries(tensors).map(([k, v]) => [k, Array.from(v)])];
        } catch (error) {
            return error.message;
        }
    }"""
    meta, tensors = page.evaluate(read, list(content))
    assert meta == {"name": "π"}
    expected = unpack(content)[1]
    assert [name for name, _ in tensors] == list(expected)
    for name, values in tensors:
        np.testing.assert_array_equal(np.float32(values), expected[name].ravel().astype(np.float32))
    for at in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[at] ^= 16
        assert isinstance(page.evaluate(read, list(damaged)), str), f"byte {at}"
    assert isinstance(page.evaluate(read, list(content[:40])), str)
    assert isinstance(page.evaluate(read, []), str)


def test_the_shipped_file_is_within_its_budget():
    assert (STATIC / "latent-plane.bin").stat().st_size <= 250_000
