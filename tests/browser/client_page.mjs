// An empty page with unmask.js in it, for the tests of the client.

import { pageTest } from "./harness.mjs";

/**
 * A test on an empty page that has, as globals, `Unmask` and `UnmaskError`; `failure(promise)`, what the
 * promise's UnmaskError says; and `fileOf(base64, name)`. Options are those of `pageTest`.
 */
export function clientTest(name, options, body = options) {
  const settings = typeof options === "function" ? {} : options;
  pageTest(name, { bare: true, ...settings }, async (test) => {
    await openClient(test.page, test.url);
    await body(test);
  });
}

/** Imports the client of the site at `url` into a page; `hub` is the address of what `hub:` shall mean. */
export async function openClient(page, url, hub) {
  await page.evaluate(async (client) => {
    const { Unmask, UnmaskError } = await import(client);
    const failure = (promise) =>
      promise.then(
        () => "no failure",
        (error) => {
          if (!(error instanceof UnmaskError) || error.name !== "UnmaskError") return `not an UnmaskError: ${error}`;
          return { code: error.code, message: error.message, nextStep: error.nextStep };
        },
      );
    const fileOf = (base64, name) => new File([Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0))], name);
    Object.assign(window, { Unmask, UnmaskError, failure, fileOf });
  }, `${url}unmask.js${hub ? `?hub=${hub}` : ""}`);
}
