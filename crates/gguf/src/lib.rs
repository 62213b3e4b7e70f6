//! The GGUF container: a streaming decoder that distrusts its input, and a writer.
