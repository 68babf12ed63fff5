// One turn as a picture: tools, fillers and silence on a scale of seconds that begins where the user's speech ends.

import { seconds, shape } from "./dom.js";

const NEWS = { first_token: "first token", tts_started: "TTS", turn_committed: "commit", transcript_final: "transcript", llm_started: "LLM" };
const LANE = 26;
const TOOL = 18;
const USER = 16; // px of the user's speech
const REPLY = 46; // px of the answer, which goes on
const LETTER = 5.9; // px of an average one
const MOST_TOOLS = 4; // rows of tools that run at once

/** Return the picture of a turn, `width` px wide; `until`: s that fit on it, null: its own. */
export function lane(model, width, until) {
  const left = 4 + USER;
  const q95 = model.quantiles.at(-1)?.[1] ?? 0;
  const end = until ?? Math.max(model.end, q95 <= 1.5 * model.end ? q95 : 0);
  const x = (s) => left + (Math.min(s, end) / end) * (width - left - REPLY - 4);
  const news = model.news.filter((item) => item.name in NEWS);
  const rows = Math.min(MOST_TOOLS, Math.max(0, ...model.tools.map((run) => run.row + 1)));
  const labels = news.length ? 14 : 0;
  const top = labels + rows * TOOL + 2;
  const ticks = model.quantiles.length ? 14 : 0;
  const bottom = top + LANE + 4;
  const height = bottom + ticks + 14;
  const drawing = shape("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": story(model), class: "lane" });
  drawing.append(...axis(x, end, width, labels, bottom, height));
  drawing.append(...model.tools.filter((run) => run.row < rows).map((run) => tool(run, x, Math.min(end, model.end), width, labels + run.row * TOOL, bottom)));
  drawing.append(bar(4, left, top, LANE, "k-user", "the user"));
  drawing.append(...waits(model, x, top), ...silences(model, x, top));
  drawing.append(...model.spoke.map(([from, to]) => bar(x(from), x(to), top, LANE, "k-user", `the user spoke, ${span(from, to)}`)));
  const beds = [...model.sounds].sort((one, two) => one.spoken - two.spoken);
  drawing.append(...beds.map((sound) => filler(sound, x, top)));
  drawing.append(...replies(model, x, top, bottom), ...marks(model, x, top, bottom, width));
  drawing.append(...milestones(news, x, top, bottom, width), ...predictions(model, x, end, bottom, width));
  return drawing;
}

const span = (from, to) => `${from.toFixed(2)} to ${to.toFixed(2)} s`;

function bar(from, to, y, height, kind, told, attributes = {}) {
  const made = shape("rect", { x: from, y, width: Math.max(1, to - from), height, rx: 3, class: kind, ...attributes });
  if (told) made.append(shape("title", {}, told));
  return made;
}

function upright(at, from, to, kind, told) {
  const made = shape("line", { x1: at, x2: at, y1: from, y2: to, class: kind });
  if (told) made.append(shape("title", {}, told));
  return made;
}

function axis(x, end, width, from, bottom, height) {
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600].find((s) => (end / s) * 46 < width) ?? 1200;
  const parts = [];
  for (let place = 0; place * step <= end + 1e-9; place += 1) {
    const at = x(place * step);
    parts.push(upright(at, from, bottom, place ? "axis" : "zero"));
    const text = `${+(place * step).toFixed(1)} s`;
    parts.push(shape("text", { x: at + 2, y: height - 3, class: "scale" }, text));
  }
  return parts;
}

function tool(run, x, end, width, y, bottom) {
  const told = run.to === null ? `${run.name}, from ${run.from.toFixed(2)} s, not ended` : `${run.name}, ${span(run.from, run.to)}`;
  const [from, to] = [x(run.from), Math.max(x(run.to ?? end), x(run.from) + 2)];
  const made = shape("g", { class: "tool", "data-tool": run.name }, shape("title", {}, told));
  made.append(upright(from, y + 1, bottom, "news"), bar(from, to, y + 1, 3, run.to === null ? "tool-run open" : "tool-run"));
  if (run.to !== null) made.append(upright(to, y + 1, bottom, "news"));
  const words = fitted(run.name, width - from - 4);
  if (words) made.append(shape("text", { x: from + 2, y: y + 14, class: "newsname" }, words));
  return made;
}

