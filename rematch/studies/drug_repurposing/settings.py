"""Settings of the drug-repurposing study. Standard library only: the Snakefile imports this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rematch.fields import setting


@dataclass(frozen=True)
class Settings:
    """One recipe for embedding a typed graph and ranking treatments with the embeddings."""

    # What is held out
    split: Literal["edge", "disease", "published"] = setting(
        "what is held out: treatments, all treatments of some diseases, or what the data set says", data=True
    )
    valid_fraction: float = setting(
        "share of the treatments (or diseases) for validation", data=True, above=0, below=0.5
    )
    test_fraction: float = setting("share of the treatments (or diseases) for the test", data=True, above=0, below=0.5)
    held_out_edges: Literal["removed", "left"] = setting(
        "edges of held-out pairs in the graph; left is a leak and blocks training", data=True
    )
    set_aside: tuple[str, ...] = setting("relations kept out of the graph and used to judge clusters only", data=True)
    limit_nodes: int = setting("largest number of nodes kept, 0 for all", data=True, cost=True, at_least=0)
    # What is trained
    model: Literal["hgt", "gaussian", "rank-20-noise", "random", "degree", "metapath", "path-regression"] = setting(
        "what scores the pairs"
    )
    edges: Literal["real", "shuffled"] = setting("shuffled permutes the targets of every relation: a control")
    hidden: int = setting("width of the layers, before width_divisor", at_least=4)
    embedding: int = setting("width of the embeddings, before width_divisor", at_least=4)
    width_divisor: int = setting("divides both widths", cost=True, at_least=1)
    layers: int = setting("number of layers", at_least=1)
    heads: int = setting("attention heads", at_least=1)
    decoder: Literal["dot", "distmult"] = setting("score of an edge: inner product, or one weighted by the relation")
    # How it is trained
    epochs: int = setting("epochs, before epochs_scale", cost=True, at_least=0)
    epochs_scale: float = setting("multiplies epochs; the part of the budget that belongs to the recipe", above=0)
    patience: int = setting("epochs without a better validation value before stopping, 0 for never", at_least=0)
    learning_rate: float = setting("step size of Adam", above=0)
    messages: Literal["sampled", "all"] = setting("edges that carry messages in training: those of the batch, or all")
    treatments_in_messages: Literal["all", "none", "others"] = setting(
        "training treatments that carry messages: all, none, or those that the update does not ask for"
    )
    path_features: bool = setting("whether the score of a pair adds its weighted counts of paths, by kind of path")
    edges_per_relation: int = setting("edges drawn per relation and batch, before edges_divisor", at_least=1)
    edges_divisor: int = setting("divides edges_per_relation", cost=True, at_least=1)
    accumulation: int = setting("batches whose gradients make one update", at_least=1)
    updates_per_epoch: int = setting("updates between two validations", at_least=1)
    negatives: int = setting("random edges per drawn edge", at_least=1)
    link_weight: float = setting("weight of the link loss over all relations", at_least=0)
    contrastive_weight: float = setting("weight of the contrastive loss over all relations", at_least=0)
    ranking_weight: float = setting("weight of the loss that ranks treatments against all other pairs", at_least=0)
    temperature: float = setting("of the contrastive loss", above=0)
    memory_limit_mb: int = setting(
        "a training that would need more is refused before it starts, 0 for no limit", unit="MB", at_least=0
    )

    def __post_init__(self):
        if self.hidden % self.heads:
            raise ValueError(f"hidden: expected a multiple of heads = {self.heads}, found {self.hidden}")
        if self.width("embedding") < 2:
            raise ValueError(f"embedding / width_divisor: expected at least 2, found {self.width('embedding')}")
        if self.valid_fraction + self.test_fraction >= 0.9:
            raise ValueError("valid_fraction + test_fraction: expected less than 0.9, or little is left to train on")
        if self.path_features and not self.ranking_weight:
            raise ValueError("path_features: expected ranking_weight above 0, which is what trains them, found 0")
        if self.model == "hgt" and not self.link_weight + self.contrastive_weight + self.ranking_weight:
            raise ValueError("link_weight, contrastive_weight, ranking_weight: expected at least one above 0")

    def width(self, key: Literal["hidden", "embedding"]) -> int:
        """The width that is trained; that of the layers is a multiple of `heads`."""
        width = getattr(self, key) // self.width_divisor
        return width if key == "embedding" else max(width // self.heads, 1) * self.heads

    @property
    def epochs_to_train(self) -> int:
        """Epochs after scaling; at least one unless none are asked for."""
        return max(1, round(self.epochs * self.epochs_scale)) if self.epochs else 0

    @property
    def edges_per_batch(self) -> int:
        """Edges drawn per relation."""
        return max(1, self.edges_per_relation // self.edges_divisor)

    @property
    def seeded_preparation(self) -> bool:
        """Whether the split depends on the seed; a published one does not."""
        return self.split != "published"
