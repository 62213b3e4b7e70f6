//! BERT and BART from one quantized GGUF file: masks, attention, generation, tokenization, capture.
