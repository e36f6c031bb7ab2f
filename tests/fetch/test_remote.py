"""What every remote needs: folders' names, what follows a byte, and answers that are for another file."""

import pytest

from bot.fetch.remote import BrokenOffError, after, readable, sent_from


def test_names_of_folders_can_be_read() -> None:
    assert readable("gs://my_bucket/models/mega-1.5") == "gs-my_bucket-models-mega-1.5"
    assert readable("s3://b/../x/") == "s3-b-..-x"


@pytest.mark.parametrize("num_bytes", range(8))
def test_what_follows_the_first_bytes(num_bytes: int) -> None:
    assert b"".join(after([b"ab", b"", b"cde", b"fg"], num_bytes)) == b"abcdefg"[num_bytes:]


@pytest.mark.parametrize(
    ("status", "headers", "begin"),
    [
        (200, {"Content-Length": "100"}, 0),
        (200, {}, 0),
        (200, {"Content-Length": "60", "Content-Encoding": "gzip"}, 0),
        (206, {"Content-Range": "bytes 40-99/100", "Content-Length": "60"}, 40),
        (206, {"Content-Range": "bytes 10-99/*"}, 10),
    ],
)
def test_where_an_answer_begins(status: int, headers: dict[str, str], begin: int) -> None:
    assert sent_from(status, headers, 100, 40) == begin


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        (200, {"Content-Length": "99"}, "another file was sent: 99 bytes in place of 100 bytes"),
        (200, {"Content-Type": "text/html; charset=utf-8"}, "another file was sent: a web page in place of 100 bytes"),
        (206, {"Content-Range": "bytes 40-98/99"}, "another file was sent: 99 bytes"),
        (206, {"Content-Range": "bytes 41-99/100"}, "another part of the file was sent"),
        (206, {}, "does not say of what"),
    ],
)
def test_answers_for_another_file(status: int, headers: dict[str, str], why: str) -> None:
    with pytest.raises(BrokenOffError, match=why):
        sent_from(status, headers, 100, 40)
