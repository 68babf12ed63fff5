// One policy's settings: a form over the part of the configuration that the page may change.

import { element } from "./net.js";

const ms = (value) => (value >= 1000 ? `${+(value / 1000).toFixed(2)} s` : `${+value.toFixed(1)} ms`);
const plain = (value) => `${+value.toFixed(3)}`;
const percent = (value) => `${+(100 * value).toFixed(1)} %`;

// `open`: the slider's last place stands for "unlimited".
const NUMBERS = [
  { path: ["costs", "ambience_credit"], label: "Credit for beds", min: 0, max: 1, step: 0.05, show: plain },
  { path: ["costs", "reply_delay"], label: "Cost of reply delay", min: 0, max: 6, step: 0.1, show: (v) => `${plain(v)} per s` },
  { path: ["limits", "per_turn"], label: "Spoken per turn", min: 0, max: 10, step: 1, show: plain, open: true },
  { path: ["limits", "min_gap_ms"], label: "Gap between two", min: 0, max: 3000, step: 50, show: ms },
  { path: ["limits", "reply_delay_ms"], label: "Mean reply delay", min: 0, max: 50, step: 1, show: ms, open: true, modes: "predictive" },
  { path: ["limits", "needless"], label: "Needless starts", min: 0, max: 0.2, step: 0.005, show: percent, open: true, modes: "predictive" },
];
const LADDER = [
  { key: "first", label: "First after", min: 0, max: 5000, step: 50, show: ms },
  { key: "firstKind", label: "First kind" },
  { key: "interval", label: "Then every", min: 200, max: 10000, step: 100, show: ms },
  { key: "thenKind", label: "Then kind" },
];

export class Policy {
  /** `name` is A or B; `changed` is called when the settings have changed. */
  constructor(name, overview, changed) {
    this.name = name;
    this.start = overview.start[name];
    this.kinds = overview.kinds;
    this.changed = changed;
    const made = document.getElementById("policy").content.cloneNode(true);
    this.root = made.querySelector("section");
    this.root.id = `policy-${name}`;
    this.root.setAttribute("aria-label", `Policy ${name}`);
    this.root.querySelector(".tag").textContent = name;
    this.root.querySelector(".tag").classList.add(name.toLowerCase());
    this.root.querySelector(".given").textContent = this.start.ladder.map(stepText).join(", ") || "no steps";
    this.mode = this.root.querySelector("[data-key=mode]");
    this.which = this.root.querySelector("[data-ladder=which]");
    this.updates = [];
    this.reset();
    this.build(there(overview));
    this.mode.addEventListener("change", () => this.set(() => (this.settings.mode = this.mode.value)));
    this.which.addEventListener("change", () => this.set(() => this.useLadder(this.which.value)));
    this.root.querySelector("[data-do=reset]").addEventListener("click", () => this.set(() => this.reset()));
  }

  reset() {
    this.settings = structuredClone(this.start);
    const [one, two] = this.start.ladder;
    this.own = {
      first: one?.after_ms ?? 700,
      firstKind: one?.kind ?? "hesitation",
      interval: Math.max(200, two ? two.after_ms - one.after_ms : 1500),
      thenKind: two?.kind ?? "progress",
    };
    this.ownLadder = false;
  }

  set(change) {
    change();
    this.show();
    this.changed(this);
  }

  say(error) {
    this.root.querySelector(".error").textContent = error;
  }

  useLadder(which) {
    this.ownLadder = which === "own";
    const { first, firstKind, interval, thenKind } = this.own;
    const loops = thenKind === "ambience" || thenKind === "hold";
    this.settings.ladder = !this.ownLadder
      ? structuredClone(this.start.ladder)
      : [
          { after_ms: first, kind: firstKind },
          { after_ms: first + interval, kind: thenKind, ...(loops ? {} : { repeat_ms: interval }) },
        ];
  }

  build(kindsThere) {
    for (const item of NUMBERS) {
      const [table, key] = item.path;
      const field = this.slider(item, `${this.name}-${key}`, () => this.settings[table][key], (value) => (this.settings[table][key] = value));
      if (item.modes) field.dataset.modes = item.modes;
      this.root.querySelector(`.${table}`).append(field);
    }
    const ladder = this.root.querySelector(".ladder");
    for (const item of LADDER) {
      const write = (value) => {
        this.own[item.key] = value;
        this.useLadder("own");
      };
      const id = `${this.name}-${item.key}`;
      const field = item.show ? this.slider(item, id, () => this.own[item.key], write) : this.choice(item, id, kindsThere, write);
      field.classList.add("own");
      ladder.append(field);
    }
    const checks = element("div", { class: "checks" });
    for (const { name } of this.kinds) {
      const box = element("input", { type: "checkbox", id: `${this.name}-kind-${name}` });
      const label = element("label", {}, box, name);
      if (!kindsThere.includes(name)) label.title = "the packs have no clip of it";
      box.addEventListener("change", () => this.set(() => (this.settings.kinds[name].enabled = box.checked)));
      this.updates.push(() => (box.checked = this.settings.kinds[name].enabled));
      checks.append(label);
    }
    this.root.querySelector(".kinds").append(checks);
    this.show();
  }

  slider(item, id, read, write) {
    const now = read();
    const top = Math.max(item.max, typeof now === "number" ? now : 0);
    const last = item.open ? top + item.step : top;
    const input = element("input", { type: "range", id, min: item.min, max: last, step: item.step });
    const output = element("output", { for: id });
    input.addEventListener("input", () => {
      const value = +(+input.value).toFixed(4);
      this.set(() => write(item.open && value > top ? "unlimited" : value));
    });
    this.updates.push(() => {
      const value = read();
      const text = value === "unlimited" ? value : item.show(value);
      input.value = value === "unlimited" ? last : value;
      output.value = text;
      input.setAttribute("aria-valuetext", text);
    });
    return element("div", { class: "field" }, element("label", { for: id }, item.label), input, output);
  }

  choice(item, id, kinds, write) {
    const select = element("select", { id }, ...kinds.map((kind) => element("option", { value: kind }, kind)));
    select.addEventListener("change", () => this.set(() => write(select.value)));
    this.updates.push(() => (select.value = this.own[item.key]));
    return element("div", { class: "field" }, element("label", { for: id }, item.label), select);
  }

  show() {
    const mode = this.settings.mode;
    this.mode.value = mode;
    this.which.value = this.ownLadder ? "own" : "given";
    for (const update of this.updates) update();
    for (const part of this.root.querySelectorAll("[data-modes]")) part.hidden = !part.dataset.modes.split(" ").includes(mode);
    for (const part of this.root.querySelectorAll(".own")) part.hidden = !this.ownLadder;
    this.root.querySelector(".given").hidden = this.ownLadder;
    this.root.querySelector(".says").textContent = this.summary();
  }

  summary() {
    const { mode, ladder } = this.settings;
    if (mode !== "ladder") return mode;
    return this.ownLadder ? `ladder: ${ladder.map(stepText).join(", ")}` : "ladder, as configured";
  }
}

function there(overview) {
  return overview.kinds.map((kind) => kind.name).filter((name) => overview.there.includes(name));
}

function stepText(step) {
  const since = step.since === "tool_started" ? " into a tool" : "";
  return `${step.kind} at ${ms(step.after_ms)}${since}${step.repeat_ms ? `, every ${ms(step.repeat_ms)}` : ""}`;
}
