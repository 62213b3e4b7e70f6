"""The BERT of `bert`: transformers' encoder with heads of our own, named as the checkpoints name them."""

import torch
import torch.nn.functional as F
from torch import nn
from transformers import BertConfig, BertModel

from data import minilm_folder


class TiedCrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of `hidden @ table.T + bias`, a chunk of rows at a time with the gradient made on the way:
    the logits (rows x 30,522 floats) are never all there. Returns the loss and the share of right first guesses."""

    @staticmethod
    def forward(ctx, hidden, table, bias, target):
        n, h, t = len(target), hidden.bfloat16(), table.bfloat16()
        loss, right = torch.zeros((), device=h.device), torch.zeros((), device=h.device)
        slope = torch.empty(n, len(t), dtype=torch.bfloat16, device=h.device)
        d_bias = torch.zeros_like(bias)
        chunk = 128 if h.device.type == "cpu" else 4096
        for i in range(0, n, chunk):
            y = target[i : i + chunk, None]
            logits = (h[i : i + chunk] @ t.T).float().add_(bias)
            right += (logits.argmax(1) == y[:, 0]).sum()
            logits = F.log_softmax(logits, dim=1)
            loss -= logits.gather(1, y).sum()
            p = logits.exp_().scatter_add_(1, y, torch.full_like(y, -1, dtype=torch.float)).div_(n)
            d_bias += p.sum(0)
            slope[i : i + chunk] = p
        ctx.save_for_backward(slope @ t, (slope.T @ h).float(), d_bias)
        ctx.mark_non_differentiable(right)
        return loss / n, right / n

    @staticmethod
    def backward(ctx, grad, _):
        d_hidden, d_table, d_bias = ctx.saved_tensors
        return d_hidden * grad, d_table * grad, d_bias * grad, None


class MaskedLM(nn.Module):
    """cls.predictions: the decoder's matrix is the word embeddings', and is not stored again."""

    def __init__(self, config):
        super().__init__()
        self.transform = nn.Module()
        self.transform.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.transform.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, hidden):
        return self.transform.LayerNorm(F.gelu(self.transform.dense(hidden)))


class Head(nn.Linear):
    """The last linear layer of a task; `dense` before it makes a pooled vector of the task's own."""

    def __init__(self, hidden: int, labels: int, dense: bool):
        super().__init__(hidden, labels)
        if dense:
            self.dense = nn.Linear(hidden, hidden)

    def forward(self, x):
        if hasattr(self, "dense"):
            x = torch.tanh(self.dense(x))
        return super().forward(x)


class Encoder(nn.Module):
    def __init__(self, heads: dict):
        """`heads`: name -> (number of labels, whether it reads the first token alone)."""
        super().__init__()
        folder = minilm_folder()
        config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        self.bert = BertModel.from_pretrained(folder, config=config, attn_implementation="eager", dtype=torch.float32)
        self.cls = nn.Module()
        self.cls.predictions = MaskedLM(config)
        self.cls.seq_relationship = nn.Linear(config.hidden_size, 2)
        self.heads = nn.ModuleDict({name: Head(config.hidden_size, n, dense) for name, (n, dense) in heads.items()})
        for module in [*self.cls.modules(), *self.heads.modules()]:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for head in self.heads.values():
            if hasattr(head, "dense"):
                head.dense.load_state_dict(self.bert.pooler.dense.state_dict())

    def hidden(self, batch):
        return self.bert(
            batch["input_ids"], attention_mask=batch["attention_mask"], token_type_ids=batch["token_type_ids"]
        ).last_hidden_state

    def pretraining_loss(self, batch):
        """Masked words (at the masked places alone) and next sentence."""
        hidden = self.hidden(batch)
        masked = self.cls.predictions(hidden.flatten(0, 1)[batch["masked"]])
        mlm, right = TiedCrossEntropy.apply(
            masked, self.bert.embeddings.word_embeddings.weight, self.cls.predictions.bias, batch["masked_ids"]
        )
        scores = self.cls.seq_relationship(self.bert.pooler(hidden)).float()
        nsp = F.cross_entropy(scores, batch["next"], ignore_index=-100)
        known = batch["next"] >= 0
        nsp_right = (scores.argmax(1) == batch["next"])[known].float().mean()
        return mlm + nsp, {"mlm": mlm, "mlm_top1": right, "nsp": nsp, "nsp_right": nsp_right}
