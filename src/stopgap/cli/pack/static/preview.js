"use strict";
// Plays clips through Web Audio: an <audio> element neither loops without a gap nor stops at a sample. Everything that
// is shown is in the page already; this only moves playheads, and hides what the filters leave out.

document.documentElement.classList.add("scripted");
const byId = (id) => document.getElementById(id);
const clips = [...document.querySelectorAll(".clip")];
const contexts = new Map(); // by rate: at its own rate a loop's seam is not resampled
const decoded = new WeakMap(); // the sounds' elements and the promises of their samples
let now = null; // what plays
let asked = 0; // counts wishes: of two that come while a clip is decoded the later one counts

function contextOf(rate) {
  if (!contexts.has(rate)) {
    let context;
    try {
      context = new AudioContext({ sampleRate: rate });
    } catch {
      context = new AudioContext();
    }
    contexts.set(rate, context);
  }
  return contexts.get(rate);
}

function samplesOf(sound, context) {
  if (!decoded.has(sound)) {
    const text = atob(sound.querySelector("audio").src.split(",")[1]);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    decoded.set(sound, context.decodeAudioData(bytes.buffer));
  }
  return decoded.get(sound);
}

const chosenSound = (clip) => clip.querySelector(`.sound[data-which="${clip.dataset.which || "prepared"}"]`);
const nameOf = (clip) => clip.querySelector("h3").textContent;

function say(text) {
  byId("status").textContent = text;
}

function stop() {
  asked += 1;
  if (!now) return;
  const { source, clip } = now;
  now = null;
  source.onended = null;
  source.stop();
  clip.classList.remove("playing");
  clip.querySelector(".play")?.replaceChildren("▶");
  byId("stop").disabled = true;
}

// Play `clip` from `from` s; to `until` s if that is a cut mark's: faded before it as a session fades.
async function play(clip, from = 0, until = null, heard = "") {
  stop();
  const wish = asked;
  const sound = chosenSound(clip);
  if (!sound) return;
  const context = contextOf(Number(sound.dataset.rate));
  let buffer;
  try {
    [buffer] = await Promise.all([samplesOf(sound, context), context.resume()]);
  } catch (problem) {
    say(`${nameOf(clip)} cannot be played: ${problem.message}`);
    return;
  }
  if (wish !== asked) return;
  const source = new AudioBufferSourceNode(context, { buffer, loop: "loops" in clip.dataset });
  const gain = new GainNode(context);
  source.connect(gain).connect(context.destination);
  const start = context.currentTime + 0.02;
  const end = until === null ? buffer.duration : until;
  if (until !== null) {
    const fade = Math.min(Number(clip.dataset.fade), until);
    gain.gain.setValueAtTime(1, start + until - from - fade);
    gain.gain.linearRampToValueAtTime(0, start + until - from);
  }
  source.start(start, from);
  if (until !== null) source.stop(start + until - from);
  now = { source, clip, sound, context, start, from, end };
  delete clip.dataset.playedTo;
  source.onended = () => {
    clip.dataset.playedTo = String(end);
    stop();
    const what = heard || "no whole word";
    say(until === null ? `Played ${nameOf(clip)}.` : `A cut at ${until.toFixed(2)} s. Heard: ${what}`);
  };
  clip.classList.add("playing");
  clip.querySelector(".play").replaceChildren("■");
  byId("stop").disabled = false;
  const which = sound.dataset.which === "original" ? "The original of: " : "";
  say(`${which}${nameOf(clip)}${until === null ? "" : `, up to ${until.toFixed(2)} s`}`);
  requestAnimationFrame(move);
}

function move() {
  if (!now) return;
  const { context, start, from, end, sound, clip } = now;
  let at = from + Math.max(0, context.currentTime - start - (context.outputLatency || 0));
  at = "loops" in clip.dataset ? at % end : Math.min(at, end);
  const x = `${(100 * at) / Number(sound.dataset.duration)}%`;
  const line = sound.querySelector(".playhead");
  line.setAttribute("x1", x);
  line.setAttribute("x2", x);
  requestAnimationFrame(move);
}

function toggle(clip) {
  if (now && now.clip === clip) stop();
  else play(clip);
}

function choose(clip, which) {
  const again = now && now.clip === clip;
  clip.dataset.which = which;
  for (const sound of clip.querySelectorAll(".sound")) sound.hidden = sound.dataset.which !== which;
  for (const button of clip.querySelectorAll(".switch button")) {
    button.setAttribute("aria-pressed", String(button.dataset.which === which));
  }
  if (again) play(clip);
}

for (const clip of clips) {
  if (clip.querySelector(".switch")) choose(clip, "prepared");
  clip.addEventListener("click", (event) => {
    const mark = event.target.closest(".mark");
    const wave = event.target.closest(".wave");
    const which = event.target.closest(".switch button");
    if (which) choose(clip, which.dataset.which);
    else if (event.target.closest(".play")) toggle(clip);
    else if (mark) play(clip, 0, Number(mark.dataset.at), mark.dataset.heard);
    else if (wave) {
      const box = wave.getBoundingClientRect();
      const share = Math.min(0.999, Math.max(0, (event.clientX - box.left) / box.width));
      play(clip, share * Number(wave.closest(".sound").dataset.duration));
    }
  });
}
byId("stop").addEventListener("click", stop);

const visible = () => clips.filter((clip) => !clip.hidden);

function go(step) {
  const there = visible();
  const at = there.indexOf(document.activeElement.closest(".clip"));
  const next = there[at < 0 ? (step > 0 ? 0 : there.length - 1) : Math.min(there.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.altKey || event.metaKey || target.closest("select, input")) return;
  if (event.key === "Escape") stop();
  else if (event.key in STEPS) go(STEPS[event.key]);
  else if (event.key === " " && !target.closest("button, summary, .mark")) {
    const clip = target.closest(".clip") || (now && now.clip) || visible()[0];
    if (clip) toggle(clip);
  } else if ((event.key === " " || event.key === "Enter") && target.closest(".mark")) {
    target.closest(".mark").dispatchEvent(new MouseEvent("click", { bubbles: true }));
  } else return;
  event.preventDefault();
});

function filter() {
  const kind = byId("kind").value;
  const language = byId("language").value;
  for (const clip of clips) {
    const fits = (!kind || clip.dataset.kind === kind) && (!language || clip.dataset.language === language);
    clip.hidden = !fits || (byId("found").checked && !("found" in clip.dataset));
  }
  for (const section of document.querySelectorAll(".kind")) {
    section.hidden = !section.querySelector(".clip:not([hidden])");
  }
  if (now && now.clip.hidden) stop();
  byId("shown").textContent = `${visible().length} of ${clips.length} shown`;
}
document.querySelector(".filters").addEventListener("change", filter);
filter();
