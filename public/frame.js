// The document of an embedding iframe: one <unmask-panel> as the address's parameters say, and its height for the page
// around it. It takes no messages.

import { PARAMETERS } from "./embed.js";

const sheet = new CSSStyleSheet();
sheet.replaceSync("body { margin: 0; font-family: system-ui, sans-serif; } unmask-panel { margin: 0; }");
document.adoptedStyleSheets = [sheet];

const panel = document.createElement("unmask-panel");
for (const [name, value] of new URLSearchParams(location.search)) {
  if (PARAMETERS.includes(name)) panel.setAttribute(name, value);
}
document.body.append(panel);

// A height is nobody's secret: whoever shows this frame may know it.
new ResizeObserver(() => {
  const height = Math.ceil(panel.getBoundingClientRect().height);
  parent.postMessage({ context: "iframe.resize", src: location.href, height }, "*");
}).observe(panel);
