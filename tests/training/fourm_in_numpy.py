"""4M's forward pass restated in NumPy from its description (tests/golden/fourm/README.md), for one batch
as 4M's loaders give it and tensors under 4M's names. Slow and plain: what the model is checked against."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

Array = np.ndarray
Samples = dict[str, dict[str, Array]]


def layer_norm(x: Array, tensors: dict[str, Array], name: str) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    normal = (x - mean) / np.sqrt(variance + 1e-6)
    return normal * tensors[f"{name}.weight"] + tensors.get(f"{name}.bias", 0.0)


def linear(x: Array, tensors: dict[str, Array], name: str) -> Array:
    return x @ tensors[f"{name}.weight"].T + tensors.get(f"{name}.bias", 0.0)


def softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def attend(
    x: Float[Array, "b n d"],
    context: Float[Array, "b m d"],
    hidden: Bool[Array, "b #n m"],
    tensors: dict[str, Array],
    name: str,
    heads: int,
) -> Float[Array, "b n d"]:
    """`hidden`: True where a query does not attend to a key."""
    if f"{name}.qkv.weight" in tensors:
        q, k, v = np.split(linear(x, tensors, f"{name}.qkv"), 3, axis=-1)
    else:
        q = linear(x, tensors, f"{name}.q")
        k, v = np.split(linear(context, tensors, f"{name}.kv"), 2, axis=-1)
    q, k, v = (y.reshape(*y.shape[:2], heads, -1).swapaxes(1, 2) for y in (q, k, v))
    if f"{name}.q_norm.weight" in tensors:
        q, k = layer_norm(q, tensors, f"{name}.q_norm"), layer_norm(k, tensors, f"{name}.k_norm")
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    scores = np.where(hidden[:, None], -np.finfo(np.float32).max, scores)
    return linear((softmax(scores) @ v).swapaxes(1, 2).reshape(x.shape), tensors, f"{name}.proj")


def mlp(x: Array, tensors: dict[str, Array], name: str) -> Array:
    y = linear(x, tensors, f"{name}.fc1")
    if f"{name}.fc3.weight" in tensors:
        return linear(y / (1 + np.exp(-y)) * linear(x, tensors, f"{name}.fc3"), tensors, f"{name}.fc2")
    from scipy.special import erf

    return linear(y * (1 + erf(y / np.sqrt(2))) / 2, tensors, f"{name}.fc2")


def places(tensors: dict[str, Array], name: str, hidden: Bool[Array, "b n"], kind: str) -> Array:
    """Position + modality of every token."""
    table, vector = tensors[f"{name}.pos_emb"][0], tensors[f"{name}.mod_emb"][0, 0]
    if kind == "img":
        return np.broadcast_to(table + vector, (len(hidden), *table.shape))
    running = np.maximum(np.cumsum(~hidden, axis=1) - 1, 0)
    return np.where(hidden[..., None], 0.0, table[running]) + vector


def kept(parts: list[dict[str, Array]], budget: int) -> dict[str, Array]:
    """Modalities one after another, unmasked tokens first, up to a budget."""
    line = {key: np.concatenate([part[key] for part in parts], axis=1) for key in parts[0]}
    order = np.argsort(line["hidden"], axis=1, kind="stable")[:, :budget]
    return {k: np.stack([row[i] for row, i in zip(v, order, strict=True)]) for k, v in line.items()}


def target_attention(
    reach: Int[Array, "b t"], modality: Int[Array, "b t"], separate: bool, causal: bool
) -> Bool[Array, "b t t"]:
    """True where a target does NOT attend to another."""
    hidden = np.empty((*reach.shape, reach.shape[1]), dtype=bool)
    for b, i, j in np.ndindex(hidden.shape):
        seen = j <= i if causal else j < reach[b, : i + 1].sum()
        hidden[b, i, j] = not seen or (separate and modality[b, i] != modality[b, j])
    return hidden


def inputs_of(tensors: dict[str, Array], config: dict[str, Any], samples: Samples) -> dict[str, Array]:
    parts = []
    for number, (modality, facts) in enumerate(config["modalities"].items()):
        name, values = f"encoder_embeddings.{modality}", samples[modality]["tensor"]
        hidden = samples[modality]["input_mask"].astype(bool)
        if facts["enc"] == "image":
            b, c, h, w = values.shape
            p = facts["patch"]
            patches = values.reshape(b, c, h // p, p, w // p, p).transpose(0, 2, 4, 3, 5, 1)
            x = patches.reshape(b, -1, p * p * c) @ tensors[f"{name}.proj.weight"].T
        elif facts["enc"] == "seq_emb":
            x = linear(values, tensors, f"{name}.emb_proj")
        else:
            x = tensors[f"{name}.token_emb.weight"][values]
        emb = places(tensors, name, hidden, facts["type"])
        parts.append({"x": x, "emb": emb, "hidden": hidden, "modality": np.full(hidden.shape, number)})
    return kept(parts, config["num_encoder_tokens"])


def targets_of(
    tensors: dict[str, Array], config: dict[str, Any], samples: Samples, budget: int
) -> dict[str, Array]:
    parts = []
    for number, modality in enumerate(config["decoder_modality_order"]):
        name, ids = f"decoder_embeddings.{modality}", samples[modality]["tensor"]
        hidden = samples[modality]["target_mask"].astype(bool)
        reach = samples[modality]["decoder_attention_mask"]
        emb = places(tensors, name, hidden, config["modalities"][modality]["type"])
        if config["modalities"][modality]["type"] == "img":
            x = np.broadcast_to(tensors["mask_token"][0, 0], emb.shape)
        else:
            x = tensors[f"{name}.token_emb.weight"][ids[:, :-1]]
            ids, emb, reach = ids[:, 1:], emb[:, :-1], reach[:, :-1]
            hidden = hidden[:, 1:] | hidden[:, :-1]
        modalities = np.full(hidden.shape, number)
        parts.append(
            {"x": x, "emb": emb, "hidden": hidden, "ids": ids, "reach": reach, "modality": modalities}
        )
    return kept(parts, budget)


def forward(
    tensors: dict[str, Array],
    config: dict[str, Any],
    samples: Samples,
    budget: int,
    separate: bool = True,
    causal: bool = False,
) -> dict[str, Array]:
    """decoder_out, decoder_attention_mask, the logits of each modality's targets, mod_loss of each and
    loss_mod, for a budget of so many targets. `config`: modalities, orders and budgets as in the recorded
    cases."""
    model, heads = config["model"], config["model"]["num_heads"]
    seen = inputs_of(tensors, config, samples)
    hidden = seen["hidden"]
    x, emb = (np.where(hidden[..., None], 0.0, seen[key]) for key in ("x", "emb"))
    if registers := model.get("num_register_tokens", 0):
        x = np.concatenate(
            [np.broadcast_to(tensors["register_tokens"], (len(x), registers, x.shape[-1])), x], 1
        )
        emb = np.pad(emb, ((0, 0), (registers, 0), (0, 0)))
        hidden = np.pad(hidden, ((0, 0), (registers, 0)))
    x = x + emb
    for i in range(model["encoder_depth"]):
        y = layer_norm(x, tensors, f"encoder.{i}.norm1")
        x = x + attend(y, y, hidden[:, None], tensors, f"encoder.{i}.attn", heads)
        x = x + mlp(layer_norm(x, tensors, f"encoder.{i}.norm2"), tensors, f"encoder.{i}.mlp")
    context = linear(layer_norm(x, tensors, "encoder_norm"), tensors, "decoder_proj_context") + emb
    wanted = targets_of(tensors, config, samples, budget)
    y = np.where(wanted["hidden"][..., None], 0.0, wanted["x"]) + np.where(
        wanted["hidden"][..., None], 0.0, wanted["emb"]
    )
    among = target_attention(wanted["reach"], wanted["modality"], separate, causal)
    for i in range(model["decoder_depth"]):
        z = layer_norm(y, tensors, f"decoder.{i}.norm1")
        y = y + attend(z, z, among, tensors, f"decoder.{i}.self_attn", heads)
        z, keys = (
            layer_norm(a, tensors, f"decoder.{i}.{n}_norm") for a, n in ((y, "query"), (context, "context"))
        )
        y = y + attend(z, keys, hidden[:, None], tensors, f"decoder.{i}.cross_attn", heads)
        y = y + mlp(layer_norm(y, tensors, f"decoder.{i}.norm2"), tensors, f"decoder.{i}.mlp")
    y = layer_norm(y, tensors, "decoder_norm")
    out, losses = {"decoder_out": y, "decoder_attention_mask": among}, []
    for number, modality in enumerate(config["decoder_modality_order"]):
        own = (wanted["modality"] == number) & ~wanted["hidden"]
        logits = y[own] @ tensors[f"decoder_embeddings.{modality}.to_logits.weight"].T
        chance = softmax(logits)[np.arange(own.sum()), wanted["ids"][own]]
        losses.append(-np.log(chance).mean() if own.any() else 0.0)
        out |= {f"logits_sel/{modality}": logits, f"mod_loss/{modality}": np.array([losses[-1]])}
    return out | {"loss_mod": np.array([np.mean(losses)])}
