// The view in the address, and what a reader takes along: files and links.

/** Names and values of the address's fragment, one after the other; none where it names a place in the page. */
export function readAddress() {
  const fragment = location.hash.slice(1);
  return fragment.includes("=") ? [...new URLSearchParams(fragment)].slice(0, 50).flat() : [];
}

/** Puts names and values (one after the other) into the address without a step in the history. Returns the address. */
export function writeAddress(words) {
  const view = new URLSearchParams();
  for (let i = 0; i < words.length; i += 2) view.set(words[i], words[i + 1]);
  const address = new URL(location.href);
  address.hash = view.toString();
  // Browsers refuse too many changes a minute; the next one brings the address up to date.
  try {
    history.replaceState(history.state, "", address.href);
  } catch {}
  return address.href;
}

/** Whether the text is in the clipboard now. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Hands a text or a blob to the reader as a file. */
export function save(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Hands what a canvas shows to the reader as a picture, on the page's paper. */
export function savePicture(name, canvas) {
  const picture = document.createElement("canvas");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  const context = picture.getContext("2d");
  context.fillStyle = getComputedStyle(canvas).getPropertyValue("--paper");
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(canvas, 0, 0);
  picture.toBlob((blob) => blob && save(name, "image/png", blob));
}
