"""The views of a store that a pre-training reads: what each shows, and which may be read at all."""

from engine.store.access import Frames, PretrainFrames, UnlabelledTransferFrames
from engine.store.errors import LeakError
from engine.stream.mixture import MixedFrames
from engine.stream.order import View


def views_of(frames: View, showing: str | None = None) -> tuple[Frames, ...]:
    """The views of a mixture, all or those that show an array; or the only one."""
    if not isinstance(frames, MixedFrames):
        return (frames,)
    return frames.views if showing is None else frames.showing(showing)


def check_unlabelled(frames: View) -> None:
    """Raises LeakError where a view could show labels, or frames of evaluation."""
    for view in views_of(frames):
        if not isinstance(view, PretrainFrames | UnlabelledTransferFrames):
            raise LeakError(
                f"pre-training takes PretrainFrames, and to mix in UnlabelledTransferFrames, not "
                f"{type(view).__name__} of {view.store_path}: what it shows must hold no label"
            )
