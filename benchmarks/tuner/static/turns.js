// The turns under both policies: filter, order, pages, and a picture of each.

import { element, shape } from "./net.js";

const PAGE = 8;
const SHOWN = 0.8; // s of the user's speech and of the reply that are drawn
const NEWS = { tool_started: "tool", tool_ended: "tool ends", first_token: "first token", tts_started: "TTS", turn_committed: "commit", transcript_final: "transcript", llm_started: "LLM" };

export class TurnList {
  /** `play(turn, policy)` is called when one is to be heard. */
  constructor(overview, play) {
    this.turns = overview.turns;
    this.kinds = overview.kinds;
    this.play = play;
    this.found = { A: null, B: null };
    this.order = this.turns.map((_, place) => place);
    this.at = 0;
    this.policy = "B";
    this.root = document.getElementById("list");
    this.filter = document.getElementById("filter");
    this.sort = document.getElementById("sort");
    this.fillFilter();
    this.fillLegend();
    for (const choice of [this.filter, this.sort]) choice.addEventListener("change", () => this.arrange(true));
    document.getElementById("previous").addEventListener("click", () => this.turnPage(-1));
    document.getElementById("next").addEventListener("click", () => this.turnPage(1));
    this.root.addEventListener("click", (event) => this.onClick(event));
    for (const name of ["A", "B"]) {
      document.getElementById(`play-${name}`).addEventListener("click", () => {
        this.choose(this.at, name);
        this.playChosen();
      });
    }
    document.addEventListener("keydown", (event) => this.onKey(event));
    new ResizeObserver(() => this.onResize()).observe(this.root);
  }

  /** Take in what a policy's simulation found. */
  set(policy, found) {
    this.found[policy] = found;
    if (this.found.A && this.found.B) this.arrange(false);
  }

  fillFilter() {
    const values = (key) => [...new Set(this.turns.map((turn) => turn[key]).filter(Boolean))].sort();
    const group = (label, key) => element("optgroup", { label }, ...values(key).map((name) => element("option", { value: `${key}:${name}` }, name)));
    this.filter.append(element("option", { value: "" }, "all turns"), group("agent", "agent"), group("tool", "tool"), element("option", { value: "tool:" }, "without a tool"), element("option", { value: "cancelled" }, "cancelled"));
  }

