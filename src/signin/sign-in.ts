import { codes } from "../../contract/index.ts";
import type { Acts } from "../admin/index.ts";
import type { Clock, Random } from "../base/index.ts";
import { Fault } from "../base/index.ts";
import type { SignInAnswer, SignInDesk, SignInRequest } from "../edge/index.ts";
import type { Identities } from "../identity/index.ts";
import type { Keys } from "../keys/index.ts";
import type { Store } from "../store/index.ts";
import { json, notAllowed, problemAnswer } from "./answers.ts";
import { AuthorizeEndpoint } from "./authorize.ts";
import type { ClientDocuments } from "./client-documents.ts";
import { Clients } from "./clients.ts";
import { paths, serverMetadata } from "./metadata.ts";
import { notNowPage, refusalPage } from "./pages.ts";
import { notNow, problem } from "./problem.ts";
import { register } from "./register.ts";
import { Seals } from "./seals.ts";
import { TokenEndpoint } from "./token.ts";

export interface SignInOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: Pick<Keys, "scopeKey" | "seal" | "open">;
  readonly store: Pick<Store, "now" | "takeDueWakeUps">;
  readonly identities: Pick<
    Identities,
    "issueToken" | "tokenTtlMs" | "keyHolding" | "keyHeld" | "refreshIfChanged"
  >;
  readonly acts: Pick<Acts, "perform" | "recordRefusal">;
  /** null = clients are not looked up, and have to register. */
  readonly documents: ClientDocuments | null;
  /** A bug of ours or a store that fails: for the log. Must not throw. */
  readonly onTrouble: (doing: string, thrown: unknown) => void;
}

/** The room's one object. It has nothing to start or to stop, and any node goes on where another began. */
export class SignIn implements SignInDesk {
  private readonly options: SignInOptions;
  private readonly clients: Clients;
  private readonly authorize: AuthorizeEndpoint;
  private readonly token: TokenEndpoint;

  constructor(options: SignInOptions) {
    this.options = options;
    const seals = new Seals(options.keys);
    this.clients = new Clients({ seals, documents: options.documents });
    this.authorize = new AuthorizeEndpoint({ ...options, seals, clients: this.clients });
    this.token = new TokenEndpoint({ ...options, seals });
  }

  serves(path: string): boolean {
    return (Object.values(paths) as readonly string[]).includes(path);
  }

  async answer(request: SignInRequest): Promise<SignInAnswer> {
    try {
      return await this.answered(request);
    } catch (thrown) {
      this.options.onTrouble(`answering at ${request.path}`, thrown);
      return failed(request.path, thrown);
    }
  }

  private async answered(request: SignInRequest): Promise<SignInAnswer> {
    const method = request.method === "HEAD" ? "GET" : request.method;
    switch (request.path) {
      case paths.metadata:
        return method === "GET"
          ? json(200, serverMetadata(request.base, this.options.documents !== null))
          : notAllowed("GET");
      case paths.register:
        return method === "POST"
          ? register(request, { ...this.options, clients: this.clients })
          : notAllowed("POST");
      case paths.token:
        return method === "POST" ? this.token.answer(request) : notAllowed("POST");
      default:
        if (method === "GET") return this.authorize.ask(request);
        return method === "POST" ? this.authorize.decide(request) : notAllowed("GET, POST");
    }
  }
}

/** What passes by itself, as a store that is away, is told apart from what somebody has to mend. */
function failed(path: string, thrown: unknown): SignInAnswer {
  const passes = thrown instanceof Fault && codes[thrown.code].http === 503;
  if (path === paths.authorize) return passes ? notNowPage : refusalPage(500, "Something failed here.");
  const { refusal } = passes ? notNow : problem("server_error", "Something failed here. Try again.");
  return problemAnswer(refusal);
}
