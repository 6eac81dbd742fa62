import { Acts } from "../admin/index.ts";
import type { Clock, Random, Result } from "../base/index.ts";
import { ManualClock, seededRandom } from "../base/index.ts";
import type { SignInAnswer, SignInRequest } from "../edge/index.ts";
import type { ApiKeyId, PrincipalId, PrincipalKind } from "../identity/index.ts";
import { Identities, defaultTenant, identityTables } from "../identity/index.ts";
import { Keys, keyTables } from "../keys/index.ts";
import { Ledger, ledgerTables } from "../ledger/index.ts";
import { Net } from "../net/index.ts";
import type { Change, Store } from "../store/index.ts";
import { MemoryDatabase, openMemoryStore } from "../store/index.ts";
import { pkce } from "../../test/fixtures/signing-person.ts";
import { ClientDocuments } from "./client-documents.ts";
import { SignIn } from "./sign-in.ts";

export const tables = [...keyTables, ...identityTables, ...ledgerTables];
export const base = "http://127.0.0.1:7070";
export const callback = "http://127.0.0.1:1/cb";
/** Where a client finds a port free today. */
export const calledBackAt = "http://127.0.0.1:50123/cb";

export interface Holder {
  readonly name: string;
  readonly id: PrincipalId;
  readonly keyId: ApiKeyId;
  readonly key: string;
}

/** One node's part in it, without HTTP: what the edge hands over, and what it would send. */
export class Desk {
  readonly signIn: SignIn;
  readonly identities: Identities;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly troubles: string[] = [];
  private readonly keys: Keys;
  private readonly net: Net;

  constructor({
    store,
    clock,
    random,
    documents,
  }: {
    store: Store;
    clock: Clock;
    random: Random;
    /** Left out: from public addresses. */
    documents?: ClientDocuments | null;
  }) {
    this.store = store;
    this.keys = new Keys({ store, random, clock, kek: new Uint8Array(32).fill(7) });
    this.ledger = new Ledger({ store, keys: this.keys, clock, installationId: "test" });
    this.identities = new Identities({ store, keys: this.keys, clock, random });
    this.net = new Net({ clock });
    this.signIn = new SignIn({
      clock,
      random,
      keys: this.keys,
      store,
      identities: this.identities,
      acts: new Acts({ store, keys: this.keys, ledger: this.ledger, clock, random }),
      documents: documents === undefined ? new ClientDocuments({ net: this.net, clock }) : documents,
      onTrouble: (doing, thrown) => this.troubles.push(`${doing}: ${String(thrown)}`),
    });
  }

  async start(): Promise<this> {
    await this.store.start();
    await this.keys.start();
    await this.ledger.start();
    await this.identities.start();
    this.net.start();
    const first = this.identities.bootstrap();
    if (first.ok && first.value.writes.length > 0) await this.commit(first);
    return this;
  }

  async stop(): Promise<void> {
    await this.net.stop();
    await this.identities.stop();
    await this.ledger.stop();
    await this.keys.stop();
    await this.store.stop();
  }

  async commit<T>(change: Result<Change<T>>): Promise<T> {
    if (!change.ok) throw new Error(change.refusal.detail);
    const { verdict } = await this.store.commit(change.value.writes);
    if (verdict !== "done") throw new Error("the change conflicts");
    change.value.applied();
    return change.value.value;
  }

  get self() {
    const node = this.identities.node(defaultTenant);
    if (!node.ok) throw new Error(node.refusal.detail);
    return node.value;
  }

  async holder(name: string, kind: PrincipalKind = "agent", ttlMs: number | null = null): Promise<Holder> {
    const make = { agent: "createAgent", person: "createPerson", service: "createService" } as const;
    const { id } = await this.commit(this.identities[make[kind]](this.self, { name, roles: [] }));
    const issued = await this.commit(this.identities.issueApiKey(this.self, id, { label: "x", ttlMs }));
    return { name, id, keyId: issued.record.id, key: issued.secret };
  }

  /** Methods, outcomes and principals of the newest entries, newest first. */
  async entries(limit = 10): Promise<string[]> {
    const found = await this.ledger.list(defaultTenant, { limit });
    return found.map(
      ({ entry: { method, outcome, principals } }) => `${method} ${outcome?.kind} ${principals[0]}`,
    );
  }

  ask(parts: Partial<SignInRequest> & Pick<SignInRequest, "path">): Promise<SignInAnswer> {
    return this.signIn.answer({
      method: "GET",
      query: "",
      headers: { host: new URL(parts.base ?? base).host },
      body: Buffer.alloc(0),
      base,
      ...parts,
    });
  }

