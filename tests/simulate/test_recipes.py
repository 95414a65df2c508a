import pytest

from svmodel.errors import DataError
from svmodel.simulate import RECIPES, simulate


def test_every_recipe_runs_by_its_name(tmp_path):
    for name in RECIPES:
        written = simulate(name, tmp_path / name, seed=3)
        assert written.simulation.seed == 3
        assert all(path.stat().st_size > 0 for path in written.files)
        assert "true rate ratio 0.800" in str(written)
        assert str(tmp_path / name / "truth.json") in str(written)


def test_an_unknown_recipe_names_the_nearest(tmp_path):
    with pytest.raises(DataError, match="Did you mean 'merseyside'"):
        simulate("mersyside", tmp_path / "out")
    assert not (tmp_path / "out").exists()
