"""Settings of the contrastive graph-embedding recipes. Standard library only: the Snakefile reads this file."""

from dataclasses import dataclass
from typing import Literal

from rematch.fields import setting

PLAUSIBLE_LEARNING_RATE = (1e-5, 1e-2)  # Adam on graph encoders; outside is run, and said (S0-80)


@dataclass(frozen=True)
class Settings:
    """One arm: data, encoder, contrast, augmentation, optimiser."""

    # data
    train_graphs: int = setting("graphs to pre-train on, 0 = all", unit="graphs", data=True, cost=True, at_least=0)
    validation_share: float = setting(
        "share of graphs for selection, if no split is given", data=True, above=0, below=1
    )
    test_share: float = setting("share of graphs for retrieval at the end, if no split", data=True, above=0, below=1)
    held_out_graphs: int = setting(
        "at most so many validation graphs, and test graphs, 0 = all", data=True, cost=True, at_least=0
    )
    probe_graphs: int = setting("at most so many graphs per probe set, 0 = all", data=True, cost=True, at_least=0)
    probe_folds: int = setting("folds of the cross-validated linear probes", data=True, cost=True, at_least=2)

    # encoder
    encoder: Literal["gine", "morgan", "counts"] = setting("what turns a graph into a vector")
    embedding_dim: int = setting("width of the embedding", at_least=2)
    hidden_dim: int = setting("width of the message-passing layers", at_least=2)
    width_scale: float = setting("factor on both widths, to make a small budget affordable", cost=True, above=0)
    widest: int = setting(
        "no layer is wider than this after width_scale, so that a small budget can afford a wide arm; 0 = no limit",
        cost=True,
        at_least=0,
    )
    num_layers: int = setting("message-passing layers", at_least=1)
    layer_norm: Literal["none", "batch"] = setting("normalisation between layers")
    jumping: Literal["last", "concat"] = setting("layers that are read out: the last, or all concatenated")
    readout: Literal["mean", "sum"] = setting("how nodes become a graph")
    embedding: Literal["output", "readout"] = setting("what is kept: a linear layer of embedding_dim, or what it reads")
    head: Literal["bottleneck", "full"] = setting("projection head: half the width of embedding_dim, or all of it")

    # contrast
    normalise: bool = setting("divide projections by their L2 norm before they are compared")
    temperature: float = setting("divides similarities in the loss", above=0)
    negatives: Literal["all", "cross-view"] = setting("NT-Xent over both views, or InfoNCE across views only")
    positives: Literal["same-graph", "shuffled"] = setting("what is pulled together; shuffled is a control")
    views: Literal["one", "both"] = setting("how many of the two views are augmented; the document augments one")

    # augmentation
    node_noise: float = setting("standard deviation of Gaussian noise on node attributes", at_least=0)
    edge_noise: float = setting("standard deviation of Gaussian noise on edge attributes", at_least=0)
    edge_drop: float = setting("probability that an undirected edge is left out", at_least=0, below=1)
    node_mask: float = setting("probability that a node's attributes are blanked", at_least=0, below=1)

    # optimiser
    batch_size: int = setting("graphs per step, so 2 x batch - 2 negatives", unit="graphs", at_least=2)
    largest_batch_share: float = setting(
        "a batch holds at most this share of the training graphs, for small data; 0 = refuse too large a batch",
        at_least=0,
        at_most=1,
    )
    optimizer: Literal["adam", "adamw"] = setting("Adam with L2 penalty, or decoupled weight decay")
    learning_rate: float = setting("rate of the first loop, after warm-up", above=0)
    lr_decay: float = setting("factor on the rate from one loop to the next", above=0, at_most=1)
    loops: int = setting("loops the epochs are divided into; cosine restarts in each", at_least=1)
    schedule: Literal["constant", "cosine"] = setting("course of the rate within a loop")
    cosine_floor: float = setting("share of the loop's rate at which cosine ends", at_least=0, at_most=1)
    warmup_epochs: int = setting("epochs of linear warm-up", unit="epochs", at_least=0)
    weight_decay: float = setting("weight decay", at_least=0)
    clip_norm: float = setting("largest gradient norm", above=0)
    precision: Literal["float32", "mixed"] = setting("mixed: fp16 with scaled loss on CUDA, bfloat16 on CPU and MPS")
    epochs: int = setting("most epochs; 0 leaves the encoder as initialised", unit="epochs", cost=True, at_least=0)
    patience: int = setting("epochs without a better validation retrieval before stopping, 0 = never", at_least=0)

    def __post_init__(self):
        if self.validation_share + self.test_share >= 1:
            held_out = self.validation_share + self.test_share
            raise ValueError(f"validation_share + test_share: expected less than 1, found {held_out:g}")
        if self.encoder != "gine" and self.epochs:
            raise ValueError(
                f"epochs: expected 0 for encoder {self.encoder!r}, which is not trained, found {self.epochs}"
            )

    @property
    def hidden_width(self) -> int:
        """Width of the layers after `width_scale`, a multiple of 8, at most `widest`."""
        return self._width(self.hidden_dim)

    @property
    def readout_width(self) -> int:
        """Width of all layers that are read out."""
        return self.hidden_width * {"last": 1, "concat": self.num_layers}[self.jumping]

    @property
    def output_width(self) -> int:
        """`embedding_dim` after `width_scale`, a multiple of 8, at most `widest`."""
        return self._width(self.embedding_dim)

    @property
    def embedding_width(self) -> int:
        """Width of the embedding."""
        return {"output": self.output_width, "readout": self.readout_width}[self.embedding]

    @property
    def head_width(self) -> int:
        """Width of what the loss compares."""
        return {"bottleneck": max(1, self.output_width // 2), "full": self.output_width}[self.head]

    @property
    def epochs_per_loop(self) -> int:
        """Length of one loop; the last loop may be shorter."""
        return max(1, -(-self.epochs // self.loops))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know before trusting this recipe, one line each."""
        low, high = PLAUSIBLE_LEARNING_RATE
        if low <= self.learning_rate <= high:
            return ()
        return (f"learning_rate: {self.learning_rate:g} lies outside {low:g} to {high:g}, implausible for Adam",)

    def _width(self, width: int) -> int:
        scaled = width if self.width_scale == 1 else max(8, 8 * round(width * self.width_scale / 8))
        return min(scaled, self.widest or scaled)
