import { ok } from "../base/index.ts";
import type { ClientClaims } from "./client-claims.ts";
import type { ClientDocuments } from "./client-documents.ts";
import { clientIdCharsMax } from "./bounds.ts";
import type { Judged } from "./problem.ts";
import { problem } from "./problem.ts";
import type { Seals } from "./seals.ts";

export interface Client extends ClientClaims {
  readonly id: string;
  /** Whose word its name and addresses are: the host of its metadata document. Null = nobody's, it registered by itself. */
  readonly vouchedBy: string | null;
}

/** Lets secret scanners and people see what it is. */
const prefix = "sbc_";

/** Who asks for a code. Nothing is kept of clients: an id holds what was registered, or says where that stands. */
export class Clients {
  private readonly seals: Seals;
  private readonly documents: ClientDocuments | null;

  constructor(parts: { seals: Seals; documents: ClientDocuments | null }) {
    this.seals = parts.seals;
    this.documents = parts.documents;
  }

  async newId(claims: ClientClaims): Promise<string> {
    return `${prefix}${await this.seals.seal("client", claims)}`;
  }

  async find(id: string): Promise<Judged<Client>> {
    if (id.startsWith("https://") && this.documents !== null) {
      const document = await this.documents.read(id);
      return document.ok ? ok({ ...document.value, id, vouchedBy: new URL(id).host }) : document;
    }
    const isOurs = id.startsWith(prefix) && id.length <= clientIdCharsMax;
    const claims = isOurs ? await this.seals.open("client", id.slice(prefix.length)) : null;
    if (claims === null) return unknownClient;
    return ok({ ...(claims as ClientClaims), id, vouchedBy: null }); // sealed by newId
  }
}

/** For the person who sees it: the program itself is not told, as there is nobody to tell. */
const unknownClient = problem(
  "invalid_client",
  "This program is not known here: it registered somewhere else, or before this node was set up anew. Have it forget this server, and add the server again.",
);
