"""How many slots of a cluster one of several processes of a bot may hold. Pure; the RemoteExecutor asks.

Each process has a queue of its own, in which guilds take turns. Demand is the weight of the guilds that wait in it: so
a guild gets as much whether it shares its process with many others or with few.
"""

import math


def share_of(num_slots: int, own: float, others: float) -> int:
    """Slots to be held at once. own, others: demand here and in all other processes together.

    Everything where nobody waits elsewhere, and never nothing. Parts of a slot are rounded up, so that none stays free
    while somebody waits: whoever comes first has it.
    """
    if others <= 0.0:
        return num_slots
    return max(1, math.ceil(num_slots * own / (own + others)))
