"""A command of `bench chat` and what is seen of its job, made by hand; tests change one thing at a time."""

from collections.abc import Sequence
from dataclasses import replace

from bot.bench.chat_bot_report import BotReport, Load
from bot.bench.chat_record import ChatRecord, Seen, SeenFile, Sent
from bot.bench.loop_watch import Block

JOB, OTHER_JOB = "00000000000a", "00000000000b"
CANCEL, LOOK = f"1:cancel:{JOB}", f"1:look:{JOB}"

SENT = Sent(
    interaction_id="100",
    user_id="7",
    channel_id="20",
    prompt="a red circle on a blue background",
    options={"images": "4", "seed": "5", "condition_scale": "12", "negative": "fog"},
    sent_s=10.0,
    answered_s=10.1,
)
FILE = SeenFile(
    filename=f"dalle-bot-{JOB}.png",
    description="4 images of: a red circle on a blue background",
    digest="aa",
    metadata={
        "prompt": "a red circle on a blue background",
        "negative_prompt": "fog",
        "seed": "5",
        "job": JOB,
        "parameters": "images 4 · condition_scale 12 · top_k 0 · top_p 1 · temperature 1",
    },
)
QUEUED = Seen(10.1, "30", "20", "**a red circle on a blue background**\nQueued, place 1.", "100", None, (CANCEL,))
DRAWING = replace(
    QUEUED,
    at_s=13.2,
    content="**a red circle on a blue background**\nDrawing 4 images",
    files=(SeenFile(f"dalle-bot-{JOB}-unfinished.webp", "4 unfinished images of: a red circle on a blue background"),),
)
DONE = Seen(
    at_s=14.0,
    message_id="30",
    channel_id="20",
    content="**a red circle on a blue background**\n4 images for <@7> · seed 5 · 1.2 s\nScores, best first: …",
    interaction_id="100",
    custom_ids=(LOOK,),
    files=(FILE,),
)


def record(seen: Sequence[Seen] = (QUEUED, DRAWING, DONE), *sent: Sent) -> ChatRecord:
    """With one command, SENT, unless others are given."""
    return ChatRecord(sent or (SENT,), tuple(seen), began_s=10.0, ended_s=12.0, drained_s=14.5)


def bot_report(longest_s: float = 0.03, **changes: object) -> BotReport:
    """Of a bot whose jobs had to wait half of the time."""
    block = Block(11.0, longest_s, 0.02, 0.005, 0.0, "here")
    healthy = BotReport(
        engine_state="ready",
        model="fake",
        longest=block,
        blocks=[block],
        loads=[Load(9.0, 5, 5), Load(10.5, 1, 1), Load(11.5, 0, 1), Load(13.0, 9, 9)],
        log={},
        warm_up_longest_s=0.3,
        full_collection_s=0.01,
    )
    return replace(healthy, **changes)  # type: ignore[arg-type]
