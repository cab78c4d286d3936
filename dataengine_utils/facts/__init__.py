"""What is known about an image from its annotations alone: `View` reads a record, `judge` decides about
answers.
"""

from . import free
from .judges import Verdict
from .truth import FORMS, is_clear, judge, known_form
from .view import Thing, View

__all__ = ["FORMS", "Thing", "Verdict", "View", "free", "is_clear", "judge", "known_form"]
