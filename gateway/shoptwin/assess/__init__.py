"""From windows to verdicts: features by shipped models, normality by what was learned of each machine."""

from shoptwin.assess.assessor import Assessor
from shoptwin.assess.progress import LearningState, LearnRequest, progress
from shoptwin.assess.shelf import ModelShelf

__all__ = ["Assessor", "LearnRequest", "LearningState", "ModelShelf", "progress"]
