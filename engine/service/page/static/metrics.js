// Metrics of one conversation: evaluated, or read, when a button asks for it. Both are limited to a few a minute.

import { get, post } from "./api.js";
import { button, element, found, plural } from "./dom.js";

/** The built-in metrics: id (of the same name in every organization), name, label, unit. */
export const METRICS = [
  ["93901743710f197f52684b12", "reply_wait", "Wait until the reply was available, median", "s"],
  ["d48e325f29a7007ccb056c4f", "time_to_first_sound", "First sound, filler or reply, median", "s"],
  ["8f794184ecd1deaf714d964c", "time_to_answer", "First sound of the answer, median", "s"],
  ["07f1617853032d99925f8df1", "longest_dead_air", "Longest dead air", "s"],
  ["37e3c31538964b4829609e3d", "reply_delay", "Reply held back by fillers, mean", "s"],
  ["c47681db74b77afc3eb68ba5", "needless_fillers", "Turns whose first filler was needless", "%"],
  ["1449a30aadebda7c4dc8916d", "fillers_per_minute", "Spoken fillers per minute", "/ min"],
  ["9deba12ee98b44ce640e44b5", "target_met", "Dead air and reply delay within the targets", ""],
  ["2bfbed4a09fcfe5b7a859774", "experience", "Experience, by the longest dead air", ""],
];
const BY_ID = new Map(METRICS.map(([id, , label, unit]) => [id, { label, unit }]));
const MOST_REFERENCES = 3;

export class Metrics {
  /** `turns` finds the turn of a message; `failed(error)` returns the sentence for an error, or null. */
  constructor({ turns, failed }) {
    this.turns = turns;
    this.failed = failed;
    this.conversation = null;
    found("evaluate").addEventListener("click", () => this.evaluate());
    found("stored").addEventListener("click", () => this.read());
  }

  /** Begin with another conversation: nothing is asked for by itself. */
  begin(conversation) {
    this.conversation = conversation;
    this.busy(false);
    this.show([], "Nothing was evaluated yet on this page.");
  }

  async evaluate() {
    const asked = { metric_ids: METRICS.map(([id]) => id), conversation_id: this.conversation };
    await this.load(() => post("/metric/evaluate", asked, "metrics"), (answer) => {
      const rows = answer.metrics.map((one) => ({ id: one.metric_id, name: one.name, value: one.value, why: one.justification, references: one.references ?? [] }));
      this.show(rows, `Evaluated ${plural(rows.length, "metric")} just now; the results are stored.`);
    });
  }

  async read() {
    await this.load(() => get("/metric/metric_evaluation_result", { conversation_id: this.conversation }, "metrics"), (answer) => {
      const newest = new Map();
      const results = [...answer.metric_evaluation_results].sort((one, two) => Date.parse(one.created_at) - Date.parse(two.created_at));
      for (const one of results) newest.set(one.metric_id, one);
      const rows = [...newest.values()].map((one) => ({ id: one.metric_id, name: one.name, value: one.result, why: one.justification, references: one.source?.references ?? [] }));
      this.show(rows, rows.length ? `${plural(rows.length, "stored result")}, the newest of each metric.` : "No result is stored; evaluate the metrics.");
    });
  }

  async load(ask, told) {
    const { conversation } = this;
    this.busy(true);
    found("metrics-note").textContent = "Asking …";
    try {
      const answer = await ask();
      if (answer !== null && conversation === this.conversation) told(answer);
    } catch (error) {
      const sentence = this.failed(error);
      if (sentence === null || conversation !== this.conversation) return;
      const absent = (error.status === 404 && /^not found/i.test(error.message)) || error.status === 405;
      this.show([], absent ? "This service does not evaluate metrics." : sentence);
    } finally {
      if (conversation === this.conversation) this.busy(false);
    }
  }

  busy(is) {
    for (const id of ["evaluate", "stored"]) found(id).disabled = is;
  }

  show(rows, note) {
    found("metrics-note").textContent = note;
    found("metrics").hidden = !rows.length;
    found("metrics").tBodies[0].replaceChildren(...rows.map((row) => this.row(row)));
  }

  row({ id, name, value, why, references }) {
    const { label, unit } = BY_ID.get(id) ?? { label: name ?? id, unit: "" };
    const numbers = [...new Set(references.map((message) => this.turns.numberOf(message)).filter((number) => number !== null))];
    const links = numbers.slice(0, MOST_REFERENCES).map((number) => button(`turn ${number}`, () => this.turns.show(number), { class: "plain" }));
    return element(
      "tr", { "data-metric": id }, element("th", { scope: "row" }, label), element("td", { class: `number ${typeof value === "string" ? value : ""}` }, written(value, unit)),
      element("td", { class: "why" }, why ?? "", ...links.flatMap((link) => [" ", link])),
    );
  }
}

function written(value, unit) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (unit === "%") return `${+(100 * value).toFixed(1)} %`;
  return `${unit === "s" ? value.toFixed(2) : +value.toFixed(2)} ${unit}`.trim();
}
