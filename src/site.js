// The page's bond with its browser: the service worker that keeps it for when there is no network, and the word to
// the reader when a new version has come. Nothing is ever reloaded unasked.

const workers = navigator.serviceWorker;
const notice = document.getElementById("notice");

/** Says something at the top of the page, with a button that does something about it. */
function tell(words, label, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", act);
  notice.replaceChildren(words, " ", button);
}

/** Offers a version that waits; the other tabs go on with theirs. */
function offer(worker) {
  tell("A new version of this page is here.", "Use it", () => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") location.reload();
    });
    worker.postMessage("activate");
  });
}

function sayKept() {
  document.getElementById("kept").hidden = false;
}

function follow(registration) {
  if (registration.waiting && registration.active) offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    const replaces = registration.active;
    worker.addEventListener("statechange", () => {
      if (worker.state === "installed" && replaces) offer(worker);
      if (worker.state === "activated" && !replaces) sayKept();
    });
  });
  if (registration.active) sayKept();
  // A tab may stay open for days.
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") registration.update().catch(() => {});
  });
}

// Inside somebody else's page, and where there is no server, there is nothing to keep.
if (workers && window.top === window && location.protocol.startsWith("http")) {
  const controlled = workers.controller;
  workers.addEventListener("controllerchange", () => {
    if (controlled) tell("Another tab has moved to a new version of this page.", "Reload", () => location.reload());
  });
  window.addEventListener("load", () => {
    workers
      .register(new URL("sw.js", document.baseURI), { type: "module", updateViaCache: "none" })
      .then(follow)
      .catch((error) => console.info(`Without a service worker this page needs the network: ${error.message}`));
  });
}
