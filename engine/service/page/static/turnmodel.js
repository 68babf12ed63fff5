// A turn as it is drawn: from a turn record, or from a row of a latency trace. Times are s from the end of speech.

const SPOKEN = new Set(["backchannel", "hesitation", "phrase", "progress"]);

/** Return what there is to draw of a turn; null: nothing is known of its waiting. */
export function drawn(turn) {
  if (!turn.record) return null;
  return "turn_id" in turn.record ? ofRow(turn.record) : ofRecord(turn.record);
}

function ofRecord(record) {
  const sounds = record.sounds.map((sound) => ({
    kind: sound.kind, text: sound.text, from: sound.start_s, to: sound.end_s ?? record.ended_s ?? sound.start_s, cut: sound.cut,
    reason: sound.reason, spoken: SPOKEN.has(sound.kind),
  }));
  const waits = record.waits.map((wait, place) => ({
    from: Math.max(0, wait.began_s), available: wait.available_s, heard: wait.heard_s, heldBack: wait.held_back_s ?? 0,
    to: wait.heard_s ?? record.cut_off_s ?? record.ended_s, next: record.waits[place + 1]?.began_s ?? null,
  }));
  const spoke = record.user_spoke ?? [];
  const news = record.milestones.filter((item) => item.name !== "speech_ended").map((item) => ({ name: item.name, at: Math.max(0, item.at_s), tool: item.tool }));
  const { q50_s: q50, q80_s: q80, q95_s: q95 } = record.prediction;
  return finished({
    heard: true, sounds, waits, spoke, news, quantiles: [[50, q50], [80, q80], [95, q95]].filter(([, at]) => Number.isFinite(at)),
    cutOff: record.cut_off_s, cancelReason: record.cancel_reason, outcome: record.outcome, agent: record.agent, policy: record.policy,
    notes: record.notes,
  });
}

function ofRow(row) {
  const s = (ms) => (typeof ms === "number" ? ms / 1000 : null);
  const [ready, cancelled] = [s(row.reply_ready_ms), s(row.cancelled_ms)];
  const news = milestones(row);
  if (!news.length && s(row.tool_started_ms) !== null) {
    news.push({ name: "tool_started", at: s(row.tool_started_ms), tool: row.tool });
    if (s(row.tool_ended_ms) !== null) news.push({ name: "tool_ended", at: s(row.tool_ended_ms), tool: row.tool });
  }
  const end = ready ?? cancelled;
  return finished({
    heard: false, sounds: [], waits: end === null ? [] : [{ from: 0, available: ready, heard: null, heldBack: 0, to: end, next: null }],
    spoke: [], news, quantiles: [], cutOff: ready === null ? cancelled : null, cancelReason: null,
    outcome: ready === null ? "cancelled" : "replied", agent: row.agent, policy: null, notes: [],
  });
}

function milestones(row) {
  try {
    const told = JSON.parse(row.milestones || "[]");
    return told.filter((item) => Number.isFinite(item.at_ms)).map((item) => ({ name: String(item.name), at: item.at_ms / 1000, tool: item.tool ?? null }));
  } catch {
    return [];
  }
}

function finished(model) {
  model.gaps = model.heard ? model.waits.flatMap((wait) => gaps(wait, model)) : [];
  model.tools = tools(model.news);
  const ends = [
    ...model.waits.flatMap((wait) => [wait.to, wait.available, wait.next]), ...model.sounds.map((sound) => sound.to),
    ...model.news.map((item) => item.at), ...model.spoke.map(([, to]) => to), model.cutOff,
  ];
  model.end = Math.max(0.3, ...ends.filter((at) => Number.isFinite(at)));
  return model;
}

/** Return the stretches of a wait in which nothing sounds: what the metrics call dead air. */
function gaps(wait, model) {
  if (wait.to === null) return [];
  const sounding = [...model.sounds.map((sound) => [sound.from, sound.to]), ...model.spoke].filter(([, to]) => to > wait.from);
  const silent = [];
  let at = wait.from;
  for (const [from, to] of sounding.sort((one, two) => one[0] - two[0])) {
    if (from > at) silent.push([at, Math.min(from, wait.to)]);
    at = Math.max(at, to);
  }
  if (wait.to > at) silent.push([at, wait.to]);
  return silent.filter(([from, to]) => to > from);
}

/** Return the runs of tools, each in a row of its own where several run at once. */
function tools(news) {
  const runs = [];
  const seen = new Set();
  for (const item of [...news].sort((one, two) => one.at - two.at)) {
    const key = `${item.name} ${item.at} ${item.tool}`;
    if (seen.has(key)) continue; // a further wait repeats the start of the tool that runs on
    seen.add(key);
    if (item.name === "tool_started") runs.push({ name: item.tool ?? "tool", from: item.at, to: null });
    const open = item.name === "tool_ended" && runs.find((run) => run.to === null && (item.tool === null || run.name === item.tool));
    if (open) open.to = item.at;
  }
  const busyUntil = [];
  for (const run of runs) {
    const free = busyUntil.findIndex((until) => until <= run.from);
    run.row = free < 0 ? busyUntil.length : free;
    busyUntil[run.row] = run.to ?? Infinity;
  }
  return runs;
}
