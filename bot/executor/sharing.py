"""How many slots of a cluster one of several processes of a bot may hold, and when it may take one. Pure; the
RemoteExecutor asks.

Each process has a queue of its own, in which guilds take turns. Demand is the weight of the guilds that wait in it: so
a guild gets as much whether it shares its process with many others or with few.
"""

import math


def may_take(num_slots: int, num_held: int, *, has_free: bool, own: float, others: float) -> bool:
    """Whether one more job may be handed to a replica. num_held: slots that this process's jobs hold. has_free: whether
    any slot is, as far as it knows.

    Others may hold all slots and fill each again before this process sees that it was free. What it may have it
    therefore takes even so: where the slots are, jobs of all take turns. The same goes for a first job, as bots with
    other databases tell nothing of what waits there.
    """
    if num_held == 0:
        return num_slots > 0
    return num_held < share_of(num_slots, own, others) and (has_free or others > 0.0)


def share_of(num_slots: int, own: float, others: float) -> int:
    """Slots to be held at once. own, others: demand here and in all other processes together.

    Everything where nobody waits elsewhere, and never nothing. Parts of a slot are rounded up, so that none stays free
    while somebody waits: whoever comes first has it.
    """
    if others <= 0.0:
        return num_slots
    return max(1, math.ceil(num_slots * own / (own + others)))
