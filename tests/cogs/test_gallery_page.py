"""A gallery's page as Discord takes it, whatever stands in the prompts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.cogs.gallery_page import PAGE_SIZE, GalleryPage, PageTurns, gallery_page
from bot.language import ENGLISH
from bot.sandbox import components as parts
from bot.sandbox.rules import check_message
from bot.store import Gallery, JobRecord, JobState, PastImage
from tests.store.samples import SNOWFLAKE

TURNS = PageTurns("newer.0123456789ab", "older.0123456789ab")


def past(number: int, prompt: str, **changes: Any) -> PastImage:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "id": f"{number:012x}",
        "prompt": prompt,
        "num_images": 9,
        "seed": 1,
        "user_id": SNOWFLAKE,
        "guild_id": SNOWFLAKE + 1,
        "channel_id": SNOWFLAKE + 2,
        "message_id": SNOWFLAKE + 3,
        "interaction_id": number,
        "state": JobState.DELIVERED,
        "created_at": now,
        "updated_at": now,
        "error": None,
        "result": None,
        "deleted_at": None,
    }
    return PastImage(JobRecord(**values | changes), 9)


def page(*shown: PastImage, pictures: list[bytes | None] | None = None, **gallery: Any) -> GalleryPage:
    known: dict[str, Any] = {"user_id": SNOWFLAKE, "guild_id": SNOWFLAKE + 1}
    files = [b"webp"] * len(shown) if pictures is None else pictures
    return gallery_page(Gallery(**known | gallery), shown, files, TURNS, ENGLISH, "A note.")


def components_of(shown: GalleryPage) -> list[dict[str, Any]]:
    components: list[dict[str, Any]] = shown.view.to_components()  # type: ignore[no-untyped-call]
    return components


def texts(shown: GalleryPage) -> str:
    found = (item for item in parts.walk(components_of(shown)) if item["type"] == parts.TEXT_DISPLAY)
    return "\n".join(item["content"] for item in found)


@pytest.mark.parametrize("prompt", ["x" * 1000, "*" * 1000, "🔴" * 500, "@everyone <@1> [a](https://b) " * 30, "a"])
async def test_a_full_page_keeps_discords_limits(prompt: str) -> None:
    shown = page(*(past(n, prompt) for n in range(PAGE_SIZE)), prompt=prompt, of_user_id=SNOWFLAKE)
    components = components_of(shown)
    assert check_message(None, [], components, len(shown.files), is_v2=True) == []
    for component in parts.walk(components):
        for option in component.get("options") or ():
            assert len(option["label"]) <= 100
        for item in component.get("items") or ():
            assert 0 < len(item["description"]) <= 1024
    assert "@everyone" not in texts(shown)
    assert "[a](" not in texts(shown)


async def test_a_private_result_has_no_link_and_says_so() -> None:
    said = texts(page(past(1, "a secret", is_private=True)))
    assert "only you can see it" in said
    assert "https://" not in said


async def test_pictures_keep_the_numbers_of_their_lines() -> None:
    shown = page(past(1, "first"), past(2, "second"), past(3, "third"), pictures=[b"1", None, b"3"])
    assert [(file.filename, file.data) for file in shown.files] == [("1.webp", b"1"), ("3.webp", b"3")]
    (gallery,) = [c for c in parts.walk(components_of(shown)) if c["type"] == parts.MEDIA_GALLERY]
    assert [item["media"]["url"] for item in gallery["items"]] == ["attachment://1.webp", "attachment://3.webp"]
    assert [item["description"] for item in gallery["items"]] == [
        "Picture 9 of 9 of: first",
        "Picture 9 of 9 of: third",
    ]
    second = next(line for line in texts(shown).splitlines() if line.startswith("2. "))
    assert second.endswith("its file is not kept any more: look closer to make it again")
