"""What a player remembers of a conversation."""

from dataclasses import replace

from bot.sandbox.messages import Message
from bot.sandbox.scrapbook import MAX_ENTRIES, MAX_STATES, Remark, Scrapbook, Shown

MESSAGE = Message("1", "2", "3", 0, 100.0, content="queued")


def test_a_message_keeps_its_place_and_its_states() -> None:
    book = Scrapbook()
    book.see(MESSAGE)
    book.add(Remark("between"))
    book.see(replace(MESSAGE, content="done"))
    shown, remark = book.entries
    assert isinstance(shown, Shown)
    assert [state.content for state in shown.states] == ["queued", "done"]
    assert remark == Remark("between")


def test_what_was_deleted_shows_what_it_was() -> None:
    book = Scrapbook()
    book.see(MESSAGE)
    book.see(MESSAGE, is_deleted=True)
    assert book.entries == (Shown((MESSAGE,), is_deleted=True),)


def test_it_is_bounded() -> None:
    book = Scrapbook()
    for number in range(MAX_STATES + 5):
        book.see(replace(MESSAGE, content=str(number)))
    (shown,) = book.entries
    assert isinstance(shown, Shown)
    assert [state.content for state in shown.states] == [str(number) for number in range(5, MAX_STATES + 5)]
    for number in range(MAX_ENTRIES + 1):
        book.add(Remark(str(number)))
    assert len(book.entries) == MAX_ENTRIES
    assert book.entries[-1] == Remark(str(MAX_ENTRIES))
