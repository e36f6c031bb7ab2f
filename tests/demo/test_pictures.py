"""The drawn source of training examples."""

import numpy as np
import numpy.typing as npt

from bot.demo.grammar import held_out, parse
from bot.demo.pictures import DrawnPictures

DRAWN = DrawnPictures(64)


def test_a_batch_has_the_size_and_repeats_with_its_generator() -> None:
    pixels, captions = DRAWN.batch(np.random.default_rng(1), 5)
    again, same_captions = DRAWN.batch(np.random.default_rng(1), 5)
    assert pixels.shape == (5, DRAWN.size_px, DRAWN.size_px, 3) == (5, 64, 64, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, again)
    assert captions == same_captions


def test_rich_batches_are_mostly_crowded() -> None:
    def covered(pixels: npt.NDArray[np.uint8]) -> float:
        return float((pixels != pixels[:, :1, :1]).any(axis=-1).mean())

    rich = DRAWN.rich_batch(np.random.default_rng(1), 120)
    assert rich.shape == (120, 64, 64, 3)
    assert rich.dtype == np.uint8
    np.testing.assert_array_equal(rich, DRAWN.rich_batch(np.random.default_rng(1), 120))
    plain, _ = DRAWN.batch(np.random.default_rng(1), 30)
    np.testing.assert_array_equal(rich[:30], plain)
    assert covered(rich[30:]) > 1.5 * covered(plain)


def test_wrong_captions_tell_another_scene_in_the_same_manner() -> None:
    rng = np.random.default_rng(2)
    _, captions = DRAWN.batch(rng, 200)
    wrong = DRAWN.wrong_captions(captions, rng)
    assert len(wrong) == 200
    for right, other in zip(captions, wrong, strict=True):
        assert parse(other) != parse(right)
        assert not held_out(parse(other))
        assert other.startswith(("a ", "an ")) == right.startswith(("a ", "an "))


def test_sentences_have_every_word_of_captions() -> None:
    words = {word for text in DRAWN.sentences() for word in text.split()}
    _, captions = DRAWN.batch(np.random.default_rng(3), 200)
    assert {word for text in captions for word in text.split()} <= words


def test_the_digest_tells_sources_apart() -> None:
    assert DRAWN.digest == DrawnPictures(64).digest
    assert DRAWN.digest != DrawnPictures(128).digest
