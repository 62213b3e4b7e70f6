// The page's workers through the browser's developer protocol: how much memory their wasm has, and where their time goes.

export class Workers {
  #cdp;
  #sessions = [];
  #pending = new Map();
  #lastId = 0;

  static async of(page) {
    const workers = new Workers();
    workers.#cdp = await page.context().newCDPSession(page);
    workers.#cdp.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => {
      if (targetInfo.type === "worker") workers.#sessions.push(sessionId);
    });
    workers.#cdp.on("Target.receivedMessageFromTarget", ({ message }) => {
      const { id, result, error } = JSON.parse(message);
      const asked = workers.#pending.get(id);
      workers.#pending.delete(id);
      if (error) asked?.reject(new Error(error.message));
      else asked?.resolve(result);
    });
    // Playwright's sessions don't reach into workers; unflattened messages do.
    await workers.#cdp.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
    return workers;
  }

  count() {
    return this.#sessions.length;
  }

  /** The first worker that was started after there were `count`. */
  since(count) {
    return this.#sessions[count];
  }

  #send(sessionId, method, params = {}) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#pending.set(id, { resolve, reject });
      const message = JSON.stringify({ id, method, params });
      this.#cdp.send("Target.sendMessageToTarget", { sessionId, message }).catch(reject);
    });
  }

  /**
   * Bytes of all WebAssembly memories in a worker; they never shrink, so it is the most there ever was. Not for shared
   * memories: the browser does not answer a query for them.
   */
  async memory(session) {
    const ask = (method, params) => this.#send(session, method, params);
    const { result: prototype } = await ask("Runtime.evaluate", { expression: "WebAssembly.Memory.prototype" });
    const { objects } = await ask("Runtime.queryObjects", { prototypeObjectId: prototype.objectId });
    const { result } = await ask("Runtime.callFunctionOn", {
      objectId: objects.objectId,
      functionDeclaration: "function () { return this.reduce((sum, memory) => sum + memory.buffer.byteLength, 0); }",
      returnByValue: true,
    });
    return result.value;
  }

  /** Samples a worker while `work` goes on; resolves with the milliseconds in each function itself, most first. */
  async profile(session, work) {
    const ask = (method, params) => this.#send(session, method, params);
    await ask("Profiler.enable");
    await ask("Profiler.setSamplingInterval", { interval: 500 });
    await ask("Profiler.start");
    const done = await work();
    const { profile } = await ask("Profiler.stop");
    const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame.functionName || "(anonymous)"]));
    const spent = {};
    profile.samples.forEach((id, i) => {
      const name = names.get(id);
      spent[name] = (spent[name] ?? 0) + profile.timeDeltas[i] / 1000;
    });
    const functions = Object.entries(spent).sort(([, a], [, b]) => b - a);
    return { ...done, functions };
  }
}
