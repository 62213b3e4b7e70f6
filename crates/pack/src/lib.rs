//! Hugging Face checkpoint in, one quantized GGUF out, with a fidelity report.
