"""Messages: what users read at each stage of a job, and what hostile prompts can't do in them."""

import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.catalogues import Languages
from bot.collage import read_metadata
from bot.engine.fake import expected_image
from bot.engine.fake_pictures import expected_preview
from bot.language import ENGLISH, Text
from bot.message_text import MAX_CONTENT_CHARACTERS
from bot.render import (
    MAX_DESCRIPTION_CHARACTERS,
    Controls,
    render_failure,
    render_interrupted,
    render_preview,
    render_result,
    render_update,
)
from bot.requests import Finished, GenerationRequest, PreviewImage, Progress, Queued, Result, Sampling, Started, Update

USER_ID = 80351110224678912
GERMAN = Languages.load().of("de")
TEN_MIB = 10 * 1024 * 1024


def make_request(prompt: str = "a red circle", num_images: int = 4) -> GenerationRequest:
    return GenerationRequest(prompt, num_images, seed=7, requester=str(USER_ID))


def make_result(prompt: str = "a red circle", num_images: int = 4, notices: tuple[Text, ...] = ()) -> Result:
    images = [expected_image(prompt, 7, i, image_length=4, image_size_px=32) for i in range(num_images)]
    images.sort(key=lambda image: (-image.score, image.index))
    return Result(
        make_request(prompt, num_images), "demo", Sampling(1.0, 64, 0.9, 1.0), tuple(images), notices, seconds=3.44
    )


def test_a_waiting_job_shows_its_place() -> None:
    assert (
        render_update(make_request(), Queued(2), language=ENGLISH, loading=False).content
        == "**a red circle**\nQueued, place 2."
    )


def test_a_waiting_job_says_that_the_model_loads() -> None:
    content = render_update(make_request(), Queued(1), language=ENGLISH, loading=True).content
    assert content.endswith("Queued, place 1, the model is still loading.")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "in a moment"), (12.4, "in about 10 s"), (88.0, "in about 90 s"), (140.0, "in about 2 min")],
)
def test_a_waiting_job_says_when_it_will_start(seconds: float, said: str) -> None:
    content = render_update(make_request(), Queued(2, seconds), language=ENGLISH, loading=False).content
    assert content == f"**a red circle**\nQueued, place 2, starts {said}."
    # Nothing is known of a model that still loads.
    assert "starts" not in render_update(make_request(), Queued(2, seconds), language=ENGLISH, loading=True).content


def test_a_resumed_job_says_so() -> None:
    content = render_update(make_request(), Queued(3), language=ENGLISH, loading=False, resumed=True).content
    assert content.endswith("Resumed: queued, place 3.")


@pytest.mark.parametrize(
    ("done", "bar"),
    [(0, "0 %  `░░░░░░░░░░`"), (31, "31 %  `███░░░░░░░`"), (99, "99 %  `█████████░`"), (100, "100 %  `██████████`")],
)
def test_the_bar_never_promises_more_than_is_done(done: int, bar: str) -> None:
    assert render_update(make_request(), Progress(done, 100), language=ENGLISH, loading=False).content.endswith(
        f"Drawing 4 images, {bar}"
    )


def test_a_started_job_counts_its_images() -> None:
    assert render_update(make_request(num_images=1), Started(), language=ENGLISH, loading=False).content.endswith(
        "Drawing 1 image…"
    )


def test_a_finished_job_before_its_pictures_are_encoded() -> None:
    assert render_update(make_request(), Finished(make_result()), language=ENGLISH, loading=False).content.endswith(
        "Drawing 4 images…"
    )


def test_what_runs_can_be_cancelled_and_what_has_ended_can_not() -> None:
    running = render_update(make_request(), Started(), language=ENGLISH, loading=False)
    assert running.controls is Controls.RUNNING
    result = render_result(make_result(), language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB)
    ended = (render_failure("a", "It failed."), render_interrupted("a", language=ENGLISH), result)
    assert {rendered.controls for rendered in ended} == {Controls.NONE}


def test_a_preview_of_before_goes_when_a_job_ends_or_begins_anew() -> None:
    assert render_failure("a red circle", "It failed.").drops_picture
    resumed = render_update(make_request(), Queued(1), language=ENGLISH, loading=False, resumed=True)
    drawing = render_update(make_request(), Progress(1, 2), language=ENGLISH, loading=False, resumed=True)
    assert (resumed.drops_picture, drawing.drops_picture) == (True, False)


def test_a_preview_shows_what_is_known_and_grey_for_the_rest() -> None:
    pixels = expected_preview(7, 200, 2, num_rows=4, image_size_px=32)
    picture = render_preview(make_request(num_images=2), [PreviewImage(1, pixels, 2)], language=ENGLISH)
    assert picture.filename.endswith("-unfinished.webp")
    assert picture.description == "2 unfinished images of: a red circle"
    shown = Image.open(io.BytesIO(picture.data)).convert("RGB")
    quarter, lower = shown.width // 4, shown.height * 3 // 4
    known = [shown.getpixel((3 * quarter, y)) for y in (shown.height // 4, lower)]
    unknown = shown.getpixel((quarter, lower))
    for found, wanted in zip([*known, unknown], [(2, 7, 200), (128,) * 3, (128,) * 3], strict=True):
        assert isinstance(found, tuple)
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) < 12


def test_a_failure_and_an_interruption_are_one_sentence_below_the_prompt() -> None:
    assert render_failure("a red circle", "It failed.").content == "**a red circle**\nIt failed."
    assert "goes on when it is back" in render_interrupted("a red circle", language=ENGLISH).content


def test_the_caption_says_how_the_pictures_came_to_be() -> None:
    result = make_result(notices=(Text("The prompt was shortened to {limit} words.", limit=64),))
    lines = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB).content.splitlines()
    best = result.images[0].score
    assert lines[0] == "**a red circle**"
    assert lines[1] == f"4 images for <@{USER_ID}> · seed 7 · 3.4 s"
    assert lines[2].startswith(f"Scores, best first: 1: {best:.1f} · 2: ")
    assert lines[3] == "-# demo · condition_scale 1 · top_k 64 · top_p 0.9 · temperature 1"
    assert lines[4] == "The prompt was shortened to 64 words."


