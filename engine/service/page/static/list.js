// The conversations on the left: pages, filters, and which one is chosen.

import { get } from "./api.js";
import { behaviorTag, button, element, experience, found, moment, plural, seconds, short } from "./dom.js";

const PAGE = 20;

export class ConversationList {
  /** `choose(id)` is called when one is chosen, `failed(error)` returns the sentence for an error, or null. */
  constructor({ choose, failed }) {
    this.choose = choose;
    this.failed = failed;
    this.root = found("list");
    this.filters = {};
    this.begin();
    found("refresh").addEventListener("click", () => this.restart());
    found("state").addEventListener("change", () => this.restart());
    found("previous").addEventListener("click", () => this.turn(-1));
    found("next").addEventListener("click", () => this.turn(1));
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** Forget everything: somebody else may sign in. */
  begin() {
    this.tokens = [0];
    this.at = 0;
    this.next = null;
    this.chosen = null;
    this.filters = {};
    found("state").value = "";
    this.showFilters();
    this.root.replaceChildren();
  }

  restart() {
    this.tokens = [0];
    this.at = 0;
    return this.load();
  }

  turn(by) {
    if (by > 0 && this.next === null) return undefined;
    this.at = Math.max(0, this.at + by);
    if (by > 0) this.tokens[this.at] = this.next;
    return this.load();
  }

  /** Show only the conversations of one user, or with one service. */
  filter(name, value) {
    this.filters[name] = value;
    this.showFilters();
    return this.restart();
  }

  showFilters() {
    const chips = Object.entries(this.filters).map(([name, value]) => {
      const label = name === "user_id" ? "user" : "service";
      const drop = () => {
        delete this.filters[name];
        this.showFilters();
        this.restart();
      };
      return element("span", { class: "chip" }, `${label} ${short(value)} `, button("×", drop, { "aria-label": `Show every ${label} again` }));
    });
    found("chips").replaceChildren(...chips);
  }

  async load() {
    const query = { limit: PAGE, continuation_token: this.tokens[this.at], with_summary: true, ...this.filters };
    if (found("state").value) query.is_finished = found("state").value;
    this.root.setAttribute("aria-busy", "true");
    for (const id of ["previous", "next"]) found(id).disabled = true;
    try {
      const page = await get("/conversation/", query, "list");
      if (page === null) return;
      this.next = page.has_more ? page.continuation_token : null;
      found("list-problem").textContent = "";
      this.draw(page.conversations);
    } catch (error) {
      const told = this.failed(error);
      if (told === null) return;
      found("list-problem").textContent = told;
      if (!this.root.children.length) this.draw(null);
    } finally {
      this.root.removeAttribute("aria-busy");
      found("previous").disabled = this.at === 0;
      found("next").disabled = this.next === null;
    }
  }

  draw(conversations) {
    found("page").textContent = conversations?.length || this.at ? `page ${this.at + 1}` : "";
    const narrowed = found("state").value || Object.keys(this.filters).length;
    const empty = narrowed ? "No such conversations." : "No conversations yet: one is listed when its first interaction is complete.";
    if (conversations === null) this.root.replaceChildren();
    else if (conversations.length) this.root.replaceChildren(...conversations.map((one) => this.item(one)));
    else this.root.replaceChildren(element("li", { class: "note" }, empty));
    this.mark(this.chosen);
  }

  item(one) {
    const { summary } = one;
    const worst = summary?.longest_dead_air_s ?? null;
    const made = button("", () => this.choose(one.id), { class: "conversation", "data-id": one.id });
    const air = element("span", { class: `air ${experience(worst)}`, title: "worst dead air of its newest turns" }, worst === null ? "" : seconds(worst));
    const about = [plural(one.num_interactions, "turn"), one.is_finished ? "finished" : "under way", ...(one.is_test ? ["test"] : [])];
    made.append(
      element("span", { class: "top" }, moment(one.created_at), air),
      element("span", { class: "about" }, about.join(" · ")),
      element("span", { class: "about", title: `service ${one.service_id}, user ${one.user_id}` }, `service ${one.service_id.slice(0, 6)}… · user ${one.user_id.slice(0, 6)}…`),
      element("span", { class: "final" }, one.final_message || "no message"),
    );
    if (summary?.behaviors.length) made.append(element("span", { class: "marks" }, ...summary.behaviors.slice(0, 4).map((behavior) => behaviorTag(behavior))));
    return element("li", {}, made);
  }

  /** Mark the conversation that is shown. */
  mark(id) {
    this.chosen = id;
    for (const made of this.root.querySelectorAll(".conversation")) {
      if (made.dataset.id === id) made.setAttribute("aria-current", "true");
      else made.removeAttribute("aria-current");
    }
  }

  onKey(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || event.ctrlKey || event.altKey || event.metaKey) return;
    const all = [...this.root.querySelectorAll(".conversation")];
    all[all.indexOf(document.activeElement) + by]?.focus();
    event.preventDefault();
  }
}
