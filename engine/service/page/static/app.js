// The page: who is signed in, and which conversation is shown. The address names it: "#" and its id.

import { session, signIn, signOut } from "./api.js";
import { ConversationView } from "./conversation.js";
import { found, short } from "./dom.js";
import { ConversationList } from "./list.js";

const view = new ConversationView({ filter: (name, value) => list.filter(name, value), failed });
const list = new ConversationList({ choose, failed });

/** Return the sentence for an error; null: it is dealt with, as that one has to sign in again. */
function failed(error) {
  if (error.status === 401) {
    leave("Your sign-in is not valid any more; sign in again.");
    return null;
  }
  if (error.status === undefined) throw error; // no refusal, but a mistake of this page
  return error.message;
}

function named() {
  const id = location.hash.slice(1);
  return /^[0-9a-f]{24}$/.test(id) ? id : null;
}

function choose(id) {
  if (named() === id) route();
  else location.hash = id;
}

/** Show what the address names. */
function route() {
  if (session() === null) return;
  const id = named();
  found("desk").classList.toggle("has-chosen", id !== null);
  list.mark(id);
  if (id === null) view.close();
  else view.open(id);
}

function enter() {
  const who = session();
  found("sign-in").hidden = true;
  found("desk").hidden = false;
  found("who").hidden = false;
  found("who-text").textContent = `${who.organization} · user ${short(who.user)}`;
  found("who-text").title = who.user;
  list.begin();
  list.load();
  route();
}

function leave(sentence) {
  const who = session();
  signOut();
  list.begin();
  view.close();
  found("desk").hidden = true;
  found("who").hidden = true;
  found("sign-in").hidden = false;
  found("key").value = "";
  if (who !== null) {
    found("organization").value = who.organization;
    found("user").value = who.user;
  }
  found("sign-in-problem").textContent = sentence;
  found(who === null ? "organization" : "key-id").focus();
}

found("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const submit = event.target.querySelector("button");
  const [organization, user, keyId, key] = ["organization", "user", "key-id", "key"].map((id) => found(id).value.trim());
  submit.disabled = true;
  found("sign-in-problem").textContent = "";
  try {
    await signIn({ organization, user, keyId, key });
    found("key").value = "";
    enter();
  } catch (error) {
    if (error.status === undefined) throw error;
    found("sign-in-problem").textContent = error.message;
  } finally {
    submit.disabled = false;
  }
});
found("sign-out").addEventListener("click", () => {
  history.replaceState(null, "", location.pathname);
  leave("");
});
found("back").addEventListener("click", () => {
  location.hash = "";
  found("list").querySelector(".conversation")?.focus();
});
window.addEventListener("hashchange", route);

if (session() === null) leave("");
else enter();