function waits(model, x, top) {
  return model.waits.filter((wait) => wait.to !== null).map((wait) => {
    const told = model.heard ? `a wait, ${span(wait.from, wait.to)}` : `a wait, ${span(wait.from, wait.to)}; what was heard is not known`;
    return bar(x(wait.from), x(wait.to), top, LANE, model.heard ? "wait" : "wait unknown", told);
  });
}

function silences(model, x, top) {
  return model.gaps.map(([from, to]) => {
    const made = bar(x(from), x(to), top, LANE, "gap", `dead air, ${(to - from).toFixed(2)} s, ${span(from, to)}`, { fill: "url(#hatch)" });
    const words = x(to) - x(from) > 44 && to - from > 0.7 ? seconds(to - from) : "";
    if (!words) return made;
    const middle = (x(from) + x(to)) / 2;
    return shape("g", {}, made, shape("text", { x: middle, y: top + LANE / 2 + 4, class: "gapname", "text-anchor": "middle" }, words));
  });
}

function filler(sound, x, top) {
  const thin = sound.spoken ? 0 : LANE * 0.28;
  const told = `${sound.kind}${sound.text ? ` “${sound.text}”` : ""}, ${span(sound.from, sound.to)}${sound.cut ? ", cut" : ""}`;
  const made = shape("g", { class: "filler", "data-kind": sound.kind }, shape("title", {}, told));
  made.append(bar(x(sound.from), x(sound.to), top + thin, LANE - 2 * thin, `k-${sound.kind}`));
  if (sound.cut && sound.spoken) made.append(upright(x(sound.to), top - 1, top + LANE + 1, "cut"));
  const words = sound.text ? fitted(sound.text, x(sound.to) - x(sound.from) - 8) : "";
  if (words) made.append(shape("text", { x: x(sound.from) + 5, y: top + LANE / 2 + 4, class: `said on-${sound.kind}` }, words));
  return made;
}

/** The answer, or what was said before a further wait; the time by which fillers held it back; when it was available. */
function replies(model, x, top, bottom) {
  const parts = [];
  for (const wait of model.waits) {
    const at = wait.heard ?? (model.heard ? null : wait.available);
    if (at !== null) {
      const to = wait.next === null ? x(at) + REPLY : Math.max(x(wait.next), x(at) + 2);
      const told = `${wait.next === null ? "the answer" : "the answer begins, and waits again"}, from ${at.toFixed(2)} s`;
      parts.push(bar(x(at), to, top, LANE, model.heard ? "k-reply" : "k-reply unknown", told));
      if (to - x(at) > 36) parts.push(shape("text", { x: x(at) + 5, y: top + LANE / 2 + 4, class: "said" }, "reply"));
    }
    if (wait.heard !== null && wait.heldBack > 0.0005) parts.push(bar(x(wait.heard - wait.heldBack), x(wait.heard), top + LANE, 3, "held", `held back by ${seconds(wait.heldBack)}`));
    if (wait.available !== null) parts.push(upright(x(wait.available), top - 3, bottom, "ready", `the reply was available at ${wait.available.toFixed(2)} s`));
  }
  return parts;
}

function marks(model, x, top, bottom, width) {
  if (model.cutOff === null || model.cutOff === undefined) return [];
  const at = x(model.cutOff);
  const told = `cut off at ${seconds(model.cutOff)}${model.cancelReason ? `: ${model.cancelReason}` : ""}`;
  const words = fitted("cut off", width - at - 6);
  const name = shape("text", { x: at + 5, y: top + LANE / 2 + 4, class: "cutname" }, words);
  return [upright(at, top - 3, bottom, "off", told), ...(words && model.waits.at(-1)?.heard == null ? [name] : [])];
}