def test_a_kept_result_has_controls_and_a_job_from_another_names_it() -> None:
    result = make_result()
    origin = Text("Varied from {job}.", job="[0a](https://x/1)")
    kept = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB, origin=origin, is_kept=True)
    assert kept.controls is Controls.RESULT
    assert kept.scores == tuple(image.score for image in result.images)
    assert kept.content.splitlines()[4] == "-# Varied from [0a](https://x/1)."
    lost = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB)
    assert lost.controls is Controls.NONE
    assert "Varied" not in lost.content


def test_the_caption_names_a_negative_prompt() -> None:
    result = make_result()
    result = replace(result, request=replace(result.request, negative_prompt="*red* " * 150))
    rendered = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB)
    line = rendered.content.splitlines()[4]
    assert line.startswith(r"-# Negative prompt: \*red\* \*red\*")
    assert line.endswith("…")
    assert len(line) < 330


def test_the_caption_in_german() -> None:
    notice = Text(
        "I don't know {words}, and drew the rest.", words=(Text("“{word}”", word="{*}"), Text("“{word}”", word="b"))
    )
    result = make_result(notices=(notice,))
    rendered = render_result(result, language=GERMAN, user_id=USER_ID, max_bytes=TEN_MIB)
    lines = rendered.content.splitlines()
    assert lines[1] == f"4 Bilder für <@{USER_ID}> · Seed 7 · 3,4 s"
    assert re.fullmatch(r"Bewertungen, die beste zuerst: 1: \d+,\d( · \d: \d+,\d){3}", lines[2])
    # Parameters are written as a user would type them again, and a program read them.
    assert lines[3] == "-# demo · condition_scale 1 · top_k 64 · top_p 0.9 · temperature 1"
    assert lines[4] == "Ich kenne „{\\*}“ und „b“ nicht und habe den Rest gezeichnet."
    assert rendered.picture is not None
    assert rendered.picture.description == "4 Bilder, nummeriert, das beste zuerst, zu: a red circle"
    assert read_metadata(rendered.picture.data)["parameters"].startswith("images 4 · ")


@pytest.mark.parametrize(
    ("update", "said"),
    [
        (Queued(2), "In der Warteschlange, Platz 2."),
        (Queued(2, 140.0), "In der Warteschlange, Platz 2, beginnt in etwa 2 min."),
        (Progress(31, 100), "Zeichne 4 Bilder, 31 %  `███░░░░░░░`"),
        (Started(), "Zeichne 4 Bilder…"),
    ],
)
def test_a_job_under_way_in_german(update: Update, said: str) -> None:
    content = render_update(make_request("{prompt}"), update, language=GERMAN, loading=False).content
    assert content == f"**{{prompt}}**\n{said}"


def test_a_single_picture_has_one_score() -> None:
    result = make_result(num_images=1)
    lines = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB).content.splitlines()
    assert lines[1].startswith("1 image for")
    assert lines[2] == f"Score: {result.images[0].score:.1f}"


def test_the_picture_holds_the_whole_prompt_and_the_parameters() -> None:
    prompt = "ein Kreis, rot wie 🍎 " + "sehr " * 190
    result = make_result(prompt)
    rendered = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB)
    assert rendered.picture is not None
    metadata = read_metadata(rendered.picture.data)
    assert metadata["prompt"] == result.request.prompt
    assert metadata["seed"] == "7"
    assert metadata["model"] == "demo"
    assert metadata["job"] == result.request.job_id
    assert "top_k 64" in metadata["parameters"]
    assert rendered.picture.filename == f"dalle-bot-{result.request.job_id}.png"
    assert len(rendered.picture.description) <= MAX_DESCRIPTION_CHARACTERS


def test_a_picture_over_the_limit_becomes_smaller() -> None:
    result = make_result(num_images=9)
    whole = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB).picture
    assert whole is not None
    small = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=len(whole.data) - 1).picture
    assert small is not None
    assert len(small.data) < len(whole.data)
    assert small.filename.endswith(".webp")


def test_a_prompt_that_escaping_doubles_is_shortened_visibly() -> None:
    result = make_result("a" + "*" * 999)
    rendered = render_result(result, language=ENGLISH, user_id=USER_ID, max_bytes=TEN_MIB)
    heading, *rest = rendered.content.splitlines()
    assert len(rendered.content) <= MAX_CONTENT_CHARACTERS
    assert heading.endswith("\\*…**")
    assert rest[-1] == "The prompt is shown shortened; the picture's metadata holds all of it."


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=1000).map(lambda text: "x" + text))
def test_no_prompt_breaks_the_message(prompt: str) -> None:
    request = replace(make_request(), prompt=prompt)
    content = render_update(request, Queued(1), language=ENGLISH, loading=True).content
    heading = content.removesuffix("\nQueued, place 1, the model is still loading.")
    assert heading != content
    assert len(content.encode("utf-16-le")) // 2 <= MAX_CONTENT_CHARACTERS
    inside = heading.removeprefix("**").removesuffix("**")
    assert not re.search(r"(?<!\\)(\\\\)*[*_~`|<>\[\]]", inside)
    assert not re.search(r"@(?!\u200b)|\w://", inside)
