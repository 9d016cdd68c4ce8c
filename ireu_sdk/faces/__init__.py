"""Photos of people, their face swaps, and the recognisers that judge them."""

from ireu_sdk.faces.portraits import FacePair, Person, Portrait, load_people
from ireu_sdk.faces.recognisers import Recogniser, load_recogniser
from ireu_sdk.faces.swaps import pair_swaps

__all__ = ["FacePair", "Person", "Portrait", "Recogniser", "load_people", "load_recogniser", "pair_swaps"]
