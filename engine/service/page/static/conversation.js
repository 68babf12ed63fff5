// The conversation on the right.

import { get } from "./api.js";
import { button, element, found, moment, plural, short } from "./dom.js";
import { Metrics } from "./metrics.js";
import { TurnList } from "./turns.js";

const PAGE = 60; // turns at once

export class ConversationView {
  /** `filter(name, value)` narrows the list, `failed(error)` returns the sentence for an error, or null. */
  constructor({ filter, failed }) {
    this.filter = filter;
    this.failed = failed;
    this.turns = new TurnList(found("turns"), found("legend"));
    this.metrics = new Metrics({ turns: this.turns, failed });
    found("scale").addEventListener("change", () => this.turns.rescale(found("scale").value));
    found("more").addEventListener("click", () => this.more());
  }

  /** Show nothing, and keep nothing of what was shown. */
  close() {
    this.id = null;
    this.turns.clear();
    this.metrics.begin(null);
    for (const id of ["conversation-title", "facts", "tags"]) found(id).replaceChildren();
    found("chosen").hidden = true;
    found("nothing").hidden = false;
    found("conversation-problem").textContent = "";
  }

  async open(id) {
    this.id = id;
    found("conversation").setAttribute("aria-busy", "true");
    found("nothing").hidden = true;
    const page = await this.page(0);
    if (page === null) return;
    found("chosen").hidden = false;
    this.turns.clear();
    this.describe(page);
    this.take(page);
    this.metrics.begin(id);
  }

  async more() {
    found("more").disabled = true;
    const page = await this.page(this.next);
    found("more").disabled = false;
    if (page !== null) this.take(page);
  }

  /** Get a page of turns; null: something else was opened meanwhile, or it failed, which is told. */
  async page(token) {
    const { id } = this;
    try {
      const page = await get(`/conversation/${encodeURIComponent(id)}/turn/`, { limit: PAGE, continuation_token: token }, "turns");
      if (page !== null && this.id === id) found("conversation-problem").textContent = "";
      return this.id === id ? page : null;
    } catch (error) {
      const told = this.failed(error);
      if (told === null || this.id !== id) return null;
      if (token === 0) found("chosen").hidden = true;
      found("conversation-problem").textContent = told;
      return null;
    } finally {
      if (this.id === id) found("conversation").removeAttribute("aria-busy");
    }
  }

  take(page) {
    this.turns.add(page.turns);
    this.next = page.continuation_token;
    found("more-turns").hidden = !page.has_more;
    found("turns-count").textContent = page.has_more ? `${this.turns.turns.length} of ${page.num_interactions}` : "";
  }

  describe(page) {
    const title = found("conversation-title");
    title.replaceChildren("Conversation ", element("code", { title: page.conversation_id }, short(page.conversation_id)));
    const fact = (name, ...value) => element("div", {}, element("dt", {}, name), element("dd", {}, ...value));
    const only = (name, label, value) => button(short(value), () => this.filter(name, value), { class: "plain", title: value, "aria-label": `Show only conversations ${label} ${value}` });
    const agent = page.turns.find((turn) => turn.record?.agent)?.record.agent;
    found("facts").replaceChildren(
      fact("Began", moment(page.created_at)),
      fact("State", page.is_finished ? "finished" : "under way"),
      fact("Turns", plural(page.num_interactions, "turn")),
      fact("User", only("user_id", "of user", page.user_id)),
      fact("Service", only("service_id", "with service", page.service_id)),
      ...(agent ? [fact("Agent", agent)] : []),
    );
    const tags = Object.entries(page.tags).map(([key, value]) => element("span", { class: "chip" }, value === null ? key : `${key}: ${value}`));
    found("tags").replaceChildren(...tags);
    const withheld = page.turns.some((turn) => turn.actions === null);
    found("withheld").hidden = !withheld;
    found("withheld").textContent = withheld ? "What was heard is not shown: that takes the permission Conversation:GetInteractionInsights." : "";
  }
}