function milestones(news, x, top, bottom, width) {
  const parts = [];
  const labels = []; // those that would overlap are one
  for (const item of [...news].sort((one, two) => one.at - two.at)) {
    const [at, words] = [x(item.at), NEWS[item.name]];
    parts.push(shape("g", { class: "milestone", "data-name": item.name }, shape("title", {}, `${words} at ${seconds(item.at)}`), upright(at, 12, bottom, "news")));
    const last = labels.at(-1);
    if (last && at < last.at + last.text.length * LETTER + 8) last.text += ` · ${words}`;
    else labels.push({ at, text: words });
  }
  for (const { at, text } of labels) parts.push(shape("text", { x: Math.max(0, Math.min(at + 2, width - text.length * 5.2)), y: 10, class: "newsname" }, text));
  return parts;
}

/** Ticks where half, 80 and 95 % of replies were expected; those that fall together share a label. */
function predictions(model, x, end, bottom, width) {
  const parts = [];
  const near = [];
  for (const [share, at] of model.quantiles) {
    if (at > end) continue;
    const told = `${share} % of replies were expected by ${seconds(at)}`;
    const made = shape("g", { class: "quantile", "data-share": share }, shape("title", {}, told), shape("path", { d: `M${x(at)} ${bottom - 3}l4 7h-8z`, class: "expected" }));
    parts.push(made);
    const last = near.at(-1);
    if (last && x(at) - last.to < 26) Object.assign(last, { to: x(at), shares: [...last.shares, share] });
    else near.push({ from: x(at), to: x(at), shares: [share] });
  }
  for (const { from, to, shares } of near) {
    const text = `${shares.join(" · ")} %`;
    const half = (text.length * LETTER) / 2;
    const middle = Math.min(Math.max((from + to) / 2, half), width - half);
    parts.push(shape("text", { x: middle, y: bottom + 14, class: "expectedname", "text-anchor": "middle" }, text));
  }
  const beyond = model.quantiles.filter(([, at]) => at > end);
  if (!beyond.length) return parts;
  const text = `${beyond.map(([share, at]) => `${share} % ${seconds(at)}`).join(", ")} →`;
  const room = width - (near.length ? near.at(-1).to + 30 : 0);
  const words = text.length * LETTER < room ? text : `${beyond.at(-1)[0]} % →`;
  const told = beyond.map(([share, at]) => `${share} % of replies were expected by ${seconds(at)}`).join("; ");
  parts.push(shape("g", { class: "beyond" }, shape("title", {}, told), shape("text", { x: width - 2, y: bottom + 14, class: "expectedname", "text-anchor": "end" }, words)));
  return parts;
}

/** Tell a picture in words, for those who do not see it. */
function story(model) {
  const last = model.waits.at(-1);
  const end = model.cutOff !== null && model.cutOff !== undefined ? `Cut off after ${seconds(model.cutOff)}` : last?.to != null ? `Reply after ${seconds(last.to)}` : "Still waiting";
  if (!model.heard) return `${end}; what was heard is not known.`;
  const sounds = model.sounds.map((sound) => `${sound.kind} ${sound.text ?? ""} at ${sound.from.toFixed(1)} s${sound.cut ? ", cut" : ""}`);
  const longest = Math.max(0, ...model.gaps.map(([from, to]) => to - from));
  return `${end}. ${sounds.join("; ") || "No filler"}. Longest dead air ${seconds(longest)}.`;
}

/** Return as much of `text` as fits into `width` px; less than four letters say nothing. */
function fitted(text, width) {
  const most = Math.floor(width / LETTER);
  if (text.length <= most) return text;
  return most < 4 ? "" : `${text.slice(0, most - 1)}…`;
}
