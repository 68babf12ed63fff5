// The turns of a conversation, each with its picture, its words and its numbers.

import { behaviorTag, element, experience, moment, seconds, shape } from "./dom.js";
import { lane } from "./lane.js";
import { drawn } from "./turnmodel.js";

const LEGEND = [
  ["k-user", "user"], ["gap", "dead air"], ["k-backchannel", "backchannel"], ["k-hesitation", "hesitation"], ["k-phrase", "phrase"],
  ["k-progress", "progress"], ["k-ambience", "ambience"], ["k-tone", "tone"], ["k-hold", "hold"], ["k-reply", "reply"],
  ["tool-run", "tool"], ["held", "held back"], ["ready", "reply available"], ["expected", "replies expected by then"],
];
const LONG = 240; // characters of a message that are shown at once

export class TurnList {
  constructor(root, legend) {
    this.root = root;
    this.turns = [];
    this.scale = "own";
    legend.append(...LEGEND.map(([kind, name]) => element("li", {}, sample(kind), name)));
    new ResizeObserver(() => this.redraw()).observe(root);
  }

  clear() {
    this.turns = [];
    this.root.replaceChildren();
  }

  add(turns) {
    const added = turns.map((turn) => ({ turn, model: drawn(turn), picture: element("div", { class: "picture" }) }));
    this.turns.push(...added);
    this.root.append(...added.map((one) => card(one)));
    this.width = 0;
    this.redraw();
  }

  rescale(scale) {
    this.scale = scale;
    this.width = 0;
    this.redraw();
  }

  redraw() {
    const width = Math.floor(this.turns[0]?.picture.clientWidth ?? 0);
    if (!width || width === this.width) return;
    this.width = width;
    const until = this.scale === "same" ? Math.max(...this.turns.map(({ model }) => model?.end ?? 0)) : null;
    for (const { model, picture } of this.turns) if (model) picture.replaceChildren(lane(model, width, until));
  }

  /** Return the number of the turn that one of these messages is of. */
  numberOf(message) {
    return this.turns.find(({ turn }) => turn.messages.some(({ id }) => id === message))?.turn.number ?? null;
  }

  /** Bring a turn into view. */
  show(number) {
    const found = this.root.querySelector(`[data-number="${number}"]`);
    found?.scrollIntoView({ block: "center" });
    found?.focus({ preventScroll: true });
  }
}

function sample(kind) {
  const made = shape("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" });
  if (kind === "gap") made.append(shape("rect", { width: 12, height: 12, rx: 2, class: "wait" }), shape("rect", { width: 12, height: 12, rx: 2, class: kind, fill: "url(#hatch)" }));
  else if (kind === "ready") made.append(shape("line", { x1: 6, x2: 6, y1: 0, y2: 12, class: kind }));
  else if (kind === "expected") made.append(shape("path", { d: "M6 2l5 8h-10z", class: kind }));
  else if (kind === "held" || kind === "tool-run") made.append(shape("rect", { y: 4, width: 12, height: 4, class: kind }));
  else made.append(shape("rect", { width: 12, height: 12, rx: 2, class: kind }));
  return made;
}

function card({ turn, model, picture }) {
  const { timing } = turn;
  const head = element("div", { class: "head" }, element("b", {}, `${turn.number}`), moment(turn.started_at, true));
  if (model?.outcome === "cancelled") head.append(element("span", { class: "tag off" }, model.cancelReason ? `cancelled: ${model.cancelReason}` : "cancelled"));
  if (model?.outcome === "retracted") head.append(element("span", { class: "tag quiet" }, "retracted"));
  if (model?.outcome === "waiting") head.append(element("span", { class: "tag quiet" }, "waiting"));
  if (timing?.behavior) head.append(behaviorTag(timing.behavior));
  const inForce = JSON.stringify(timing?.behavior);
  for (const dealt of timing?.assigned ?? []) if (JSON.stringify(dealt) !== inForce) head.append(behaviorTag(dealt, true));
  if (timing) head.append(numbers(timing, model));
  if (!model) picture.append(element("p", { class: "note" }, turn.record ? "What was recorded of this turn cannot be drawn." : "Nothing is recorded of this turn's waiting."));
  const words = element("div", { class: "words" }, ...turn.messages.map(message));
  if (!turn.messages.length) words.append(element("p", { class: "note" }, "Its words were not told."));
  return element("li", { class: "turn", tabindex: "-1", "data-number": turn.number, "aria-label": `Turn ${turn.number}` }, head, element("div", { class: "body" }, words, element("div", { class: "seen" }, picture, details(turn, model))));
}

function numbers(timing, model) {
  const told = [];
  const number = (name, value, kind = "") => told.push(element("span", {}, `${name} `, element("span", { class: `value ${kind}` }, seconds(value))));
  if (model?.heard) {
    number("first sound", timing.first_sound_s);
    number("answer", timing.answer_heard_s);
    number("dead air", timing.longest_dead_air_s, experience(timing.longest_dead_air_s));
    if (timing.reply_delay_s > 0.0005) number("held back", timing.reply_delay_s, "awkward");
  } else if (timing.wait_s !== null) number("reply after", timing.wait_s);
  return element("span", { class: "numbers" }, ...told);
}

function message({ message_type, message }) {
  const text = element("p", {}, message.length > LONG ? `${message.slice(0, LONG)}…` : message);
  const made = element("div", { class: message_type === "user-message" ? "said user" : "said agent" }, element("span", { class: "speaker" }, message_type === "user-message" ? "User" : "Agent"), text);
  if (message.length > LONG) {
    const all = element("button", { type: "button", class: "plain" }, "Show all of it");
    all.addEventListener("click", () => {
      text.textContent = message;
      all.remove();
    });
    made.append(all);
  }
  return made;
}

/** What the picture shows as text, made when it is asked for. */
function details(turn, model) {
  const made = element("details", {}, element("summary", {}, model?.sounds.length ? `What was heard, and why (${model.sounds.length})` : "Details"));
  made.addEventListener("toggle", () => made.open && made.childElementCount === 1 && made.append(...written(turn, model)), { once: false });
  return made;
}

function written(turn, model) {
  const parts = [];
  if (model?.sounds.length) {
    const rows = model.sounds.map((sound) => element("tr", {}, element("td", { class: "number" }, `${sound.from.toFixed(2)} – ${sound.to.toFixed(2)} s`), element("td", {}, sound.kind), element("td", {}, sound.text ?? ""), element("td", {}, `${sound.reason}${sound.cut ? "; cut" : ""}`)));
    parts.push(element("div", { class: "wide" }, element("table", {}, element("thead", {}, element("tr", {}, ...["When", "Kind", "Heard", "Why"].map((name) => element("th", { scope: "col" }, name)))), element("tbody", {}, ...rows))));
  }
  const facts = [
    ["Agent", model?.agent], ["Policy", model?.policy], ["Actions", turn.actions?.join(", ")], ["Notes", model?.notes.join("; ")], ["Interaction", turn.interaction_id],
  ].filter(([, value]) => value);
  parts.push(element("dl", { class: "facts" }, ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
  return parts;
}
