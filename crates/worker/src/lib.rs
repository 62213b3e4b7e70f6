//! The engine inside a web worker: protocol in, transformer, protocol out.