  post(
    path: string,
    body: string,
    type: string,
    headers: SignInRequest["headers"] = {},
  ): Promise<SignInAnswer> {
    const own = { host: new URL(base).host, "content-type": type, ...headers };
    return this.ask({ method: "POST", path, body: Buffer.from(body), headers: own });
  }

  form(path: string, fields: Fields, headers: SignInRequest["headers"] = {}): Promise<SignInAnswer> {
    return this.post(path, queryOf(fields), "application/x-www-form-urlencoded", headers);
  }

  async register(metadata: object = { client_name: "Editor", redirect_uris: [callback] }): Promise<string> {
    const answer = await this.post("/oauth/register", JSON.stringify(metadata), "application/json");
    if (answer.status !== 201) throw new Error(answer.text);
    return (JSON.parse(answer.text) as { client_id: string }).client_id;
  }

  /** As a client asks that does all of it right, but for what is named. */
  async authorize(
    clientId: string,
    over: Fields = {},
  ): Promise<SignInAnswer & { readonly verifier: string }> {
    const { verifier, challenge } = pkce();
    const query = queryOf({
      response_type: "code",
      client_id: clientId,
      redirect_uri: calledBackAt,
      state: "of the client",
      scope: "mcp:read mcp:call",
      code_challenge: challenge,
      code_challenge_method: "S256",
      resource: `${base}/mcp`,
      ...over,
    });
    return { ...(await this.ask({ path: "/oauth/authorize", query })), verifier };
  }

  decide(page: SignInAnswer, fields: Fields, headers: SignInRequest["headers"] = {}): Promise<SignInAnswer> {
    return this.form("/oauth/authorize", { request: sealedIn(page), decision: "allow", ...fields }, headers);
  }

  /** All that a person and a browser do: what the client then brings to the token endpoint. */
  async signedIn(key: string, over: Fields = {}): Promise<Fields> {
    const clientId = over["client_id"] ?? (await this.register());
    const page = await this.authorize(clientId, over);
    const back = sentTo(await this.decide(page, { key }));
    return {
      grant_type: "authorization_code",
      code: back.searchParams.get("code") ?? "none",
      client_id: clientId,
      redirect_uri: over["redirect_uri"] ?? calledBackAt,
      code_verifier: page.verifier,
      resource: `${base}/mcp`,
    };
  }

  async token(fields: Fields, headers: SignInRequest["headers"] = {}): Promise<TokenReply> {
    const { status, text, headers: said } = await this.form("/oauth/token", fields, headers);
    return { status, said, ...(JSON.parse(text) as object) };
  }
}

export interface TokenReply {
  readonly status: number;
  readonly said: readonly string[];
  readonly access_token?: string;
  readonly expires_in?: number;
  readonly scope?: string;
  readonly token_type?: string;
  readonly error?: string;
}

/** A value of undefined leaves it out. */
export type Fields = Readonly<Record<string, string | undefined>>;

export const queryOf = (fields: Fields): string =>
  new URLSearchParams(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  ).toString();

export const headerOf = ({ headers }: Pick<SignInAnswer, "headers">, name: string): string | null => {
  const at = headers.findIndex((each, index) => index % 2 === 0 && each.toLowerCase() === name.toLowerCase());
  return at === -1 ? null : (headers[at + 1] ?? null);
};

export function sentTo(answer: SignInAnswer): URL {
  const location = headerOf(answer, "location");
  if (location === null) throw new Error(`nobody is sent on: ${answer.status} ${answer.text}`);
  return new URL(location);
}

export const sealedIn = ({ text }: SignInAnswer): string =>
  /name="request" value="([^"]*)"/.exec(text)?.[1] ?? "no form";

/** Nodes on one database in memory, and a clock that moves when it is told to. */
export class SignInWorld {
  readonly clock = new ManualClock();
  private readonly database = new MemoryDatabase(tables);
  private readonly running: Desk[] = [];

  async node(more: { readonly documents?: ClientDocuments | null } = {}): Promise<Desk> {
    const { clock, database } = this;
    const store = openMemoryStore({ tables, clock, database });
    const random = seededRandom(`sign-in ${this.running.length}`);
    const desk = await new Desk({ store, clock, random, ...more }).start();
    this.running.unshift(desk);
    return desk;
  }

  async stop(): Promise<void> {
    for (const desk of this.running.splice(0)) await desk.stop();
  }
}
