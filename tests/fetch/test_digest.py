"""Digests against values that other programs computed."""

import base64
import zlib

import pytest

from bot.fetch.digest import from_base64, hasher, is_digest


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # FIPS 180-2
        "md5:900150983cd24fb0d6963f7d28e17f72",  # RFC 1321
        "git-sha1:f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f",  # printf abc | git hash-object --stdin
    ],
)
def test_known_digests_of_abc(digest: str) -> None:
    hashing = hasher(digest, 3)
    hashing.update(b"a")
    hashing.update(b"bc")
    assert is_digest(digest)
    assert hashing.hexdigest() == digest.partition(":")[2]


def test_crc32c_is_not_crc32() -> None:
    pytest.importorskip("google_crc32c", reason="comes with the extra `buckets`")
    hashing = hasher("crc32c:e3069283", 9)
    hashing.update(b"123456789")
    assert hashing.hexdigest() == "e3069283"  # RFC 3720's polynomial
    assert zlib.crc32(b"123456789") != int("e3069283", 16)


def test_base64() -> None:
    md5 = bytes.fromhex("900150983cd24fb0d6963f7d28e17f72")
    assert from_base64("md5", base64.b64encode(md5).decode()) == "md5:900150983cd24fb0d6963f7d28e17f72"
    assert from_base64("crc32c", "4waSgw==") == "crc32c:e3069283"


@pytest.mark.parametrize("text", [None, 7, "", "not base64!", "AAAA", "a b"])
def test_what_is_no_digest(text: object) -> None:
    assert from_base64("md5", text) is None
    assert not is_digest(text)
