// One more thread of the engine: a worker on the same memory, which takes parts of the engine's loops and never returns.

self.onmessage = async ({ data: { name, module, memory } }) => {
  const engine = await import(`./${name}/unmask_worker.js`);
  /** Called by the engine's allocator when it gets no more; a trap follows, and the engine must not wait for this thread. */
  self.unmaskOutOfMemory = () => engine.abandon();
  await engine.default({ module_or_path: module, memory });
  engine.help();
};
