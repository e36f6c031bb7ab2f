from bot.store import Gallery, Store
from bot.store.galleries import MAX_KEPT
from tests.store.samples import SNOWFLAKE

USER, GUILD = SNOWFLAKE, SNOWFLAKE + 9


async def test_a_gallery_comes_back_as_it_was(store: Store) -> None:
    plain = Gallery(user_id=USER, guild_id=GUILD)
    search = Gallery(
        user_id=USER,
        guild_id=GUILD,
        of_user_id=USER + 1,
        is_favourites=True,
        prompt="ein „Kreis“ 🔴",
        found=(("0123456789ab", 9), ("ba9876543210", 1)),
    )
    for gallery in (plain, search):
        await store.galleries.add(gallery)
        assert await store.galleries.get(gallery.id) == gallery
    assert await store.galleries.get("0123456789ab") is None


async def test_only_the_newest_of_each_user_are_kept(store: Store) -> None:
    other = Gallery(user_id=USER + 1, guild_id=GUILD)
    await store.galleries.add(other)
    opened = [Gallery(user_id=USER, guild_id=GUILD) for _ in range(MAX_KEPT + 2)]
    for gallery in opened:
        await store.galleries.add(gallery)
    kept = [await store.galleries.get(gallery.id) is not None for gallery in opened]
    assert kept == [False, False, *[True] * MAX_KEPT]
    assert await store.galleries.get(other.id) == other
