//! Quantized and fused compute for short sequences: GEMM, GEMV, softmax, layer norm, GELU.
