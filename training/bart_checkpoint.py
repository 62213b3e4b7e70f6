"""The exported folder of a BART: its weights and its configuration, as README.md describes it. (The tokenizer is the
caller's to write.)"""

from pathlib import Path

from safetensors.torch import save_file

from common import write_json

# Copies of the shared embeddings, which aren't stored again.
TIED = {"model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight", "lm_head.weight"}
KEPT = ["activation_function", "d_model", "encoder_layers", "decoder_layers", "encoder_attention_heads",
        "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim", "max_position_embeddings", "vocab_size",
        "scale_embedding", "bos_token_id", "pad_token_id", "eos_token_id", "decoder_start_token_id",
        "is_encoder_decoder", "init_std"]  # fmt: skip


def write_bart(out: Path, weights: dict, config: dict, max_new_tokens: int, **card) -> None:
    """`weights` by checkpoint name, `config` a BartConfig's; `card`: the `unmask_` entries, without that prefix."""
    save_file({k: v.float().contiguous() for k, v in weights.items() if k not in TIED},
              out / "model.safetensors", metadata={"format": "pt"})  # fmt: skip
    eos = config["eos_token_id"]
    write_json(out / "config.json", {
        "architectures": ["BartForConditionalGeneration"], "model_type": "bart", **{k: config[k] for k in KEPT},
        "forced_eos_token_id": eos, "dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0,
        "tie_word_embeddings": True, "torch_dtype": "float32", **{f"unmask_{k}": v for k, v in card.items()},
    })  # fmt: skip
    write_json(out / "generation_config.json", {
        "bos_token_id": config["bos_token_id"], "pad_token_id": config["pad_token_id"], "eos_token_id": eos,
        "decoder_start_token_id": config["decoder_start_token_id"], "forced_eos_token_id": eos,
        "max_new_tokens": max_new_tokens, "num_beams": 1, "do_sample": False})  # fmt: skip
    print(out)