  fillLegend() {
    const names = ["user", ...this.kinds.map((kind) => kind.name), "reply"];
    document.getElementById("legend").append(
      ...names.map((name) => element("li", {}, shape("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, shape("rect", { width: 10, height: 10, rx: 2, class: `k-${name}` })), name)),
    );
  }

  arrange(fromStart) {
    const { A, B } = this.found;
    const wanted = this.filter.value;
    const [key, name] = [wanted.slice(0, wanted.indexOf(":")), wanted.slice(wanted.indexOf(":") + 1)];
    const fits = (turn) => !wanted || (wanted === "cancelled" ? turn.ready === null : (turn[key] ?? "") === name);
    const value = {
      trace: (place) => place,
      "better-b": (place) => B.cost[place] - A.cost[place],
      "better-a": (place) => A.cost[place] - B.cost[place],
      wait: (place) => -this.turns[place].end,
      "cost-a": (place) => -A.cost[place],
      "cost-b": (place) => -B.cost[place],
    }[this.sort.value];
    const chosen = this.order[this.at];
    this.order = this.turns.map((_, place) => place).filter((place) => fits(this.turns[place]));
    this.order.sort((one, two) => value(one) - value(two) || one - two);
    this.at = fromStart ? 0 : Math.max(0, this.order.indexOf(chosen));
    this.draw();
  }

  turnPage(by) {
    const page = Math.floor(this.at / PAGE) + by;
    if (page < 0 || page * PAGE >= this.order.length) return;
    this.at = page * PAGE;
    this.draw();
  }

  choose(at, policy = this.policy) {
    this.at = Math.min(Math.max(at, 0), this.order.length - 1);
    this.policy = policy;
    this.draw();
    this.root.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  onClick(event) {
    const card = event.target.closest(".turn");
    if (!card) return;
    this.choose(+card.dataset.at, event.target.closest("[data-policy]")?.dataset.policy ?? this.policy);
    this.root.focus({ preventScroll: true });
    if (event.target.closest("[data-policy]")) this.playChosen();
  }

  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !this.order.length) return;
    const here = event.target === this.root;
    if (event.key === " " && (here || event.target === document.body)) this.playChosen();
    else if (here && event.key === "ArrowDown") this.choose(this.at + 1);
    else if (here && event.key === "ArrowUp") this.choose(this.at - 1);
    else if (here && event.key === "ArrowLeft") this.choose(this.at, "A");
    else if (here && event.key === "ArrowRight") this.choose(this.at, "B");
    else if (here && event.key === "PageDown") this.turnPage(1);
    else if (here && event.key === "PageUp") this.turnPage(-1);
    else return;
    event.preventDefault();
  }

  onResize() {
    const width = this.root.clientWidth;
    if (width && width !== this.width && this.found.A && this.found.B) this.draw();
  }

  playChosen() {
    const turn = this.turns[this.order[this.at]];
    if (turn) this.play(turn, this.policy);
  }

  /** Show how far a turn's sound has come, in s from its time 0; null: it does not sound. */
  point(id, at) {
    this.root.querySelector(".playhead")?.remove();
    const drawing = at === null ? null : this.root.querySelector(`[data-turn="${CSS.escape(id)}"] svg`);
    if (!drawing) return;
    const { zero, scale, bottom } = drawing.dataset;
    const where = +zero + at * +scale;
    if (where >= 24) drawing.append(shape("line", { x1: where, x2: where, y1: 0, y2: bottom, class: "playhead" }));
  }

  draw() {
    this.width = this.root.clientWidth;
    const page = Math.floor(this.at / PAGE);
    const shown = this.order.slice(page * PAGE, (page + 1) * PAGE);
    const pages = Math.max(1, Math.ceil(this.order.length / PAGE));
    document.getElementById("page").textContent = `${page + 1} / ${pages}`;
    document.getElementById("previous").disabled = page === 0;
    document.getElementById("next").disabled = page >= pages - 1;
    this.root.replaceChildren(...shown.map((place, row) => this.card(place, page * PAGE + row)));
    if (!shown.length) this.root.replaceChildren(element("p", { class: "note" }, "no such turns"));
    if (shown.length) this.root.setAttribute("aria-activedescendant", `turn-${this.at}`);
  }

  card(place, at) {
    const turn = this.turns[place];
    const [a, b] = [this.found.A.cost[place], this.found.B.cost[place]];
    const difference = b - a;
    const verdict = element("span", { class: difference < -0.005 ? "good" : difference > 0.005 ? "bad" : "" }, signed(difference));
    const about = [turn.agent, turn.tool, turn.ready === null ? `cancelled after ${turn.end.toFixed(2)} s` : `reply after ${turn.end.toFixed(2)} s`].filter(Boolean).join(" · ");
    return element(
      "div",
      { class: "turn", role: "option", id: `turn-${at}`, "data-at": at, "data-turn": turn.id, "aria-selected": at === this.at },
      element("div", { class: "head" }, element("b", {}, turn.id), about, element("span", { class: "costs" }, `cost A ${a.toFixed(2)}, B ${b.toFixed(2)}, `, verdict)),
      this.picture(place, turn, at === this.at),
    );
  }

  picture(place, turn, chosen) {
    const width = Math.max(260, this.width - 24);
    const [left, right, lane, gap, top] = [24, 4, 22, 7, turn.news.length ? 15 : 4];
    const ends = ["A", "B"].map((name) => this.found[name].reply[place] ?? turn.end);
    const until = Math.max(...ends, turn.end) + SHOWN;
    const x = (s) => left + ((s + SHOWN) / (until + SHOWN)) * (width - left - right);
    const height = top + 2 * lane + gap + 16;
    const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": this.story(place, turn) });
    Object.assign(drawing.dataset, { zero: x(0), scale: x(1) - x(0), bottom: height - 13 });
    const step = [0.5, 1, 2, 5, 10, 20, 60, 300].find((s) => (until / s) * 44 < width) ?? 1200;
    for (let s = 0; s <= until; s += step) {
      drawing.append(shape("line", { x1: x(s), x2: x(s), y1: top, y2: height - 13, class: "axis" }));
      if (x(s) + 26 < width) drawing.append(shape("text", { x: x(s) + 2, y: height - 3, class: "scale" }, `${s} s`));
    }
    ["A", "B"].forEach((name, row) => drawing.append(...this.lane(name, place, top + row * (lane + gap), lane, x, ends[row], chosen)));
    const labels = [];
    for (const [what, at, tool] of turn.news) {
      drawing.append(shape("line", { x1: x(at), x2: x(at), y1: top - 3, y2: height - 13, class: "news" }));
      const text = NEWS[what] ?? what;
      if (labels.every((other) => Math.abs(other - x(at)) > 62)) {
        const words = fitted(what === "tool_started" && tool ? tool : text, 110);
        const before = x(at) + 5.6 * words.length > width; // no room behind the mark
        drawing.append(shape("text", { x: x(at) + (before ? -3 : 2), y: top - 5, class: "newsname", "text-anchor": before ? "end" : "start" }, words));
        labels.push(x(at));
      }
    }
    if (turn.ready !== null) drawing.append(shape("line", { x1: x(turn.ready), x2: x(turn.ready), y1: top - 2, y2: height - 13, class: "ready" }));
    return drawing;
  }

  lane(name, place, y, height, x, end, chosen) {
    const found = this.found[name];
    const parts = [
      shape("text", { x: 2, y: y + height / 2 + 4, class: `lane-${name.toLowerCase()}` }, name),
      bar(x(-SHOWN), x(0), y, height, "k-user"),
      bar(x(0), x(end), y, height, "silence"),
    ];
    const sounds = [...found.sounds[place]].sort((one, two) => this.kinds[one[0]].spoken - this.kinds[two[0]].spoken);
    for (const [kind, from, to, cut, text] of sounds) {
      const { name: called, spoken } = this.kinds[kind];
      const thin = spoken ? 0 : height * 0.28;
      const part = bar(x(from), x(to), y + thin, height - 2 * thin, `k-${called}`);
      part.append(shape("title", {}, `${called} ${found.texts[text] ?? ""}, ${from.toFixed(2)} to ${to.toFixed(2)} s${cut ? ", cut" : ""}`));
      parts.push(part);
      if (cut && spoken) parts.push(shape("line", { x1: x(to), x2: x(to), y1: y, y2: y + height, class: "cut" }));
      const words = spoken && found.texts[text] ? fitted(found.texts[text], x(to) - x(from) - 6) : "";
      if (words) parts.push(shape("text", { x: x(from) + 4, y: y + height / 2 + 4, class: `said on-${called}` }, words));
    }
    if (found.reply[place] !== null) parts.push(bar(x(end), x(end + SHOWN), y, height, "k-reply"));
    const frame = shape("rect", { x: x(-SHOWN) - 2, y: y - 2, width: x(end + SHOWN) - x(-SHOWN) + 4, height: height + 4, rx: 4, class: "chosen" });
    if (chosen && name === this.policy) parts.push(frame);
    return [shape("g", { "data-policy": name }, ...parts)];
  }

  story(place, turn) {
    const told = ["A", "B"].map((name) => {
      const found = this.found[name];
      const sounds = found.sounds[place].map(([kind, from, , , text]) => `${this.kinds[kind].name} ${found.texts[text] ?? ""} at ${from.toFixed(1)} s`);
      return `${name}: ${sounds.join(", ") || "silence"}`;
    });
    return `${turn.ready === null ? "Cancelled" : "Reply"} after ${turn.end.toFixed(1)} s. ${told.join(". ")}.`;
  }
}

function signed(value) {
  const text = Math.abs(value).toFixed(2);
  return text === "0.00" ? "±0.00" : `${value > 0 ? "+" : "−"}${text}`;
}

function bar(from, to, y, height, kind) {
  return shape("rect", { x: from, y, width: Math.max(0.5, to - from), height, rx: 2, class: kind });
}

/** Return as much of `text` as fits into `width` pixels; less than four letters say nothing. */
function fitted(text, width) {
  const most = Math.floor(width / 5.9);
  if (text.length <= most) return text;
  return most < 4 ? "" : `${text.slice(0, most - 1)}…`;
}
