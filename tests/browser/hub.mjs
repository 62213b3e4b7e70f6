// A server that answers as the Hugging Face Hub does: it describes repositories, sends small files itself, leads to
// another host for large ones, lets browsers read parts, and can be made to fail in every way that networks know.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** What the hub lets other sites read of its answers. */
const EXPOSED = "ETag, Accept-Ranges, Content-Range, X-Repo-Commit, X-Linked-Size, X-Linked-ETag";

/** Files that the hub keeps apart, by their names. */
const LARGE = /\.(safetensors|bin|gguf)$/;

/**
 * Starts a hub and, on another port, the host of its large files, both on 127.0.0.1.
 *
 * - `add(name, files, { gated, revisions, namesOnly })` adds a repository; with `namesOnly` the hub tells no lengths. `files` maps names to buffers, or to
 *   `{ bytes, sha256?, read(begin, end) }` for what would be too large to hold; a folder's address reads it from the disk.
 * - Everything is also at `${storage}/folder/NAME/FILE`, as on any static host.
 * - `fault`, a function of `{ path, file, from, to, number }`, may answer for each request: `{ cut: PLACE }` ends the
 *   connection there, `{ ignoreRanges: true }` sends the whole file, `{ flip: PLACE }` bends a bit, `{ end: PLACE }` sends
 *   a shorter file and says so, `{ etag }` another version's tag, `{ status, headers }` refuses, `{ hold: PLACE, until }`
 *   sends nothing behind a place until a promise resolves, `{ unsized: true }` does not say how much comes, `{ plain: true }` leaves out what is exposed to other sites.
 * - `requests` lists what was asked for: `{ method, path, from, to }`.
 */
export async function startHub() {
  const repositories = new Map();
  const state = { requests: [], fault: undefined };
  const servers = [];
  const listen = async (handler) => {
    const server = createServer((request, response) => handler(request, response));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    return `http://127.0.0.1:${server.address().port}`;
  };

  const refuse = (response, status, headers = {}) => {
    response.writeHead(status, { "Access-Control-Allow-Origin": "*", ...headers });
    response.end();
  };
  /** What both hosts do first: nobody gets leave to ask for more than a simple request does. */
  const begins = (request, response) => {
    const { pathname: path } = new URL(request.url, "http://x");
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const range = { from: Number(from ?? 0), to: to ? Number(to) + 1 : undefined, ranged: from !== undefined };
    state.requests.push({ method: request.method, path: decodeURIComponent(path), ...range });
    const credentials = request.headers.cookie ?? request.headers.authorization;
    if (request.method === "OPTIONS" || credentials) return void refuse(response, 403);
    return { path: decodeURIComponent(path), ...range };
  };

  const storage = await listen((request, response) => {
    const asked = begins(request, response);
    if (!asked) return;
    const [, kind, ...rest] = asked.path.split("/");
    const repository = repositories.get(kind === "blob" || kind === "folder" ? rest.slice(0, -1).join("/") : "");
    const file = repository?.files.get(rest.at(-1));
    if (!file) return refuse(response, 404);
    send(state, request, response, asked, rest.at(-1), file);
  });

  const hub = await listen((request, response) => {
    const asked = begins(request, response);
    if (!asked) return;
    const api = /^\/api\/models\/(.+)\/revision\/(.+)$/.exec(asked.path);
    const resolve = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(asked.path);
    const [, name, revision, filename] = api ?? resolve ?? [];
    const repository = repositories.get(name);
    // The hub says the same of what does not exist and of what is private.
    if (!repository) return refuse(response, 401);
    if (![repository.sha, "main", ...repository.revisions].includes(revision)) return refuse(response, 404);
    if (api) {
      const fault = state.fault?.({ ...asked, file: "api", number: count(state, asked.path) });
      if (fault?.status) return refuse(response, fault.status, fault.headers);
      const siblings = [...repository.files].map(([rfilename, file]) => ({
        rfilename,
        ...(!repository.namesOnly && { size: file.bytes, blobId: "0" }),
        ...(!repository.namesOnly && LARGE.test(rfilename) && { lfs: { sha256: file.sha256, size: file.bytes, pointerSize: 134 } }),
      }));
      response.writeHead(200, { "Access-Control-Allow-Origin": "*", "Content-Type": "application/json; charset=utf-8" });
      return response.end(JSON.stringify({ id: name, sha: repository.sha, gated: repository.gated, private: false, siblings }));
    }
    if (repository.gated) return refuse(response, 401, { "X-Error-Code": "GatedRepo" });
    const file = repository.files.get(filename);
    if (!file) return refuse(response, 404, { "X-Error-Code": "EntryNotFound" });
    if (!LARGE.test(filename)) return send(state, request, response, asked, filename, file);
    response.writeHead(302, {
      "Access-Control-Allow-Origin": "*",
      "Access-Control-Expose-Headers": EXPOSED,
      Location: `${storage}/blob/${name}/${filename}?signed=yes`,
      "X-Linked-Size": file.bytes,
      "X-Linked-ETag": `"${file.sha256}"`,
    });
    response.end();
  });

  return Object.assign(state, {
    hub,
    storage,
    add(name, files, { gated = false, revisions = [], namesOnly = false } = {}) {
      const entries = Object.entries(files).map(([file, content]) => [file, asFile(content)]);
      const sha = createHash("sha1").update(name).digest("hex");
      repositories.set(name, { files: new Map(entries), gated, revisions, namesOnly, sha });
      return sha;
    },
    async stop() {
      await Promise.all(
        servers.map((server) => {
          const closed = new Promise((resolve) => server.close(resolve));
          server.closeAllConnections();
          return closed;
        }),
      );
    },
  });
}

