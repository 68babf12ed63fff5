// Requests to the service that this page came from, and who is signed in.

const KEPT = "stopgap-session";
const waiting = new Map();

/** A request that was refused, or not answered. The message is a sentence for the user. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Who is signed in: { organization, user, token, expiresAt }; null: nobody. This tab alone knows. */
export function session() {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

export function signOut() {
  sessionStorage.removeItem(KEPT);
  for (const control of waiting.values()) control.abort();
  waiting.clear();
}

/** Exchange a key for a token. */
export async function signIn({ organization, user, keyId, key }) {
  if (![user, keyId, key].every((text) => /^[\x20-\x7e]+$/.test(text))) throw new Refused(422, "User id, key id and key are made of plain letters, digits and signs; copy them again.");
  const headers = { "x-user-id": user, "x-api-key-id": keyId, "x-api-key": key };
  const answer = await asked(`/v1/${encodeURIComponent(organization)}/user/signin_with_api_key`, { method: "POST", headers });
  sessionStorage.setItem(KEPT, JSON.stringify({ organization, user, token: answer.id_token, expiresAt: answer.expires_at }));
}

/** Get `path` of the organization; a newer request of the same `name` gives the older one up (null then). */
export const get = (path, query, name) => sent("GET", `${path}?${new URLSearchParams(query)}`, undefined, name);

/** Post JSON to `path` of the organization. */
export const post = (path, data, name) => sent("POST", path, data, name);

async function sent(method, path, data, name) {
  const who = session();
  if (who === null) throw new Refused(401, "Sign in first.");
  waiting.get(name)?.abort();
  const control = new AbortController();
  waiting.set(name, control);
  const headers = { authorization: `Bearer ${who.token}` };
  if (data !== undefined) headers["content-type"] = "application/json";
  try {
    const body = data === undefined ? undefined : JSON.stringify(data);
    const answer = await asked(`/v1/${encodeURIComponent(who.organization)}${path}`, { method, headers, body, signal: control.signal });
    return control.signal.aborted ? null : answer;
  } catch (error) {
    if (control.signal.aborted) return null;
    throw error;
  } finally {
    if (waiting.get(name) === control) waiting.delete(name);
  }
}

async function asked(address, options) {
  let answer;
  try {
    answer = await fetch(address, { cache: "no-store", credentials: "omit", ...options });
  } catch (error) {
    if (error instanceof TypeError) throw new Refused(0, "The service does not answer; try again in a moment.");
    throw error;
  }
  const data = await answer.json().catch(() => null);
  if (answer.ok && data !== null) return data;
  if (answer.status === 429) throw new Refused(429, `Too many requests; try again in ${answer.headers.get("retry-after") ?? "60"} s.`);
  throw new Refused(answer.status, sentence(data?.message) || `The service answered with status ${answer.status}.`);
}

function sentence(text) {
  if (typeof text !== "string" || !text) return "";
  return `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
