"""Does every photo to be forgotten show a face, and the same one?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ireu_governance.core.errors import ErrorCode, InputError
from ireu_sdk.faces.portraits import Person
from ireu_sdk.faces.recognisers import Recogniser

__all__ = ["refuse_faceless"]


def refuse_faceless(people: Sequence[Person], recogniser: Recogniser, *, threshold: float) -> bool:
    """Refuse photos to be forgotten that show no face, or not the person's.

    A recogniser with a detector says so itself. One without (a bare ONNX file) cannot tell a wall from a face by
    one picture: then each photo must be recognised, at the threshold, as the person of at least one of the
    others. A single photo cannot be checked this way.

    Args:
        people: People to forget.
        recogniser: Who judges.
        threshold: Cosine from which two pictures count as the same person.

    Returns:
        Whether all photos could be checked.

    Raises:
        InputError: A photo shows no face, or somebody else's.
    """
    checked = True
    for person in people:
        embeddings = recogniser.embed([photo.image for photo in person.portraits])
        found = np.linalg.norm(embeddings, axis=1) > 0
        if recogniser.finds_faces and not found.all():
            _refuse(person, int(np.argmin(found)), "no face is found in it")
        if len(person.portraits) == 1:
            checked = checked and recogniser.finds_faces
            continue
        similarity = embeddings @ embeddings.T
        np.fill_diagonal(similarity, -1.0)
        best = similarity.max(axis=1)
        if (best < threshold).any():
            _refuse(
                person,
                int(np.argmin(best)),
                "its face is not recognised as that of the person's other photos",
            )
    return checked


def _refuse(person: Person, index: int, why: str) -> None:
    raise InputError(
        f"The photo '{person.portraits[index].stem}' shows no usable face: {why}.",
        hint="Take it out, or replace it by a photo in which the person's face can be seen.",
        code=ErrorCode.PORTRAIT_NO_FACE,
    )
