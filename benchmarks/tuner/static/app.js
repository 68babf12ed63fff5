// The page: asks the server what the settings of A and B would do, and shows it.

import { WaitsChart } from "./chart.js";
import { element, post, settled } from "./net.js";
import { Policy } from "./policy.js";
import { TurnList } from "./turns.js";

const SETTLE_MS = 40;
const seconds = (value) => `${value.toFixed(2)} s`;
const FIGURES = [
  ["cost", "cost of a turn, mean", (v) => `${v.toFixed(3)} s`],
  ["longest_gap_p50", "longest silence, median", seconds],
  ["longest_gap_p95", "longest silence, 95 % below", seconds],
  ["gap_over_1s", "turns with more than 1 s of silence", (v) => `${(100 * v).toFixed(1)} %`],
  ["reply_delay_mean", "reply held back, mean", (v) => `${(1000 * v).toFixed(1)} ms`],
  ["spoken_per_waiting_minute", "spoken fillers per minute of waiting", (v) => v.toFixed(1)],
  ["needless", "needless first fillers", (v) => `${(100 * v).toFixed(1)} %`],
  ["first_sound_p50", "first sound, median", seconds],
];

const overview = await (await fetch("/api/overview")).json();
const found = { A: null, B: null };
const policies = {};
const chart = new WaitsChart(overview);
const list = new TurnList(overview, play);
const audio = document.getElementById("audio");
const playing = document.getElementById("playing");
const contexts = document.getElementById("context");
let heard = null; // the turn in the player
audio.addEventListener("play", follow);
audio.addEventListener("pause", follow);

function start() {
  const { trace, turns, left_out: leftOut } = overview;
  document.title = `${trace} · stopgap tuner`;
  document.getElementById("trace").textContent = `${trace}: ${leftOut ? "the last " : ""}${turns.length} turns, ${overview.contexts.length} kinds of wait`;
  contexts.append(...overview.contexts.map((context, place) => element("option", { value: place }, nameOf(context))));
  contexts.addEventListener("change", showWaits);
  for (const name of ["A", "B"]) {
    const later = settled(() => simulate(name), SETTLE_MS);
    policies[name] = new Policy(name, overview, later);
    const { root } = policies[name];
    document.getElementById("policies").append(root);
    root.querySelector("[data-do=save]").addEventListener("click", () => save(name));
    root.querySelector("[data-do=download]").addEventListener("click", () => download(name));
    simulate(name);
  }
  chart.show(overview.contexts[0]);
}

function nameOf({ agent, tool, replies, median }) {
  const what = tool ? `tool ${tool}` : agent ?? "no agent named";
  return `${what} (${replies} replies${median === null ? "" : `, median ${median.toFixed(2)} s`})`;
}

async function simulate(name) {
  const policy = policies[name];
  const table = document.getElementById("figures");
  table.classList.add("busy");
  const began = performance.now();
  try {
    const answer = await post("/api/simulate", { settings: policy.settings }, `simulate ${name}`);
    if (answer === null) return;
    policy.say("");
    found[name] = answer;
    list.set(name, answer);
    showFigures(performance.now() - began);
    await showSheet(name);
  } catch (error) {
    policy.say(error.message);
  }
  table.classList.remove("busy");
}

function showFigures(tookMs) {
  if (!found.A || !found.B) return;
  const rows = FIGURES.map(([key, label, show]) => {
    const [a, b] = [found.A.figures[key], found.B.figures[key]];
    const cells = [a, b].map((value, place) => element("td", { "data-figure": key, "data-policy": "AB"[place] }, value === null ? "–" : show(value)));
    const difference = a === null || b === null ? 0 : b - a;
    const same = show(Math.abs(difference)) === show(0);
    const text = same ? "same" : `${difference > 0 ? "+" : "−"}${show(Math.abs(difference))}`;
    const judged = same || key === "spoken_per_waiting_minute" ? "" : difference < 0 ? "good" : "bad";
    return element("tr", {}, element("th", { scope: "row" }, label), ...cells, element("td", { class: judged }, text));
  });
  document.querySelector("#figures tbody").replaceChildren(...rows);
  const differ = JSON.stringify(policies.A.settings.costs) !== JSON.stringify(policies.B.settings.costs);
  document.getElementById("status").textContent =
    `${overview.turns.length} turns simulated in ${Math.round(tookMs)} ms.` +
    (differ ? " A and B weigh costs differently, so their costs do not compare." : "");
}

function showWaits() {
  chart.show(overview.contexts[+contexts.value]);
  for (const name of ["A", "B"]) showSheet(name).catch((error) => policies[name].say(error.message));
}

async function showSheet(name) {
  const sheet = await post("/api/sheet", { settings: policies[name].settings, context: +contexts.value }, `sheet ${name}`);
  if (sheet !== null) chart.setSheet(name, sheet);
}

async function play(turn, name) {
  const sounding = heard && !audio.paused && heard.id === turn.id && heard.name === name;
  if (sounding) return audio.pause();
  playing.textContent = `Rendering ${turn.id} under ${name} …`;
  try {
    const sound = await post("/api/sound", { settings: policies[name].settings, turn: turn.id }, "sound");
    if (sound === null) return;
    if (audio.src) URL.revokeObjectURL(audio.src);
    audio.src = URL.createObjectURL(sound.blob);
    heard = { id: turn.id, name, zero: sound.zero };
    playing.textContent = `${turn.id} under ${name}: user and reply are placeholders; the user ends at ${sound.zero.toFixed(1)} s.`;
    await audio.play();
  } catch (error) {
    // a newer sound took the place of this one, or the browser waits for a click on its own button
    if (!["AbortError", "NotAllowedError"].includes(error.name)) playing.textContent = error.message;
  }
}

/** Move the mark in the turn's picture along with its sound. */
function follow() {
  const sounds = !audio.paused && !audio.ended;
  list.point(heard.id, sounds ? audio.currentTime - heard.zero : null);
  if (sounds) requestAnimationFrame(follow);
}

async function save(name) {
  try {
    const saved = await post("/api/save", { settings: policies[name].settings });
    if (saved === null) return;
    document.getElementById("saved-title").textContent = `Policy ${name} was written to ${saved.path}`;
    document.getElementById("saved-text").textContent = saved.toml;
    document.getElementById("saved").showModal();
  } catch (error) {
    policies[name].say(error.message);
  }
}

async function download(name) {
  try {
    const made = await post("/api/toml", { settings: policies[name].settings });
    if (made === null) return;
    const address = URL.createObjectURL(new Blob([made.toml], { type: "application/toml" }));
    element("a", { href: address, download: "stopgap.tuned.toml" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  } catch (error) {
    policies[name].say(error.message);
  }
}

start();
