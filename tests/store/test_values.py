from bot.store import Store


async def test_values_are_kept_under_their_keys(store: Store) -> None:
    assert await store.values.get("commands") is None
    await store.values.set("commands", "one")
    await store.values.set("commands", "two")
    await store.values.set("other", "ß")
    assert [await store.values.get(key) for key in ("commands", "other")] == ["two", "ß"]
