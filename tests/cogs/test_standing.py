"""How updates add up."""

import numpy as np

from bot.cogs.standing import Standing
from bot.requests import Preview, PreviewImage, Progress, Queued, Started


def image(index: int, done_rows: int) -> PreviewImage:
    return PreviewImage(index, np.zeros((8, 8, 3), np.uint8), done_rows)


def test_a_preview_adds_pictures_and_leaves_the_words() -> None:
    standing = Standing(Queued(1)).after(Started()).after(Progress(3, 8))
    standing = standing.after(Preview((image(0, 1), image(2, 1)), 4))
    standing = standing.after(Preview((image(1, 2), image(2, 2)), 4)).after(Progress(4, 8))
    assert standing.update == Progress(4, 8)
    assert [(picture.index, picture.done_rows) for picture in standing.pictures] == [(0, 1), (1, 2), (2, 2)]


def test_words_leave_the_pictures_as_they_are() -> None:
    standing = Standing(Started()).after(Preview((image(0, 1),), 4))
    assert standing.after(Progress(1, 2)).pictures is standing.pictures
