// Elements, and how ids, times and numbers are written.

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

export const found = (id) => document.getElementById(id);

/** Return a button that calls `work`. */
export function button(text, work, attributes = {}) {
  const made = element("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", work);
  return made;
}

/** Write an id of 24 digits so that two can be told apart. */
export const short = (id) => (/^[0-9a-f]{24}$/.test(id) ? `${id.slice(0, 6)}…${id.slice(-4)}` : id);

/** Write seconds: to the hundredth below 10, to the tenth below 100. */
export function seconds(value) {
  if (value === null || value === undefined) return "–";
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} s`;
}

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** Return a time element; `clock`: of the day alone. */
export function moment(iso, clock = false) {
  return element("time", { datetime: iso, title: iso }, (clock ? CLOCK : DAY).format(new Date(iso)));
}

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** How a stretch of dead air is felt: the classes of the metric "experience". */
export const experience = (s) => (s === null || s === undefined ? "" : s <= 0.7 ? "smooth" : s <= 1 ? "noticeable" : s <= 2 ? "awkward" : "broken");

/** Return the tag of a behaviour: in force, or only `dealt`. */
export function behaviorTag([name, version], dealt = false) {
  const told = dealt ? `version ${version} of ${name} was dealt to the conversation, not in force` : `behaviour ${name}, version ${version}, in force`;
  return element("span", { class: dealt ? "tag behavior dealt" : "tag behavior", title: told }, `${dealt ? "dealt " : ""}${short(name)} v${version}`);
}