/** The files of a folder on the disk. */
export async function filesIn(folder) {
  const names = (await readdir(folder)).filter((name) => name !== "golden.json");
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))])));
}

function asFile(content) {
  if (!Buffer.isBuffer(content)) return content;
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { bytes: content.length, sha256, read: (begin, end) => content.subarray(begin, end) };
}

/** How often this was asked for, this time included. */
function count(state, path) {
  return state.requests.filter((request) => request.path === path).length;
}

/** Sends a file or a part of it, as well as the fault allows. */
async function send(state, request, response, asked, filename, file) {
  const fault = state.fault?.({ ...asked, file: filename, number: count(state, asked.path) }) ?? {};
  if (fault.status) {
    response.writeHead(fault.status, { "Access-Control-Allow-Origin": "*", ...fault.headers });
    return response.end();
  }
  const length = fault.end ?? file.bytes;
  const ranged = asked.ranged && !fault.ignoreRanges;
  const headers = {
    "Access-Control-Allow-Origin": "*",
    "Content-Type": filename.endsWith(".json") ? "application/json" : "application/octet-stream",
    ...(!fault.plain && { "Access-Control-Expose-Headers": EXPOSED, ETag: fault.etag ?? `"${file.sha256}"` }),
    ...(!fault.ignoreRanges && { "Accept-Ranges": "bytes" }),
  };
  const begin = ranged ? asked.from : 0;
  const end = ranged ? Math.min(asked.to ?? length, length) : length;
  if (ranged && begin >= length) {
    response.writeHead(416, { ...headers, "Content-Range": `bytes */${length}` });
    return response.end();
  }
  const range = ranged && { "Content-Range": `bytes ${begin}-${end - 1}/${length}` };
  response.writeHead(ranged ? 206 : 200, { ...headers, ...range, ...(!fault.unsized && { "Content-Length": end - begin }) });
  if (request.method === "HEAD") return response.end();
  const stop = fault.cut === undefined ? end : Math.min(end, Math.max(begin, fault.cut));
  for (let at = begin; at < stop && !response.destroyed; ) {
    const held = fault.hold !== undefined && at < fault.hold ? fault.hold : stop;
    const next = Math.min(at + (1 << 18), stop, held);
    let bytes = file.read(at, next);
    if (fault.flip >= at && fault.flip < next) {
      bytes = Buffer.from(bytes);
      bytes[fault.flip - at] ^= 1;
    }
    if (!response.write(bytes)) await drained(response);
    at = next;
    if (at === fault.hold) await fault.until;
  }
  if (stop < end) {
    // What was written has to leave before the connection breaks.
    await new Promise((resolve) => response.write("", resolve));
    response.destroy();
  } else {
    response.end();
  }
}

/** Comes back when there is room for more, or nobody to read it. */
function drained(response) {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
