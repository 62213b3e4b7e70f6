// A plain static host, as strangers run them: one folder under any prefix, with or without compression and isolation
// headers. It can be given the next build while tabs are open, counts what it is sent, and can go away.

import { createReadStream } from "node:fs";
import { cp, readFile, rename, rm, stat, writeFile, mkdtemp } from "node:fs/promises";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** The built site. */
export const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));

const TYPES = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
};

/**
 * Starts a host on 127.0.0.1. Like the usual ones it lets any page read its files and lets browsers keep them for ten
 * minutes.
 *
 * - `prefix`: where the site stands; `folder`: what is served there, which may be changed later;
 * - `compressed`: hand out the precompressed copies to those who take them;
 * - `isolated`: send the isolation headers;
 * - `overlay`: more files by path (with the prefix), as `{ body, headers }`.
 */
export async function startHost({ prefix = "/", folder = DIST, compressed = false, isolated = false, overlay = {} } = {}) {
  const host = { folder, requests: [], received: 0 };
  const server = createServer(async (request, response) => {
    host.requests.push(request.url);
    const path = decodeURIComponent(new URL(request.url, "http://x").pathname);
    const headers = {
      "Access-Control-Allow-Origin": "*",
      "Cache-Control": "max-age=600",
      ...(isolated && ISOLATION),
    };
    const extra = overlay[path];
    if (extra) {
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...headers, ...extra.headers });
      return response.end(extra.body);
    }
    const inside = path.startsWith(prefix) && !normalize(path).includes("..") ? path.slice(prefix.length) : undefined;
    let file = join(host.folder, inside?.endsWith("/") || inside === "" ? `${inside}index.html` : (inside ?? "\0"));
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    for (const [encoding, ending] of compressed ? [["br", ".br"], ["gzip", ".gz"]] : []) {
      const copy = await stat(file + ending).catch(() => undefined);
      if (!copy || !request.headers["accept-encoding"]?.includes(encoding)) continue;
      Object.assign(headers, { "Content-Encoding": encoding, Vary: "Accept-Encoding" });
      file += ending;
      break;
    }
    const found = await stat(file).catch(() => undefined);
    if (!found?.isFile()) {
      response.writeHead(404, headers);
      return response.end();
    }
    const etag = `"${found.size}-${found.mtimeMs}"`;
    Object.assign(headers, { ETag: etag, "Content-Type": type });
    if (request.headers["if-none-match"] === etag) {
      response.writeHead(304, headers);
      return response.end();
    }
    response.writeHead(200, { ...headers, "Content-Length": found.size });
    createReadStream(file).pipe(response);
  });
  server.on("connection", (socket) => {
    let counted = 0;
    // A socket's own count is read whenever somebody asks; closed sockets leave theirs behind.
    host.sockets ??= new Set();
    host.sockets.add(socket);
    socket.on("close", () => {
      host.received += socket.bytesRead - counted;
      counted = socket.bytesRead;
      host.sockets.delete(socket);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  host.origin = `http://127.0.0.1:${server.address().port}`;
  host.url = host.origin + prefix;
  /** All bytes that browsers have sent so far. */
  host.bytesReceived = () => [...(host.sockets ?? [])].reduce((sum, socket) => sum + socket.bytesRead, host.received);
  /** The host is gone: whoever asks it is refused. */
  host.stop = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return host;
}

/**
 * The site as the next build would leave it: another heading, and other names for the folders of page and engine.
 * Returns the folder; the caller removes it.
 */
export async function nextBuild(heading) {
  const folder = await mkdtemp(join(tmpdir(), "unmask-next-"));
  await cp(DIST, folder, { recursive: true });
  const read = (name) => readFile(join(folder, name), "utf8");
  let [html, client, worker] = await Promise.all(["index.html", "unmask.js", "sw.js"].map(read));
  const original = html;
  const list = /const SITE = (\{.*\});/;
  const site = JSON.parse(list.exec(worker)[1]);
  const old = (kind) => site.files.map(([address]) => address.match(`^${kind}/(\\w+)/`)?.[1]).find(Boolean);
  const renamed = ["page", "engine"].map((kind) => [`${kind}/${old(kind)}/`, `${kind}/${"0123456789abcdef"}/`]);
  for (const [from, to] of renamed) {
    await rename(join(folder, from), join(folder, to));
    [html, client, worker] = [html, client, worker].map((text) => text.replaceAll(from, to));
  }
  html = html.replace(/(<h1>).*?(<\/h1>)/, `$1${heading}$2`);
  const digest = (text, as) => createHash("sha256").update(text).digest(as);
  const clientVersion = digest(client, "hex").slice(0, 16);
  html = html.replace(/unmask\.js\?v=\w+/, `unmask.js?v=${clientVersion}`);
  // The inline script names the page's folder, so that its digest in the policy is another one too.
  const digestOf = (html) => `'sha256-${digest(/<script type="module">([^]*?)<\/script>/.exec(html)[1], "base64")}'`;
  html = html.replace(digestOf(original), digestOf(html));
  const next = JSON.parse(list.exec(worker)[1]);
  for (const file of next.files) {
    if (file[0] === "") file[1] = `sha256-${digest(html, "base64")}`;
    if (file[0].startsWith("unmask.js")) file.splice(0, 2, `unmask.js?v=${clientVersion}`, `sha256-${digest(client, "base64")}`);
  }
  next.version = "fedcba9876543210";
  worker = worker.replace(list, () => `const SITE = ${JSON.stringify(next)};`);
  await Promise.all([
    writeFile(join(folder, "index.html"), html),
    writeFile(join(folder, "unmask.js"), client),
    writeFile(join(folder, "sw.js"), worker),
  ]);
  return { folder, remove: () => rm(folder, { recursive: true }) };
}
