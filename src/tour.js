// What the tour needs of the browser: how far the reader has come, where the reader was, and what to bring into view.

/** Under which progress is kept. Other copies of this site may share the origin. */
const key = () => `unmask tour ${new URL(".", document.baseURI).pathname}`;

/** How far the reader came at an earlier visit; "" where nothing is kept. A browser may keep nothing, or refuse. */
export function keptProgress() {
  try {
    return localStorage.getItem(key()) ?? "";
  } catch {
    return "";
  }
}

export function keepProgress(progress) {
  try {
    localStorage.setItem(key(), progress);
  } catch {}
}

/** Where the reader is: how far down, and what has the focus. */
export function standpoint() {
  return { x: scrollX, y: scrollY, focus: document.activeElement, height: document.documentElement.scrollHeight };
}

/** Puts the reader back. */
export function goBack({ x, y, focus, height }) {
  focus?.focus({ preventScroll: true });
  hold(() => {
    scrollTo({ left: x, top: y, behavior: "instant" });
    return document.documentElement.scrollHeight === height;
  });
}

/** Brings the part that a step is about into view, as soon as it is there, and marks it. */
export function present(selector) {
  dismiss();
  hold(() => {
    const part = document.querySelector(selector);
    if (!part || part.checkVisibility?.() === false) return;
    part.dataset.toured = "";
    part.scrollIntoView({ block: "start", behavior: "instant" });
  });
}

/** Nothing is marked or held in place any more. */
export function dismiss() {
  release?.();
  for (const part of document.querySelectorAll("[data-toured]")) delete part.dataset.toured;
}

let release;

/** Scrolls now and whenever the page's height changes, until `scroll` says that it is done or the reader moves. */
function hold(scroll) {
  release?.();
  const signs = ["wheel", "touchstart", "pointerdown", "keydown"];
  const sizes = new ResizeObserver(() => scroll() && release());
  release = () => {
    sizes.disconnect();
    for (const sign of signs) removeEventListener(sign, release, true);
    release = undefined;
  };
  for (const sign of signs) addEventListener(sign, release, { capture: true, passive: true });
  sizes.observe(document.body);
}

/** Gives the focus to a step's name, at the top of its sheet, without moving the page. */
export function focus(element) {
  element.parentElement.scrollTop = 0;
  element.focus({ preventScroll: true });
}

/** Gives the focus to the part that a step is about. */
export function visit() {
  const part = document.querySelector("[data-toured]");
  if (!part) return;
  part.tabIndex = -1;
  part.focus();
}

/** Calls `act` when Escape is pressed, unless something on the page has a use for it. */
export function onEscape(act) {
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !event.target.closest?.("[role=application]")) act();
  });
}
