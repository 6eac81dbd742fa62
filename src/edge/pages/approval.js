/*
 * The page of one approval. Everything that it shows came from the API, for whoever signed in, and is set as text: nothing that an
 * agent or a server wrote can become part of the page.
 */

/**
 * As the API answers; see docs/reference/openapi.json.
 *
 * @typedef {{
 *   id: string, state: string, name: string, names: string[], principals: string[], intent: string,
 *   run: string | null, step: string | null, expiresAt: string, mayDecide: boolean, whyNot: string | null,
 *   rules: {
 *     policy: string, reason?: string | null, groups: string[], quorum: number, approvals: number, endorses: string[],
 *   }[],
 * }} Approval
 * @typedef {{ approval: Approval, votes: { name: string, vote: string, at: string }[], shown: string | null }} Shown
 * @typedef {{ approval: Approval, isDecided: boolean }} Decided
 */

const tokenKey = "signalbox.token";
const id = location.pathname.split("/").at(-1) ?? "";

/** What is on the page now; null = nobody has signed in. @type {Approval | null} */
let current = null;
/** How far the node's clock is ahead of ours: the countdown is theirs. */
let aheadMs = 0;

/** @param {string} name */
function part(name) {
  const found = document.getElementById(name);
  if (found === null) throw new Error(`the page has no ${name}`);
  return found;
}

const token = /** @type {HTMLInputElement} */ (part("token"));
const reason = /** @type {HTMLTextAreaElement} */ (part("reason"));
const buttons = ["approve", "deny", "again"].map((name) => /** @type {HTMLButtonElement} */ (part(name)));

part("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(tokenKey, token.value.trim());
  token.value = "";
  void look();
});
part("decision").addEventListener("submit", (event) => event.preventDefault());
part("sign-out").addEventListener("click", () => signOut(null));
part("again").addEventListener("click", () => void look());
part("approve").addEventListener("click", () => void decide("approve"));
part("deny").addEventListener("click", () => {
  const isMissing = reason.value.trim() === "";
  part("missing").hidden = !isMissing;
  reason.setAttribute("aria-invalid", String(isMissing));
  if (isMissing) reason.focus();
  else void decide("deny");
});
setInterval(tick, 1000);

if (sessionStorage.getItem(tokenKey) === null) showSignIn(null);
else void look();

async function look() {
  const answer = /** @type {Shown | null} */ (await ask("GET", ""));
  if (answer === null) return;
  part("result").hidden = true;
  show(answer);
  part("name").focus();
}

/** @param {"approve" | "deny"} verb */
async function decide(verb) {
  if (current === null) return;
  const body = { intent: current.intent, reason: reason.value.trim() };
  const answer = /** @type {Decided | null} */ (await ask("POST", `/${verb}`, body));
  if (answer === null) return;
  showApproval({ ...answer.approval, mayDecide: false, whyNot: null });
  const result = part("result");
  result.textContent = sentence(verb, answer);
  result.dataset["tone"] = verb === "approve" ? "go" : "stop";
  result.hidden = false;
  result.focus();
}

/**
 * @param {"approve" | "deny"} verb
 * @param {Decided} answer
 */
function sentence(verb, { approval, isDecided }) {
  if (verb === "deny") return `Denied. ${approval.name} does not run, and the agent is told why.`;
  if (isDecided) return `Approved. ${approval.name} runs once, when the agent comes back for it.`;
  return "Your yes counts. It takes more of them before anything runs.";
}

/**
 * Null = it did not work, and the page says why.
 *
 * @param {"GET" | "POST"} method
 * @param {string} verb
 * @param {unknown} [body]
 * @returns {Promise<unknown>}
 */
