"""Samples of the stages: of the right size, the same for the same seed, and of the pictures that they claim to show."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from bot.checkpoints import clip, dalle_bart, vqgan
from bot.checkpoints.tokenizers import ClipTokenizer, PromptTokenizer
from bot.demo import train_clip, train_dalle_bart, train_vqgan
from bot.demo.samples import COUNT, clip_samples, dalle_bart_samples, vqgan_samples
from bot.demo.vocabulary import write_clip_tokenizer, write_prompt_tokenizer
from bot.models.clip_config import ClipConfig
from bot.models.clip_preprocess import ClipPreprocessing

pytestmark = pytest.mark.usefixtures("unoptimised")

SIZE_PX = 32
VQGAN_CONFIG = train_vqgan.config(SIZE_PX)
VQGAN = vqgan.network(VQGAN_CONFIG)


class Plain:
    """Pictures of one colour each, a different one for every seed."""

    size_px = SIZE_PX
    digest = ""

    def batch(self, rng: np.random.Generator, n: int) -> tuple[npt.NDArray[np.uint8], list[str]]:
        colours = rng.integers(256, size=(n, 1, 1, 3), dtype=np.uint8)
        return np.broadcast_to(colours, (n, SIZE_PX, SIZE_PX, 3)).copy(), [f"colour {i}" for i in range(n)]

    def rich_batch(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.uint8]:
        return self.batch(rng, n)[0]

    def wrong_captions(self, captions: Sequence[str], rng: np.random.Generator) -> list[str]:
        return list(captions)

    def sentences(self) -> Iterator[str]:
        yield from (f"colour {i}" for i in range(COUNT))


def truth(seed: int) -> npt.NDArray[np.uint8]:
    pixels, _ = Plain().batch(np.random.default_rng((seed, 4)), COUNT)
    return np.concatenate(list(pixels), axis=1)


def test_the_vqgans_pictures_stand_over_what_it_makes_of_them() -> None:
    sample = vqgan_samples(VQGAN, VQGAN.init(0), Plain(), 3)
    assert sample.shape == (2 * SIZE_PX, COUNT * SIZE_PX, 3)
    assert sample.dtype == np.uint8
    np.testing.assert_array_equal(sample[:SIZE_PX], truth(3))
    assert not np.array_equal(sample[SIZE_PX:], truth(3))


@pytest.mark.slow
def test_dalle_barts_likeliest_codes_stand_under_the_right_ones(tmp_path: Path) -> None:
    write_prompt_tokenizer(tmp_path, Plain().sentences())
    tokenizer = PromptTokenizer.load(tmp_path, max_length=8, normalize=False)
    network = dalle_bart.network(train_dalle_bart.config(tokenizer.num_ids, VQGAN_CONFIG))
    params = VQGAN.init(0)
    sample = dalle_bart_samples(network, network.init(0), tokenizer, VQGAN, params, Plain(), 3)
    assert sample.shape == (2 * SIZE_PX, COUNT * SIZE_PX, 3)
    np.testing.assert_array_equal(sample[:SIZE_PX], vqgan_samples(VQGAN, params, Plain(), 3)[SIZE_PX:])
    assert not np.array_equal(sample[:SIZE_PX], sample[SIZE_PX:])


def test_clips_scores_of_a_picture_sum_to_one(tmp_path: Path) -> None:
    eos_id = write_clip_tokenizer(tmp_path, Plain().sentences())
    tokenizer = ClipTokenizer.load(tmp_path, train_clip.MAX_TEXT_LENGTH)
    config = ClipConfig.from_json(train_clip.config_json(tokenizer.num_ids, eos_id, SIZE_PX))
    network = clip.network(config)
    sample = clip_samples(network, network.init(0), tokenizer, ClipPreprocessing(SIZE_PX), Plain(), 3)
    assert sample.shape[1:] == (COUNT * SIZE_PX, 3)
    np.testing.assert_array_equal(sample[:SIZE_PX], truth(3))
    columns = sample[SIZE_PX :: (sample.shape[0] - SIZE_PX) // COUNT, ::SIZE_PX, 0]
    assert columns.shape == (COUNT, COUNT)
    assert columns.sum(axis=0) == pytest.approx(np.full(COUNT, 255), abs=COUNT / 2)
