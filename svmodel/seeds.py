"""Seeds: every random stream is named, so that a number does not depend on what was computed before it."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: object) -> int:
    """Return the seed of the stream that these parts name.

    Parameters
    ----------
    *parts
        Study seed, area, method name and the like; their text counts, and so does their order.

    Returns
    -------
    int
        Between 0 and 2**63 - 1; the same on every machine, in every order of areas, with any number of workers.

    Examples
    --------
    >>> derive_seed(2026, "E08000012", "forecast") == derive_seed(2026, "E08000012", "forecast")
    True
    >>> derive_seed(2026, "E08000012", "forecast") == derive_seed(2026, "E08000013", "forecast")
    False
    """
    # each part is preceded by its length, so that ("a", "bc") and ("ab", "c") name different streams
    text = "".join(f"{len(str(part))}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
