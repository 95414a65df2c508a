"""Every method carries a card of its own, and the card speaks of choices that the method has."""

import dataclasses
import importlib
import inspect

import pytest

from svmodel.checks.declared import OF_METHODS
from svmodel.result.method import Method

ROOMS = ("did", "counterfactual", "bayes")


def methods():
    """Return every public class of the methods rooms that answers a design."""
    found = {}
    for room in ROOMS:
        module = importlib.import_module(f"svmodel.{room}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) and "design" in inspect.signature(getattr(thing, "fit", methods)).parameters:
                found[f"{room}.{name}"] = thing
    return found


METHODS = methods()


def test_the_rooms_have_methods():
    assert {name.split(".")[0] for name in METHODS} == set(ROOMS)
    assert len(METHODS) >= 15


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_a_card_of_its_own(name):
    made = METHODS[name]
    card = vars(made).get("about")
    assert isinstance(card, Method), f"{name} has no card `about: ClassVar[Method]`"
    for words in (card.short, card.name, card.how):
        assert words.strip() == words != ""
    assert card.supposes
    assert card.gives is not None, "a card says what of a method checks can rest on"
    assert set(card.gives) <= set(OF_METHODS)
    choices = {f.name for f in dataclasses.fields(made)}
    assert {phrase.split(": ")[0] for phrase in card.phrases} <= choices


def test_no_two_methods_go_by_one_name():
    for field in ("short", "name"):
        names = [getattr(made.about, field) for made in METHODS.values()]
        assert len(set(names)) == len(names), field