async function ask(method, verb, body) {
  setBusy(true);
  trouble(null);
  try {
    const response = await fetch(`/api/v1/approvals/${encodeURIComponent(id)}${verb}`, {
      method,
      headers: {
        authorization: `Bearer ${sessionStorage.getItem(tokenKey) ?? ""}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    const date = Date.parse(response.headers.get("date") ?? "");
    if (!Number.isNaN(date)) aheadMs = date - Date.now();
    const answer = await response.json();
    if (response.ok) return answer;
    const { message = "It did not work.", detail = "" } = answer.error ?? {};
    if (response.status === 401) signOut("This key or token is not known, or not good any more.");
    else trouble(visible(`${message} ${detail}`.trim()));
  } catch {
    trouble("Signalbox cannot be reached. Try again in a moment.");
  } finally {
    setBusy(false);
  }
  // With another key, perhaps.
  if (current === null) showSignIn(part("trouble").textContent || null);
  return null;
}

/** @param {string | null} why */
function signOut(why) {
  sessionStorage.removeItem(tokenKey);
  showSignIn(why);
}

/** @param {string | null} why */
function showSignIn(why) {
  current = null;
  for (const name of ["arguments", "name", "by", "intent", "size"]) part(name).textContent = "";
  for (const name of ["rules", "votes"]) part(name).replaceChildren();
  reason.value = "";
  part("request").hidden = true;
  part("sign-out").hidden = true;
  part("sign-in").hidden = false;
  trouble(why);
  token.focus();
}

/** @param {Shown} shown */
function show({ approval, votes, shown }) {
  part("arguments").textContent = shown ?? "They were erased.";
  const lines = shown === null ? 0 : shown.split("\n").length;
  part("size").textContent =
    `${lines} ${lines === 1 ? "line" : "lines"}, all of it shown. ` +
    "Signs that would hide or turn round what stands beside them stand as their numbers, like ⟨U+202E⟩.";
  part("votes").replaceChildren(
    ...votes.map(({ name, vote, at }) =>
      item([`${visible(name)}: ${vote === "approve" ? "yes" : "no"}`, dateText(at)]),
    ),
  );
  showApproval(approval);
  part("sign-in").hidden = true;
  part("request").hidden = false;
  part("sign-out").hidden = false;
}

/** @param {Approval} approval */
function showApproval(approval) {
  current = approval;
  part("name").textContent = visible(approval.name);
  const { run, step, names } = approval;
  const within = run === null || step === null ? "" : `, as step ${step} of ${run}`;
  part("by").textContent = visible(`is asked for by ${names.join(" for ")}${within}`);
  part("intent").textContent = approval.intent;
  part("rules").replaceChildren(
    ...approval.rules.map(({ groups, quorum, approvals, policy, reason }) => {
      const line = item([`${approvals} of ${quorum} by ${groups.join(" or ")}`, `policy ${visible(policy)}`]);
      const dots = document.createElement("span");
      dots.className = "dots";
      dots.ariaHidden = "true";
      dots.textContent =
        "●".repeat(Math.min(approvals, quorum)) + "○".repeat(Math.max(0, quorum - approvals));
      line.prepend(dots);
      // Left out by a node of the version before.
      if (typeof reason === "string") {
        const why = document.createElement("span");
        why.className = "why";
        why.textContent = visible(reason);
        line.append(why);
      }
      return line;
    }),
  );
  const endorsed = [...new Set(approval.rules.flatMap(({ endorses }) => endorses))].join(", ");
  part("endorses").hidden = endorsed === "";
  part("endorses").textContent = visible(
    `A yes stands for more than this call: later calls of the same tool in the run ${run ?? ""} are not asked about again where they have the same ${endorsed}, whatever else is in them.`,
  );
  const whyNot = part("why-not");
  whyNot.hidden = approval.whyNot === null;
  whyNot.textContent =
    approval.whyNot === null ? "" : visible(`You do not decide about it: ${approval.whyNot}.`);
  tick();
}

/**
 * As `src/approvals/visible-text.ts` has it: names are written by others too, and must not hide or turn round what stands beside them.
 *
 * @param {string} text
 */
function visible(text) {
  return text.replace(
    /(?![ \n])(?:\p{C}|\p{Z}|\p{Default_Ignorable_Code_Point})/gu,
    (sign) => `⟨U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );
}

/** @param {string[]} texts what it says, and what it says beside it */
function item([text = "", beside = ""]) {
  const line = document.createElement("li");
  const words = document.createElement("span");
  words.textContent = text;
  const hint = document.createElement("span");
  hint.className = "hint";
  hint.textContent = beside;
  line.append(words, hint);
  return line;
}

/** What time changes: how long there is left, and whether there is anything left to decide. */
function tick() {
  if (current === null) return;
  const leftMs = Date.parse(current.expiresAt) - Date.now() - aheadMs;
  const isOpen = current.state === "pending" && leftMs > 0;
  const state = current.state === "pending" && !isOpen ? "expired" : current.state;
  part("state").textContent = state;
  part("state").dataset["tone"] =
    state === "pending" ? "wait" : state === "approved" || state === "used" ? "go" : "stop";
  part("clock").textContent = isOpen ? `${timeText(leftMs)} left, until ${dateText(current.expiresAt)}` : "";
  part("decision").hidden = !isOpen || !current.mayDecide;
}

/** @param {string} at */
const dateText = (at) => new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

/** @param {number} ms */
function timeText(ms) {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(seconds / unit));
  if (days) return `${days} d ${(hours ?? 0) % 24} h`;
  if (hours) return `${hours} h ${(minutes ?? 0) % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}

/** @param {string | null} text */
function trouble(text) {
  part("trouble").textContent = text;
  part("trouble").hidden = text === null;
}

/** @param {boolean} isBusy */
function setBusy(isBusy) {
  for (const button of buttons) button.disabled = isBusy;
  part("request").ariaBusy = String(isBusy);
}
