"""A synthetic portrait world as package data: people, an image encoder, two generators, a recogniser.

No real person appears in it. See docs/testbed-model-card.md.
"""

from ireu_sdk.testbed.gallery import gallery_person, panel_people, retain_people

__all__ = ["gallery_person", "panel_people", "retain_people"]
