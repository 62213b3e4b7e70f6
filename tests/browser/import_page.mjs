// An empty page with unmask.js in it and a hub of its own beside it, for the tests of imports; and what unmask-pack
// makes of the same checkpoints.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { openClient } from "./client_page.mjs";
import { TIMEOUT_MS, browse, openBare, serve } from "./harness.mjs";
import { startHub } from "./hub.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The packer's tiny checkpoints. */
export const fixture = (name) => join(ROOT, "crates/pack/tests/fixtures", name);

/**
 * A test on an empty page with `Unmask` and the other globals of `openClient`, and these: `sha256(file)`, of an exported
 * file; `told`, the progress of the imports that were given `tell`. The body gets `page`, `context`, `url`, `hub` (see
 * startHub) and `reopen(path?)`, which opens a tab like the first.
 *
 * Besides those of `browse`, an option `profile: true` gives the browser a profile on the disk, for what is large.
 */
export function importTest(name, options, body = options) {
  const { profile: onDisk, expected = [], ...contextOptions } = typeof options === "function" ? {} : options;
  test(name, { timeout: TIMEOUT_MS }, async () => {
    const hub = await startHub();
    const profile = onDisk ? await mkdtemp(join(tmpdir(), "unmask-profile-")) : undefined;
    try {
      const { url } = await serve();
      const settings = { expected: [/404/, ...expected], profile, ...contextOptions };
      await browse([url, hub.hub, hub.storage], settings, async (context) => {
        const reopen = async () => {
          const page = await context.newPage();
          await openBare(page, url, true);
          await openClient(page, url, hub.hub);
          await page.evaluate(() => {
            const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
            const sha256 = async (file) => hex(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
            const told = [];
            Object.assign(window, { sha256, told, tell: (progress) => told.push(progress) });
          });
          return page;
        };
        await body({ page: await reopen(), context, url, hub, reopen });
      });
    } finally {
      await hub.stop();
      if (profile) await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  });
}

/** Files by name as `File`s in the page, under `folder` where it is given. */
export async function filesInPage(page, files, folder) {
  const list = Object.entries(files).map(([name, bytes]) => [name, bytes.toString("base64")]);
  return page.evaluateHandle(
    ([list, folder]) =>
      list.map(([name, base64]) => {
        const file = fileOf(base64, name);
        if (folder) Object.defineProperty(file, "webkitRelativePath", { value: `${folder}/${name}` });
        return file;
      }),
    [list, folder],
  );
}

const run = promisify(execFile);

/** The SHA-256 of what unmask-pack makes of a checkpoint: its files by name, in a folder called `name`. */
export async function packed(files, name, quantization, options = []) {
  const folder = await mkdtemp(join(tmpdir(), "unmask-pack-"));
  try {
    const checkpoint = join(folder, name);
    await mkdir(checkpoint);
    await Promise.all(Object.entries(files).map(([name, bytes]) => writeFile(join(checkpoint, basename(name)), bytes)));
    return await packedFolder(checkpoint, join(folder, "model.gguf"), quantization, options);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The SHA-256 of what unmask-pack makes of a folder, and the file itself at `output`. */
export async function packedFolder(checkpoint, output, quantization, options = []) {
  const command = process.env.UNMASK_PACK;
  const args = [checkpoint, "--output", output, "--quantization", quantization, ...options];
  await mkdir(dirname(output), { recursive: true });
  if (command) await run(command, args);
  else await run("cargo", ["run", "--quiet", "--package=unmask-pack", "--", ...args], { cwd: ROOT });
  return createHash("sha256").update(await readFile(output)).digest("hex");
}
