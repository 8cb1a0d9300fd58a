"""IB-ERM, information bottleneck (Ahuja et al., NeurIPS 2021, arXiv:2106.06607)."""

from training.generalization.algorithm import Batch, Draws, Losses
from training.generalization.algorithms.erm import Erm, risks
from training.generalization.hyperparameters import COMMON, Hyperparameter, power, whole_power


class IbErm(Erm):
    """The variance of features within a modality is penalised."""

    title = "IB"
    hyperparameters = (
        *COMMON,
        Hyperparameter("ib_lambda", 1e2, power(10, -1, 5)),
        Hyperparameter("ib_penalty_anneal_iters", 500, whole_power(10, 0, 4)),
    )
    knows = ("nll",)

    def before_step(self) -> None:
        if self.steps == self.hyper["ib_penalty_anneal_iters"]:
            self.restart(self.hyper["lr"])

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        features = self.encode(batch.rows)
        nll = risks(self.classifier(features), batch).mean()
        penalty = features.unflatten(0, batch.labels.shape).var(dim=1).mean()
        annealed = self.steps >= self.hyper["ib_penalty_anneal_iters"]
        loss = nll + (self.hyper["ib_lambda"] if annealed else 0.0) * penalty
        return {"loss": loss, "nll": loss if "nll" in self.faults else nll, "IB_penalty": penalty}
