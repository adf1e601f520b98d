"""Which hotel a person means: its partition key, a unique prefix of one, its id or its name."""

import difflib
from collections.abc import Sequence

from pso_pipeline.text import for_terminal
from pso_pipeline.warehouse.reading import EnterpriseRow

MOST_SUGGESTED = 3

LEAST_SIMILAR = 0.75
"""How similar a suggestion is at least: the ends of two partition keys are often nearly the same."""


class UnknownHotel(Exception):
    """No hotel, or more than one, is meant; one line that suggests what could be."""


def find_key(text: str, hotels: Sequence[EnterpriseRow]) -> str:
    """Return the partition key of the hotel that is meant.

    Raises:
        UnknownHotel: No hotel has such a key, id or name, or several have.
    """
    wanted = text.strip().casefold()
    if not wanted:
        raise UnknownHotel("no such enterprise: an empty text; `pso status` lists the keys")
    exact = [each for each in hotels if wanted in {each.partition_key, each.enterprise_id.casefold()}]
    named = [each for each in hotels if (each.name or "").casefold() == wanted]
    prefixed = [each for each in hotels if each.partition_key.startswith(wanted)]
    for found in (exact, named, prefixed):
        if len(found) == 1:
            return found[0].partition_key
        if found:
            shown = ", ".join(each.partition_key for each in found[:MOST_SUGGESTED])
            more = ", …" if len(found) > MOST_SUGGESTED else ""
            raise UnknownHotel(f"{for_terminal(text)} is not unique: it can be {shown}{more}")
    key_of = {(each.name or each.partition_key).casefold(): each.partition_key for each in hotels}
    key_of |= {each.partition_key: each.partition_key for each in hotels}
    close = difflib.get_close_matches(wanted, key_of, n=MOST_SUGGESTED, cutoff=LEAST_SIMILAR)
    meant = ", ".join(dict.fromkeys(key_of[each] for each in close))
    hint = f"did you mean {meant}?" if meant else "`pso status` lists the keys"
    raise UnknownHotel(f"no such enterprise: {for_terminal(text)}; {hint}")
