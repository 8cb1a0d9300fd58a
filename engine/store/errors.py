"""The errors of a store, by name.

Every message names space, part and file where they are known, and ends with the remedy. All can be fixed by
the user, hence OSErrors (state of the disk) or ValueErrors (what was asked for).
"""


class StoreError(OSError):
    """Something is wrong with a store or with what was asked of it."""


class NotAStoreError(StoreError):
    """There is no store at this path, or its own description is damaged."""


class StoreExistsError(StoreError):
    """A store is there already."""


class PartExistsError(StoreError):
    """A part of this name is there already. Parts are never overwritten."""


class MissingPartError(StoreError):
    """The store has no part of this name."""


class MissingModalityError(StoreError):
    """The part holds no array of this name."""


class SpaceConflictError(StoreError):
    """One id is claimed by two different spaces."""


class DamagedPartError(StoreError):
    """A file of a part is missing, cut short or not what its manifest says."""


class LeakError(ValueError):
    """Frames or labels would have reached a stage that must never see them."""


class UnreachableError(StoreError):
    """An object store does not answer, or refuses."""


class CollectError(OSError):
    """Some frames could not be collected. Those that could are in the store."""
