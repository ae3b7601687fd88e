"""The settings of the antibody-affinity study."""

from dataclasses import dataclass
from typing import Literal

from rematch.fields import setting


@dataclass(frozen=True)
class Settings:
    """One arm: how the rows are split and reduced, which regressor is trained on them, and how."""

    split: Literal["grouped", "random"] = setting("how rows go to train, validation and test", data=True)
    group: str = setting("column that a grouped split keeps together; `dataset` takes the data set's own", data=True)
    censored: Literal["drop", "limit"] = setting("rows below detection: left out, or set to the limit", data=True)
    features: int = setting("input features after the reduction", data=True, at_least=1)
    labels: Literal["true", "shuffled"] = setting("shuffled permutes the training targets: a control that must fail")

    model: Literal["mlp", "mean", "ridge", "trees"] = setting("the regressor")
    hidden: tuple[int, ...] = setting("widths of the hidden layers", at_least=1)
    activation: Literal["relu", "gelu"] = setting("after each hidden layer")
    dropout: float = setting("share of units dropped; half of it in the last hidden layer", at_least=0, below=1)
    initialisation: Literal["default", "xavier"] = setting("torch's default, or Xavier-uniform weights and zero biases")

    loss: Literal["mse", "focal"] = setting("squared error, or error * (1 + error^(gamma/2)) on it")
    focal_gamma: float = setting("exponent of the focal factor", at_least=0)
    bin_weights: Literal["none", "inverse-frequency"] = setting("weight of a sample by its affinity bin")
    extreme_weight: float = setting("further factor on the first and the last bin", above=0)

    optimizer: Literal["adam", "adamw"] = setting("update rule")
    learning_rate: float = setting("initial step size", above=0, at_most=1)
    weight_decay: float = setting("L2 term (adam) or decoupled decay (adamw)", at_least=0, below=1)
    schedule: Literal["plateau", "cosine-warm-restarts", "constant"] = setting("how the learning rate moves by epoch")
    restart_epochs: int = setting("epochs to the first restart; each later period is twice as long", at_least=1)
    clip_norm: float = setting("largest gradient norm; 0 leaves gradients alone", at_least=0)
    batch_size: int = setting("rows per update", unit="rows", at_least=2)
    epochs: int = setting("passes over the training rows", unit="epochs", cost=True, at_least=0)
    patience: int = setting(
        "epochs without a better validation RMSE before stopping; 0 never stops", cost=True, at_least=0
    )

    def __post_init__(self) -> None:
        if self.model == "mlp" and not self.hidden:
            raise ValueError("hidden: a multilayer perceptron needs at least one hidden layer, found []")
        if self.bin_weights == "none" and self.extreme_weight != 1:
            raise ValueError(f"extreme_weight: {self.extreme_weight:g} has no effect while bin_weights is none")
