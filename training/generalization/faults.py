"""Known faults of ModalBed's public code (commit 06ae9ad), by name.

They are repaired unless an algorithm is built with them, which explains the published tables."""

from typing import Literal

Fault = Literal["rows", "modulation", "restart", "activation", "nll", "validation"]

FAULTS: dict[Fault, str] = {
    "rows": "Concat, OGM, LFM: modality m of item i is read from row i+m of the batch, which holds it in row "
    "i·M+m, so that items, modalities and labels are mixed up",
    "modulation": "OGM: a score is divided by the sum of all scores, so that no ratio exceeds 1 and no "
    "gradient is modulated; and the layers that it is for are not trained",
    "restart": "EQRM: Adam starts again, with the rate eqrm_lr, in the step whose number equals the length "
    "of the burn-in; a length that was drawn is no whole number, so it never does",
    "activation": "URM: the bounded output of the features (tanh or relu) is set and never applied",
    "validation": "strong setting: modalities that were trained on are judged by features of perceptors of "
    "their own, too, so that runs are selected by features that no algorithm saw",
    "nll": "IB-ERM: the loss is added up in the place of the likelihood, which then reports the loss",
}
