from svmodel.seeds import derive_seed


def test_a_stream_is_named_by_its_parts_and_their_order():
    seeds = {derive_seed(1, "A", "x"), derive_seed(1, "x", "A"), derive_seed(2, "A", "x"), derive_seed("1A", "x")}
    assert len(seeds) == 4
    assert derive_seed("a", "bc") != derive_seed("ab", "c")


def test_a_seed_is_the_same_everywhere_and_fits_a_generator():
    # written down once: a change of the rule would change every published number
    assert derive_seed(2026, "E08000012", "forecast") == 7874437584284389298
    assert all(0 <= derive_seed(i) < 2**63 for i in range(200))
