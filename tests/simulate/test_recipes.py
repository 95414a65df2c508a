from svmodel.simulate import RECIPES, write


def test_every_recipe_runs_by_its_name_with_and_without_a_seed(tmp_path):
    for name, recipe in RECIPES.items():
        assert recipe(seed=3).panel.fingerprint != recipe().panel.fingerprint
        files = write(recipe(seed=3), tmp_path / name)
        assert all(path.stat().st_size > 0 for path in files)
