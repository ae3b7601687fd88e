"""Training of embeddings on a typed graph whose held-out treatments have been removed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rematch.learner import Criterion, Learner
from rematch.streams import numpy_generator, torch_generator
from rematch.studies.drug_repurposing import losses
from rematch.studies.drug_repurposing.baselines import BASELINES, FixedLearner
from rematch.studies.drug_repurposing.memory import check_memory
from rematch.studies.drug_repurposing.messages import (
    Edges,
    draw,
    message_ends,
    message_relations,
    piece,
    shuffled,
    stored_edges,
)  # fmt: skip
from rematch.studies.drug_repurposing.metapaths import Metapaths
from rematch.studies.drug_repurposing.model import Embedder, score_matrix
from rematch.studies.drug_repurposing.plan import AttentionPlan, attention_plan
from rematch.studies.drug_repurposing.questions import Question, divide, fit_weights, questions
from rematch.studies.drug_repurposing.scoring import validation
from rematch.studies.drug_repurposing.settings import Settings
from rematch.torch_learner import TorchLearner

CONTRASTED = 64  # random nodes that each edge of the contrastive loss is compared with


def learner(settings: Settings, data: dict[str, np.ndarray], seed: int, device: torch.device) -> Learner:
    """The learner of one arm: gradient training, or a baseline that is computed in one go."""
    edges = EDGES[settings.edges](stored_edges(data), seed)
    if settings.model in BASELINES:
        return FixedLearner(BASELINES[settings.model](settings, data, edges, seed), partial(validation, settings, data))
    check_memory(settings, data)
    task = Task(settings, data, edges, seed, device)
    model = Embedder(
        data["type_ptr"].tolist(), len(message_ends(data)), len(data["relation_ends"]), settings.width("hidden"),
        settings.width("embedding"), settings.layers, settings.heads, torch_generator(seed, "weights"), **task.paths(),
    ).to(device)  # fmt: skip
    task.remember(model)
    return TorchLearner(
        model=model,
        optimizer=torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True),
        loss=task.loss,
        validation=task.validation,
        batches=settings.accumulation * settings.updates_per_epoch,
        accumulate=settings.accumulation,
        criterion=Criterion("auprc", "higher"),
        divergence_hint="learning_rate, or temperature of the contrastive loss",
    )


EDGES = {"real": lambda edges, seed: edges, "shuffled": shuffled}


class Task:
    """The losses of one arm on one graph; holds what does not change between steps."""

    def __init__(
        self, settings: Settings, data: Mapping[str, np.ndarray], edges: Edges, seed: int, device: torch.device
    ):
        self.settings, self.data, self.edges, self.seed, self.device = settings, data, edges, seed, device
        self.treats = int(data["treats"].item())
        self.silent = (self.treats,) if settings.treatments_in_messages == "none" else ()
        self.plan = self._plan(edges)  # of all edges: for validation and evaluation, whatever training uses
        self.compounds = slice(*data["compounds"].tolist())
        self.known = edges.pairs[:, edges.relation == self.treats]
        self.columns = np.unique(self.known[1])  # diseases with a known treatment: those that are asked for
        self.metapaths = Metapaths(data, edges) if settings.path_features else None
        masks = self._masks()
        self.questions = questions(self.known, masks, self.compounds, self.metapaths, device)
        self.plans = [self._plan_without(asked) for asked in masks]
        self.features = None if self.metapaths is None else self.metapaths.features(self.known).to(device)

    def _plan(self, edges: Edges) -> AttentionPlan:
        relations = message_relations(self.data, edges, self.silent)
        return attention_plan(int(self.data["type_ptr"][-1]), relations)

    def _masks(self) -> list[np.ndarray]:
        """Masks of the training treatments that the updates ask for in turn: all; or, where the graph is to lack what
        is asked for, as the graph of the test lacks the test's, the parts of a random division."""
        if self.settings.treatments_in_messages == "others" or self.metapaths is not None:
            return divide(self.known.shape[1], self.seed)
        return [np.ones(self.known.shape[1], bool)]

    def _plan_without(self, asked: np.ndarray) -> AttentionPlan:
        if self.settings.treatments_in_messages != "others":
            return self.plan
        kept = np.ones(len(self.edges.relation), bool)
        kept[np.flatnonzero(self.edges.relation == self.treats)[asked]] = False
        return self._plan(Edges(self.edges.pairs[:, kept], self.edges.relation[kept]))

    def paths(self) -> dict[str, Any]:
        """What `Embedder` needs to know of path features: the weights of a regression on them alone to start from."""
        if self.features is None:
            return {}
        return {"path_weights": fit_weights(self.questions), "pairs": tuple(self.features.shape[:2])}

    def remember(self, model: Embedder) -> dict[str, Tensor]:
        """What scores are made of, from all messages; kept in the model too."""
        return model.remember(self.plan, self.features)

    def loss(self, model: Embedder, epoch: int, number: int) -> tuple[Tensor, dict[str, float]]:
        """The loss of the epoch's minibatch `number`, and its parts to log.

        The parts of one update are weighted so that their mean is the loss of one batch of all their edges.
        """
        settings = self.settings
        step, part = divmod(number, settings.accumulation)
        turn = (epoch * settings.updates_per_epoch + step) % len(self.plans)
        batch, edges = self.batch(epoch, step, part)
        z = model({"all": lambda: self.plans[turn], "sampled": lambda: self._plan(edges)}[settings.messages]())
        weight = batch.share * settings.accumulation
        parts = {}
        if settings.link_weight:
            parts["link"] = weight * losses.link_loss(z, model.relation_scale, batch, settings.decoder)
        if settings.contrastive_weight:
            parts["contrastive"] = weight * losses.contrastive_loss(z, batch, settings.temperature)
        if settings.ranking_weight:
            parts["ranking"] = self._ranking_loss(model, z, self.questions[turn])
        total = sum(getattr(settings, f"{name}_weight") * value for name, value in parts.items())
        return total, {name: float(value.detach()) for name, value in parts.items()}

    def batch(self, epoch: int, step: int, part: int) -> tuple[losses.Batch, Edges]:
        """The `part`-th batch of an update, and the same edges for messages."""
        settings, data = self.settings, self.data
        drawn = draw(data["relation_ptr"], settings.edges_per_batch * settings.accumulation, self.seed, epoch, step)
        relation = self.edges.relation[drawn]
        rng = numpy_generator(self.seed, "negatives", epoch, step)
        start, size = self._target_types()
        wrong = start[relation, None] + (rng.random((len(drawn), settings.negatives)) * size[relation, None]).astype(
            np.int64
        )
        others = start[:, None] + (rng.random((len(start), CONTRASTED)) * size[:, None]).astype(np.int64)
        places = piece(relation, part, settings.accumulation)
        pairs = self.edges.pairs[:, drawn[places]]
        arrays = (pairs[0], relation[places], pairs[1], wrong[places], others)
        batch = losses.Batch(*(torch.from_numpy(a).to(self.device) for a in arrays), len(places) / len(drawn))
        return batch, Edges(pairs, relation[places])

    def _target_types(self) -> tuple[np.ndarray, np.ndarray]:
        """First node and number of nodes of each relation's target type, both `(relations,)`."""
        ptr, kind = self.data["type_ptr"], self.data["relation_ends"][:, 1]
        return ptr[kind], ptr[kind + 1] - ptr[kind]

    def _ranking_loss(self, model: Embedder, z: Tensor, question: Question) -> Tensor:
        scale, columns = model.relation_scale[self.treats], torch.from_numpy(self.columns).to(z.device)
        scores = score_matrix(self.settings.decoder, z[self.compounds], z[columns], scale)
        if question.features is not None:
            scores = scores + question.features @ model.path_weights
        return losses.ranking_loss(scores, question.treated, question.asked)

    def validation(self, model: Embedder, epoch: int) -> dict[str, float]:
        """Scores of the validation treatments by embeddings from all messages."""
        return validation(self.settings, self.data, self.remember(model))
