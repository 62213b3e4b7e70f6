//! Getting a model in the browser: catalogue, fetch with progress, verification, cache.
