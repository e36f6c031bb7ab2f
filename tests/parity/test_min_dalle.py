"""min-dalle 0.4.11 and ours, with the same file: hidden states, logits and the tokens of a whole picture."""

import jax.numpy as jnp
import numpy as np
import pytest

from bot.checkpoints.bundle import load_bundle
from tests.parity import dalle_mini, min_dalle, ours
from tests.parity.compare import PROMPTS, SIZES, assert_outputs_close, random_pictures, random_texts, smallest_margin
from tests.parity.conftest import Checkpoints
from tests.parity.min_dalle import MinDalle
from tests.parity.outputs import SCALE, Texts
from tests.parity.sizes import Size

# dalle-mini writes the checkpoints.
pytestmark = [pytest.mark.parity, *map(pytest.mark.filterwarnings, (*min_dalle.WARNINGS, *dalle_mini.WARNINGS))]


@pytest.mark.parametrize("size", SIZES)
def test_hidden_states_and_logits(size: Size, min_dalle: MinDalle, checkpoints: Checkpoints) -> None:
    folders, texts, pictures = checkpoints(size, "min_dalle"), random_texts(size), random_pictures()
    theirs = min_dalle.outputs(folders.dalle_bart, texts, pictures)
    assert_outputs_close(ours.outputs(load_bundle(folders, dtype=jnp.float32), texts, pictures), theirs, size)


@pytest.mark.parametrize("size", SIZES)
def test_a_greedy_picture(size: Size, min_dalle: MinDalle, checkpoints: Checkpoints) -> None:
    """Its loop and our engine, with ids from our tokenizer: its own lowers capitals and drops what isn't ASCII."""
    folders = checkpoints(size, "min_dalle")
    bundle = load_bundle(folders, dtype=jnp.float32)
    text, uncond = bundle.prompt_tokenizer.encode(PROMPTS[:1]), bundle.prompt_tokenizer.encode_unconditional()
    theirs = min_dalle.greedy(folders.dalle_bart, text.ids[0])
    forced = min_dalle.outputs(folders.dalle_bart, Texts(text.ids, text.mask, uncond.ids, uncond.mask), theirs[None])
    assert smallest_margin(forced.guided, theirs[None]) > 2 * size.guided
    (mine,) = ours.greedy(bundle, PROMPTS[:1], [SCALE])
    np.testing.assert_array_equal(mine[0], theirs)
