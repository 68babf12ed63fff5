"""The answer sheet: one page that plays the recordings beside it, works from a folder, and asks for nothing else."""

import json
from collections.abc import Sequence
from html import escape

_POLICY = (
    "default-src 'none'; media-src 'self' file:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
"""The browser itself refuses whatever would leave the folder."""


def page(digest: str, pairs: Sequence[str]) -> str:
    """Return the answer sheet of the set *digest* as HTML; the key is not in it.

    Args:
        digest: Goes into the answers, so that they are not taken for another set's.
        pairs: Names; the recordings of each are ``NAME-1.wav`` and ``NAME-2.wav``.
    """
    data = json.dumps({"format": 1, "set": digest, "pairs": list(pairs)}).replace("<", "\\u003c")
    cards = "\n".join(_card(name, number, len(pairs)) for number, name in enumerate(pairs, 1))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Which would you rather wait with?</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Which would you rather wait with?</h1>
<p>Each time you hear somebody ask, wait, and be answered, in two versions. Question and answer are only murmured: what
counts is the wait between them. Listen to both versions, as often as you like, then say which you would rather wait
with. There is no right answer. Headphones help, and so does leaving the volume alone.</p>
<noscript><p class="warning">This page needs JavaScript to play and to note your answers.</p></noscript>
<p id="trouble" class="warning" role="alert" hidden></p>
<p><label for="name">Your name</label> <input id="name" type="text" maxlength="80" autocomplete="off" required></p>
<form id="sheet" autocomplete="off">
{cards}
</form>
<p><button id="anew" type="button">Clear all answers</button></p>
<p class="hint">Save first: then the next listener at this device can begin.</p>
</main>
<footer><p><span id="state" role="status"></span> <button id="save" type="button">Save answers</button></p></footer>
<script id="data" type="application/json">{data}</script>
<script>{_SCRIPT}</script>
</body>
</html>
"""


def _card(name: str, number: int, count: int) -> str:
    name = escape(name)
    plays = "\n".join(
        f'<button type="button" class="play" data-pair="{name}" data-place="{place}">Play {place}</button>'
        for place in (1, 2)
    )
    choices = "\n".join(
        f'<label><input type="radio" name="{name}" value="{value}" disabled> {label}</label>'
        for value, label in (("1", "1"), ("2", "2"), ("same", "No difference"))
    )
    return f"""<section aria-labelledby="{name}-title" id="{name}">
<h2 id="{name}-title">{number} of {count}</h2>
<div class="plays">
{plays}
</div>
<fieldset aria-describedby="{name}-hint"><legend>Which would you rather wait with?</legend>
<div class="choices">
{choices}
</div>
<p class="hint" id="{name}-hint">Listen to both first.</p></fieldset>
<p><label for="{name}-comment">Comment <span class="hint">(optional)</span></label>
<input id="{name}-comment" class="comment" data-pair="{name}" type="text" maxlength="500"></p>
</section>"""


_STYLE = """
:root { color-scheme: light dark; --ground: #f6f6f4; --card: #fff; --ink: #1d1d1b; --soft: #5e5e58; --line: #d4d3cd;
  --accent: #0b6b53; --on-accent: #fff; --warning: #a12626; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #161715; --card: #212320; --ink: #ecece6; --soft: #a9aaa2; --line: #42443f; --accent: #5fcfae;
    --on-accent: #10211b; --warning: #ff9d94; }
}
* { box-sizing: border-box; } html { scroll-padding: 1rem 0 5rem; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 42rem; margin: 0 auto; padding: 1rem 1rem 5.5rem; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1rem; margin: 0 0 .7rem; color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem; margin: 1rem 0; }
section.done { border-left: .3rem solid var(--accent); padding-left: calc(1rem - .3rem + 1px); }
section p { margin: .8rem 0 0; }
fieldset { border: 0; padding: 0; margin: 1rem 0 0; min-width: 0; } legend { padding: 0; font-weight: 600; }
.plays { display: grid; grid-template-columns: 1fr 1fr; gap: .7rem; }
.choices { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .5rem; }
.choices label { flex: 1 1 5rem; display: flex; gap: .5rem; align-items: center; justify-content: center;
  min-height: 2.75rem; padding: .3rem .8rem; border: 1px solid var(--line); border-radius: .4rem;
  white-space: nowrap; cursor: pointer; }
.choices label:has(:checked) { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.choices label:has(:disabled) { color: var(--soft); cursor: default; }
.hint { color: var(--soft); font-size: .875rem; font-weight: 400; } section p.hint { margin-top: .4rem; }
button { font: inherit; font-weight: 600; min-height: 2.75rem; padding: .3rem 1rem; border-radius: .4rem;
  cursor: pointer; border: 1px solid var(--accent); background: transparent; color: var(--accent); }
button.playing, #save { background: var(--accent); color: var(--on-accent); }
input[type=text] { font: inherit; width: 100%; min-height: 2.75rem; margin-top: .25rem; padding: .3rem .7rem;
  color: inherit; background: var(--card); border: 1px solid var(--line); border-radius: .4rem; }
input[type=radio] { accent-color: var(--accent); width: 1.1rem; height: 1.1rem; margin: 0; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.warning { color: var(--warning); font-weight: 600; }
footer { position: fixed; inset: auto 0 0; background: var(--card); border-top: 1px solid var(--line); }
footer p { max-width: 42rem; margin: 0 auto; padding: .6rem 1rem; display: flex; gap: 1rem; align-items: center;
  justify-content: space-between; }
"""

_SCRIPT = """
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const store = "stopgap-listening-" + data.set;
  const get = id => document.getElementById(id);
  const nothing = () => ({name: "", heard: {}, choices: {}, comments: {}});
  let kept = nothing();
  // a browser may refuse storage to pages from files; then the answers last as long as the page is open
  try { kept = Object.assign(kept, JSON.parse(localStorage.getItem(store) || "{}")); } catch (error) {}
  const keep = () => { try { localStorage.setItem(store, JSON.stringify(kept)); } catch (error) {} show(); };
  const complain = text => { get("trouble").textContent = text; get("trouble").hidden = !text; };
  const radios = pair => document.querySelectorAll(`input[name="${pair}"]`);
  const answered = () => data.pairs.filter(pair => kept.choices[pair]);

  function show() {
    for (const pair of data.pairs) {
      const heard = kept.heard[pair] || {};
      const both = Boolean(heard[1] && heard[2]);
      for (const radio of radios(pair)) {
        radio.disabled = !both;
        radio.checked = kept.choices[pair] === radio.value;
      }
      const hint = heard[1] ? "Now listen to 2." : heard[2] ? "Now listen to 1." : "Listen to both first.";
      get(pair + "-hint").textContent = both ? "" : hint;
      get(pair).classList.toggle("done", Boolean(kept.choices[pair]));
    }
    for (const field of document.querySelectorAll(".comment")) {
      const comment = kept.comments[field.dataset.pair] || "";
      if (field.value !== comment) field.value = comment;
    }
    if (get("name").value !== kept.name) get("name").value = kept.name;
    get("state").textContent = `${answered().length} of ${data.pairs.length} answered`;
  }

  let playing = null;
  function stop() {
    if (!playing) return;
    playing.audio.pause();
    playing.button.textContent = "Play " + playing.button.dataset.place;
    playing.button.classList.remove("playing");
    playing = null;
  }
  function play(button) {
    const again = playing && playing.button === button;
    stop();
    if (again) return;
    const {pair, place} = button.dataset;
    const file = `${pair}-${place}.wav`;
    const audio = new Audio(file);
    const mine = playing = {audio, button};
    button.textContent = "Stop " + place;
    button.classList.add("playing");
    audio.addEventListener("ended", () => { if (playing === mine) stop(); });
    audio.play().then(() => {
      complain("");
      kept.heard[pair] = Object.assign({}, kept.heard[pair], {[place]: true});
      keep();
    }).catch(error => {
      if (error.name === "AbortError") return;  // stopped before it began
      if (playing === mine) stop();
      complain(`${file} cannot be played; keep this page in the folder with the recordings.`);
      get("trouble").scrollIntoView({block: "center"});
    });
  }

  function save() {
    const name = kept.name.trim();
    if (!name) {
      complain("Write your name first: it tells your answers from those of others.");
      get("name").focus();
      return;
    }
    if (!answered().length) {
      complain("Answer at least one question first.");
      get("trouble").scrollIntoView({block: "center"});
      return;
    }
    complain("");
    const answers = answered().map(
      pair => ({pair, choice: kept.choices[pair], comment: (kept.comments[pair] || "").trim()}));
    const text = JSON.stringify({format: data.format, set: data.set, listener: name, answers}, null, 2);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text + "\\n"], {type: "application/json"}));
    const plain = name.normalize("NFKC").replace(/[^\\p{L}\\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
    link.download = `answers-${plain || "listener"}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    get("state").textContent = `saved ${answers.length} of ${data.pairs.length} as ${link.download}`;
  }

  get("name").addEventListener("input", event => { kept.name = event.target.value; keep(); });
  for (const field of document.querySelectorAll(".comment")) {
    field.addEventListener("input", () => { kept.comments[field.dataset.pair] = field.value; keep(); });
  }
  for (const button of document.querySelectorAll(".play")) button.addEventListener("click", () => play(button));
  get("sheet").addEventListener("submit", event => event.preventDefault());
  get("sheet").addEventListener("change", event => {
    if (event.target.type === "radio") { kept.choices[event.target.name] = event.target.value; keep(); }
  });
  get("save").addEventListener("click", save);
  get("anew").addEventListener("click", () => {
    if (!confirm("Clear the name and all answers on this page?")) return;
    stop();
    kept = nothing();
    keep();
    get("name").focus();
  });
  show();
})();
"""
