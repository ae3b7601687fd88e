"""The settings of link prediction: one field per key of the study file. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rematch.fields import setting


@dataclass(frozen=True)
class Settings:
    """How a graph is encoded, how pairs are scored and sampled, and how training is driven."""

    seeded_preparation: ClassVar[bool] = False  # the split is given

    model: Literal["gcn", "common-neighbours", "adamic-adar", "resource-allocation", "degree-product"] = setting(
        "a graph convolutional network, or a score computed from the training edges alone"
    )
    edges: Literal["observed", "shuffled"] = setting(
        "`shuffled` trains on the observed edges after a random renaming of the nodes: a control", data=True
    )
    structural_features: bool = setting("join degree, clustering, core number, PageRank, ... to the node embeddings")
    hidden: int = setting("width of node embeddings and layers", unit="numbers per node", at_least=1)
    layers: int = setting("graph convolutions, each one hop", at_least=1, at_most=16)
    norm: Literal["batch", "layer", "graph", "none"] = setting("normalisation after each convolution")
    activation: Literal["relu", "none"] = setting("`none` propagates linearly (Wu et al. 2019)")
    dropout: float = setting("share of hidden values dropped in training", at_least=0, below=1)
    edge_dropout: float = setting("share of edges a training step does not propagate over", at_least=0, below=1)
    residual: float = setting("factor of what `skip` adds to a layer's output", at_least=0)
    skip: Literal["after-first", "every-layer", "input"] = setting(
        "a layer adds its own input, from the second layer on or everywhere; `input` adds the embeddings at every layer"
    )
    initialisation: Literal["xavier", "orthogonal", "spectral"] = setting(
        "of the node embeddings; `spectral`: `rank` leading eigenvectors of the training edges, convolutions start at 0"
    )
    rank: int = setting("eigenvectors in a spectral start, at most `hidden`", unit="columns", at_least=1)
    decoder: Literal["dot", "signed", "mlp"] = setting(
        "pair score: dot product, one with a learned weight of either sign per column, "
        "or a two-layer network of the elementwise product"
    )
    loss: Literal["cross-entropy", "squared-hinge", "squared"] = setting(
        "of positive and negative scores; `squared`: the distance to 1 and to 0"
    )
    pairs: Literal["sampled", "all"] = setting(
        "negatives drawn anew for every update, or every pair of the graph, exactly"
    )
    negative_weight: float = setting("weight of the negatives' mean in the loss", above=0)
    mask_targets: bool = setting(
        "an update does not propagate over the edges it is trained to predict, with pairs: all the dropped ones"
    )
    diversity: float = setting("weight of the mean absolute cosine between embeddings in the loss", at_least=0)
    hard_negatives: float = setting(
        "share of negatives taken from the highest-scoring candidates", at_least=0, at_most=1
    )
    hard_warm_up: int = setting("epochs before hard negatives start", unit="epochs", at_least=0)
    learning_rate: float = setting("initial rate of AdamW", above=0)
    weight_decay: float = setting("of AdamW", at_least=0)
    schedule: Literal["constant", "plateau", "cosine"] = setting("of the learning rate")
    plateau_patience: int = setting("evaluations without a better value before the rate is halved", at_least=1)
    clip: float = setting("largest norm of the gradient, 0 = no clipping", at_least=0)
    average: float = setting(
        "decay per update of the averaged weights that are evaluated and saved, 0 = the trained weights",
        at_least=0,
        below=1,
    )
    epochs: int = setting("passes over the training edges", cost=True, at_least=0)
    updates_per_epoch: int = setting("updates in which one pass is made", cost=True, at_least=1)
    evaluate_every: int = setting("epochs between two validations", unit="epochs", cost=True, at_least=1)
    patience: int = setting(
        "epochs without a better validation value before training stops, 0 = never", unit="epochs", at_least=0
    )

    def __post_init__(self):
        if self.pairs == "all" and (self.decoder == "mlp" or self.loss == "squared-hinge"):
            raise ValueError(
                "pairs: all needs decoder: dot or signed and loss: cross-entropy or squared, "
                f"found {self.decoder} and {self.loss}"
            )
        if self.pairs == "all" and self.hard_negatives:
            raise ValueError(f"pairs: all takes every pair, so hard_negatives must be 0, found {self.hard_negatives}")
        if self.pairs == "all" and self.mask_targets and not self.edge_dropout:
            raise ValueError("pairs: all with mask_targets predicts the dropped edges, so edge_dropout must be above 0")
        if self.initialisation == "spectral" and self.rank > self.hidden:
            raise ValueError(f"rank: expected at most hidden ({self.hidden}), found {self.rank}")
        # A convolution that starts at 0 would never leave it behind a rectifier, whose slope at 0 is 0.
        wanted = {"decoder": "signed", "skip": "input", "norm": "none", "activation": "none"}
        found = {key: getattr(self, key) for key in wanted}
        if self.initialisation == "spectral" and (found != wanted or self.structural_features or not self.residual):
            raise ValueError(
                f"initialisation: spectral needs {wanted}, no structural_features and residual above 0, "
                f"found {found}, {self.structural_features} and {self.residual}"
            )
        if self.model != "gcn" and self.epochs > 1:
            raise ValueError(f"model: {self.model} has nothing to learn, expected epochs: 1 or 0, found {self.epochs}")
