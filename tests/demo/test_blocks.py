"""Blocks of examples: which block a step learns from, and how often one is made."""

from bot.demo.blocks import Blocks


def test_steps_in_a_row_share_a_block() -> None:
    made: list[int] = []

    def make(block: int) -> str:
        made.append(block)
        return f"block {block}"

    blocks = Blocks(make, 3)
    assert [blocks.at(step) for step in range(7)] == ["block 0"] * 3 + ["block 1"] * 3 + ["block 2"]
    assert made == [0, 1, 2]


def test_a_training_that_goes_on_gets_the_block_that_it_had() -> None:
    assert Blocks(lambda block: block, 3).at(5) == 1
