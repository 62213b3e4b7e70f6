// The service worker: keeps the whole site for when there is no network, one version at a time, and adds the headers
// that threads need where the host sends none. Only files of this site are touched: whatever else lies below the
// same folder goes its own way.

import { usable } from "./engine/dev/artifacts.js";

/** What the build has made: a digest of all, and every file to keep as [address, SHA-256], artifacts apart. */
const SITE = { version: "dev", files: [], artifacts: {} };

const SCOPE = self.registration.scope;
// Cache Storage belongs to an origin, which several sites may share.
const CACHES = `unmask-site ${SCOPE} `;
const CACHE = CACHES + SITE.version;

/** Addresses of this version's files, without queries. */
const KNOWN = new Set(SITE.files.map(([address]) => withoutQuery(address)));

/** Folders whose names are digests of what is in them: such a file never changes. */
const SEALED = /^(engine|page)\//;
/** Data that a host may exchange without a new build; the engine checks models against their own digests. */
const DATA = /^(models|traces)\//;

/** How long the network may take to answer for data that are at hand, in milliseconds. */
const PATIENCE = 4000;

const ISOLATION = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
};

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(forgetOldVersions()));

// A new version waits until no tab shows the old one, or until a reader asks for it.
self.addEventListener("message", ({ data }) => {
  if (data === "activate") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const address = addressIn(request);
  if (request.method !== "GET" || address === undefined) return;
  if (DATA.test(address)) event.respondWith(newest(request, address));
  else if (KNOWN.has(withoutQuery(address)) || SEALED.test(address)) {
    event.respondWith(kept(request, address).then(isolated));
  }
});

/** The request's address relative to the site, query included; a page's is without. Undefined for other places. */
function addressIn({ url, mode }) {
  const whole = url.split("#")[0];
  if (!whole.startsWith(SCOPE)) return undefined;
  const address = whole.slice(SCOPE.length);
  if (mode !== "navigate") return address;
  const page = withoutQuery(address);
  return page === "index.html" ? "" : page;
}

function withoutQuery(address) {
  return address.split("?")[0];
}

/** All files or none: one that is missing, or of another version, leaves the version before in charge. */
async function install() {
  // A page of its own is isolated, by the headers that are added here, and a frame in somebody else's page is not.
  const artifacts = new Set([true, false].map((isolated) => usable(undefined, isolated)[0]));
  const artifact = [...artifacts].flatMap((name) => SITE.artifacts[name] ?? []);
  const cache = await caches.open(CACHE);
  try {
    await Promise.all([...SITE.files, ...artifact].map(([address, digest]) => keep(cache, address, digest)));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

async function keep(cache, address, digest) {
  const url = SCOPE + address;
  const isData = DATA.test(address);
  const unchanged = SEALED.test(address) ? await caches.match(url) : undefined;
  const response = unchanged ?? (await fetch(url, { cache: "no-cache", integrity: isData ? "" : digest }));
  if (isData && response.status === 404) return;
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  await cache.put(url, withoutRedirect(response));
}

/** Some hosts lead from one address to another; a browser refuses such an answer for a page. */
function withoutRedirect(response) {
  if (!response.redirected) return response;
  const { body, status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

/** A file of this version, or of the one before that a tab still shows; only what is not kept is fetched. */
async function kept(request, address) {
  const cache = await caches.open(CACHE);
  const url = SCOPE + address;
  const copy =
    (await cache.match(url)) ?? (await fromEarlier(url)) ?? (await cache.match(url, { ignoreSearch: true }));
  if (copy) return copy;
  const response = await fetch(request);
  if (response.ok && SEALED.test(address)) await cache.put(url, response.clone());
  return response;
}

async function fromEarlier(url) {
  for (const name of await versions()) {
    const copy = await (await caches.open(name)).match(url);
    if (copy) return copy;
  }
}

/** Data from the network, or else the copy. Large models are not copied: the engine keeps those itself. */
async function newest(request, address) {
  const copy = await caches.match(SCOPE + address);
  if (!copy) return fetch(request);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), PATIENCE);
  try {
    const response = await fetch(request, { cache: "no-cache", signal: late.signal });
    return response.ok ? response : copy;
  } catch {
    return copy;
  } finally {
    clearTimeout(timer);
  }
}

/** The answer with the headers that make a page cross-origin isolated, where the host has not decided. */
function isolated(response) {
  if (response.type === "error" || response.type === "opaqueredirect") return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) if (!headers.has(name)) headers.set(name, value);
  const { body, status, statusText } = response;
  return new Response(body, { status, statusText, headers });
}

/** Earlier versions of this site, newest first. */
async function versions() {
  const names = await caches.keys();
  return names.filter((name) => name.startsWith(CACHES) && name !== CACHE).reverse();
}

/** The version just before stays, for tabs that still show it. */
async function forgetOldVersions() {
  const [, ...old] = await versions();
  await Promise.all(old.map((name) => caches.delete(name)));
}
