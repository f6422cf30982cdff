"""Classification of texts and images, and detection of objects: labels with scores."""

from __future__ import annotations

from typing import Any, Never, TypedDict

from pydantic import PrivateAttr

from cfai.types._media_inputs import ImageSource
from cfai.types._output import Fields, ListResult


class TextClassificationInputs(TypedDict):
    """A text to classify."""

    text: str
    """At least one character."""


class ImageClassificationInputs(TypedDict):
    """An image to classify, or to find objects in."""

    image: ImageSource
    """The image: its path, its bytes, an open file, an image of Pillow, or a numpy array."""


class ImageAlone(ImageClassificationInputs, total=False):
    """`ImageClassificationInputs` with nothing beside the image. For type checkers: other tasks take an image, too."""

    prompt: Never
    """An input of those that describe images."""
    question: Never
    """An input of Moondream."""


class Label(Fields):
    """A label, and how sure the model is of it."""

    label: str
    """The name of the class, such as `POSITIVE`, as the model was taught it."""
    score: float
    """0 to 1."""


class Classification(ListResult[Label]):
    """Labels with scores, in the order of the service."""

    _picture: Any = PrivateAttr(default=None)
    """In a notebook: the `Picture` that was sent, to be shown with what was found in it."""

    @property
    def best(self) -> Label | None:
        """The label with the highest score; `None` if there is none."""
        return max(self.root, key=lambda label: label.score, default=None)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show bars for the labels in a notebook, beside the picture if there is one."""
        from cfai._display import draw_labels

        return {"image/svg+xml": draw_labels(self._picture, [(label.label, label.score) for label in self])}


class Box(Fields):
    """A rectangle in an image, in pixels from its upper left corner."""

    xmin: float
    """The left edge."""
    ymin: float
    """The upper edge."""
    xmax: float
    """The right edge."""
    ymax: float
    """The lower edge."""


class DetectedObject(Label):
    """An object in an image."""

    box: Box
    """Where it is, in pixels."""


class DetectedObjects(ListResult[DetectedObject]):
    """The objects that were found in an image, in the order of the service."""

    _picture: Any = PrivateAttr(default=None)
    """In a notebook: the `Picture` that was sent, to be shown with what was found in it."""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the objects as boxes on their picture in a notebook, or as a table without it."""
        from cfai._display import Box, draw_boxes

        found = [(each, each.box) for each in self]
        if self._picture is None:
            rows = [(each.label, f"{each.score:.1%}", box.xmin, box.ymin, box.xmax, box.ymax) for each, box in found]
            return self._render_table(("label", "score", "left", "top", "right", "bottom"), rows, numbers=range(1, 6))
        boxes = [Box(box.xmin, box.ymin, box.xmax, box.ymax, each.label, each.score) for each, box in found]
        return {"image/svg+xml": draw_boxes(self._picture, boxes)}
