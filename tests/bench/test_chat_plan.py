"""Who asks for what and when is fixed by the seed, and spread as it should be."""

from collections import Counter

from bot.bench.chat_plan import MIX, NUM_CHANNELS, NUM_GUILDS, ChatPlan, plan_orders, warm_up_orders
from bot.requests import MAX_SEED, check_prompt

PLAN = ChatPlan(users=200, seconds=60.0, every_s=20.0, seed=3)


def test_the_seed_fixes_everything() -> None:
    assert plan_orders(PLAN) == plan_orders(PLAN)
    assert plan_orders(PLAN) != plan_orders(ChatPlan(200, 60.0, 20.0, seed=4))


def test_arrivals() -> None:
    orders = plan_orders(PLAN)
    assert 520 < len(orders) < 680
    times = [order.at_s for order in orders]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= PLAN.seconds
    # Commands come in clusters, as they do where nobody waits for the other.
    per_second = Counter(int(at_s) for at_s in times)
    assert max(per_second.values()) > 15 > 5 > min(per_second[second] for second in range(60))


def test_users_stay_in_their_guild_and_write_in_all_its_channels() -> None:
    orders = plan_orders(PLAN)
    assert {order.guild for order in orders} == set(range(NUM_GUILDS))
    assert {order.channel for order in orders} == set(range(NUM_CHANNELS))
    assert len({(order.user, order.guild) for order in orders}) == len({order.user for order in orders})


def test_prompts_and_options() -> None:
    orders = plan_orders(PLAN)
    assert len({order.prompt for order in orders}) == len(orders)
    for order in orders:
        assert check_prompt(order.prompt) == order.prompt
        assert int(order.options["images"]) in MIX
        assert 0 <= int(order.options.get("seed", 0)) <= MAX_SEED
    used = Counter(name for order in orders for name in order.options)
    assert set(used) == {"images", "seed", "condition_scale", "temperature", "negative"}
    assert 0.4 < used["seed"] / len(orders) < 0.6


def test_there_is_always_an_order() -> None:
    assert len(plan_orders(ChatPlan(users=1, seconds=1.0, every_s=3600.0, seed=0))) == 1


def test_the_warm_up_draws_each_size() -> None:
    assert [order.options for order in warm_up_orders()] == [{"images": str(size)} for size in MIX]
