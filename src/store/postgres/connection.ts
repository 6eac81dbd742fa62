import type { Writable } from "node:stream";
import pg from "pg";
import { Fault } from "../../base/index.ts";
import type { PostgresConnection } from "./options.ts";
import { clientConfig, hasSession } from "./options.ts";

export type Parameter = string | number | Buffer | null;

export interface Statement {
  readonly text: string;
  readonly values?: readonly Parameter[];
  /** Kept prepared in the connection under a name of its own. Only for texts of which there are few. */
  readonly isKept?: boolean;
}

/** Rows as arrays, in the order of what was selected. */
export type Rows = readonly (readonly unknown[])[];

export interface Outcome {
  readonly rows: Rows;
  readonly command: string;
}

/** bytea, int8, int4, oid, bool: what we ask for. Everything else stays the text it came as. */
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  16: (text) => text === "t",
  17: (text) => Buffer.from(text.slice(2), "hex"),
  20: Number,
  23: Number,
  26: Number,
};
const asIs = (text: string): unknown => text;
export const types = {
  getTypeParser: (oid: number) => parsers[oid] ?? asIs,
};

/** One connection whose statements are sent at once and answered in order. */
export class Connection {
  private readonly client: pg.Client;
  private readonly canKeep: boolean;
  private readonly names = new Map<string, string>();
  private lost: unknown = null;
  private warnings = 0;

  private constructor(client: pg.Client, canKeep: boolean) {
    this.client = client;
    this.canKeep = canKeep;
  }

  /** `onLost` is called at most once, when the connection ends without our asking. */
  static async open(
    options: PostgresConnection,
    onLost: (cause: unknown) => void = () => {},
  ): Promise<Connection> {
    const client = new pg.Client({ ...clientConfig(options), types, pipeline: true });
    const connection = new Connection(client, hasSession(options));
    const lose = (cause: unknown) => {
      if (connection.lost !== null) return;
      connection.lost = cause;
      onLost(cause);
    };
    client.on("error", lose);
    client.on("end", () => lose(new Error("the connection ended")));
    client.on("notice", (notice) => {
      if (notice.severity === "WARNING") connection.warnings++;
    });
    try {
      await client.connect();
    } catch (thrown) {
      connection.lost = thrown;
      client.end().catch(() => {});
      throw thrown;
    }
    return connection;
  }

  get isLost(): boolean {
    return this.lost !== null;
  }

  /** How many warnings the server has sent. A commit that came with one may not have reached a standby. */
  get warningCount(): number {
    return this.warnings;
  }

  /** All in one go. Rejects with the first that failed, once all are answered. */
  async run(statements: readonly Statement[]): Promise<readonly Outcome[]> {
    return (await this.runEach(statements)).map(fulfilled);
  }

  /** As `run`, but each answer by itself. */
  async runEach(statements: readonly Statement[]): Promise<readonly PromiseSettledResult<Outcome>[]> {
    // One packet instead of one per message.
    const stream = (this.client as WithStream).connection?.stream;
    stream?.cork();
    const sent = statements.map((statement) => this.send(statement));
    stream?.uncork();
    return Promise.allSettled(sent);
  }

  async rows(text: string, values: readonly Parameter[] = []): Promise<Rows> {
    return (await this.send({ text, values })).rows;
  }

  onNotification(listener: (payload: string) => void): void {
    this.client.on("notification", ({ payload }) => listener(payload ?? ""));
  }

  async close(): Promise<void> {
    this.lost ??= new Error("the connection was closed");
    await this.client.end().catch(() => {});
  }

  private async send(statement: Statement): Promise<Outcome> {
    if (this.lost !== null) throw connectionLost(this.lost);
    const result = await this.client.query({
      text: statement.text,
      values: (statement.values ?? []) as unknown[],
      rowMode: "array" as const,
      ...this.kept(statement),
    });
    // Several statements in one text have a result each; what counts is the last.
    const last: { rows: unknown; command: string } = Array.isArray(result)
      ? (result.at(-1) as typeof result)
      : result;
    return { rows: last.rows as Rows, command: last.command };
  }

  private kept(statement: Statement): { name?: string } {
    if (!this.canKeep || statement.isKept !== true) return {};
    let name = this.names.get(statement.text);
    if (name === undefined) this.names.set(statement.text, (name = `s${this.names.size}`));
    return { name };
  }
}

/** What the driver has and its types do not name. Without it everything works, in more packets. */
type WithStream = pg.Client & {
  readonly connection?: { readonly stream?: Pick<Writable, "cork" | "uncork"> };
};

export function fulfilled(one: PromiseSettledResult<Outcome> | undefined): Outcome {
  if (one?.status === "fulfilled") return one.value;
  throw one?.reason;
}

const connectionLost = (cause: unknown): Fault =>
  new Fault("store-unavailable", "the connection to the database was lost", { effect: "none", cause });
