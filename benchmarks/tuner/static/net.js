// Requests to the server this page came from.

const waiting = new Map();

/** Post `data`; a newer request of the same `name` gives the older one up. Resolves to null if it was given up. */
export async function post(address, data, name = address) {
  waiting.get(name)?.abort();
  const control = new AbortController();
  waiting.set(name, control);
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(data),
      signal: control.signal,
    });
    if (!answer.ok) {
      const text = await answer.text();
      throw new Error(answer.status === 422 ? JSON.parse(text).error : text.trim());
    }
    const isJson = answer.headers.get("content-type") === "application/json";
    const found = isJson ? await answer.json() : { blob: await answer.blob(), zero: +answer.headers.get("x-zero-s") };
    return waiting.get(name) === control ? found : null;
  } catch (error) {
    if (control.signal.aborted) return null;
    if (error instanceof TypeError) throw new Error("the tuner does not answer; start it again");
    throw error;
  }
}

/** Return a function that calls `work` once nothing has called it for `ms`. */
export function settled(work, ms) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
}

/** Return a new element with attributes and children; texts are never read as HTML. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function shape(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
