"""What a message that was seen means, and records as JSON."""

import json

from bot.bench.chat_bot_report import BotReport
from bot.bench.chat_record import ChatRecord, SeenFile
from tests.bench.chat_samples import DONE, DRAWING, FILE, JOB, QUEUED, bot_report, record


def test_a_record_survives_json() -> None:
    assert ChatRecord.from_json(json.loads(json.dumps(record().to_json()))) == record()


def test_a_report_survives_json() -> None:
    assert BotReport.from_json(json.loads(json.dumps(bot_report().to_json()))) == bot_report()


def test_a_preview_is_no_result() -> None:
    assert (QUEUED.result, DRAWING.result, DONE.result) == (None, None, FILE)
    assert SeenFile(f"dalle-bot-{JOB}.webp", "").job_id == JOB
    assert SeenFile(f"dalle-bot-{JOB}.zip", "").job_id is None


def test_what_offers_to_cancel_is_at_work() -> None:
    assert (QUEUED.is_at_work, DRAWING.is_at_work, DONE.is_at_work) == (True, True, False)
    assert QUEUED.job_ids == DONE.job_ids == {JOB}
