"""Settings of the taxonomy study. Standard library only."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from rematch.fields import setting


@dataclass(frozen=True)
class Settings:
    """One arm: how a hierarchy is embedded so that distance answers "who are your ancestors?"."""

    seeded_preparation: ClassVar[bool] = False  # closure and anchors do not depend on the seed

    dim: int = setting("embedding dimension", at_least=2, at_most=512)
    geometry: Literal["poincare", "lorentz", "euclidean"] = setting(
        "space the nodes live in: hyperbolic as Poincaré ball or as hyperboloid with geodesic steps, or euclidean"
    )
    initialisation: Literal["random", "depth-radius"] = setting("random near the origin, or radius set from the depth")
    pairs: Literal["parent", "closure"] = setting("training pairs: each node with its parents, or with every ancestor")
    epoch_length: Literal["own", "closure"] = setting(
        "pairs an epoch visits: each training pair once, or as many as the closure has"
    )
    anchor: Literal["ancestor", "descendant"] = setting("which end of a pair is compared with the negatives")
    negatives: int = setting("negatives per pair, distinct within it", at_least=1, at_most=1000)
    negative_sampling: Literal["uniform", "same-depth", "mixed"] = setting(
        "where negatives come from: all nodes, the depth of the positive, or half and half"
    )
    loss: Literal["margin", "softmax"] = setting("margin ranking loss, or softmax over minus the distances")
    margin: float = setting("margin of the margin loss", unit="distance", at_least=0.0)
    sharpness: int = setting("factor on the distance inside the softmax: 1, 2, 4 or 8", at_least=1, at_most=8)
    pair_weights: Literal["none", "sqrt-depth"] = setting("weight of a pair: 1, or the root of the descendant's depth")
    radial_weight: float = setting("weight of the penalty towards a radius per depth", at_least=0.0)
    learning_rate: float = setting("step of Riemannian gradient descent, per pair", above=0.0)
    burn_in: float = setting("share of the epochs run first at a tenth of the step", at_least=0.0, below=1.0)
    schedule: Literal["constant", "linear"] = setting("step after burn-in: constant, or falling to a tenth")
    batch: int = setting("pairs per update on the CPU", at_least=1, at_most=4096)
    accelerator_batch: int = setting("pairs per update on cuda and mps", at_least=1)
    epochs: int = setting("most epochs", unit="epochs", at_least=0, cost=True)
    patience: int = setting("epochs without a better validation MAP before stopping; 0: never", at_least=0)
    precision: Literal["float32", "float64"] = setting("numbers of the embedding table")
    rim: float = setting("least distance kept from the unit sphere", above=0.0, below=0.1)
    labels: Literal["true", "shuffled"] = setting("shuffled: the model is judged under permuted node identities")
    holdout: Literal["none", "leaf-parents"] = setting(
        "pairs kept from training: none, or the parent edge of some leaves", data=True
    )
    validation_anchors: int = setting("nodes whose ranking selects the best epoch", at_least=1, data=True)
    test_anchors: int = setting(
        "most nodes ranked for the report; above it a fixed sample is drawn", at_least=1, data=True, cost=True
    )

    def __post_init__(self) -> None:
        if self.sharpness not in (1, 2, 4, 8):
            raise ValueError(f"sharpness: expected 1, 2, 4 or 8, found {self.sharpness}")
        if self.geometry == "euclidean" and self.initialisation == "depth-radius":
            raise ValueError(
                "geometry, initialisation: depth-radius places nodes in the ball, found geometry euclidean"
            )
        if self.geometry != "poincare" and self.radial_weight > 0:
            raise ValueError(
                f"geometry, radial_weight: the radial penalty is defined in the ball, found {self.geometry}"
            )
        if self.geometry == "lorentz" and self.precision == "float32":
            raise ValueError("geometry, precision: lorentz needs float64, its time coordinates cancel; found float32")
        if self.precision == "float32" and self.geometry == "poincare" and self.rim < 1e-6:
            raise ValueError(f"precision, rim: float32 cannot resolve a rim below 1e-6, found {self.rim:g}")
