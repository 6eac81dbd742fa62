import type { CancelTimer, Clock } from "../../base/index.ts";
import { Connection } from "./connection.ts";
import type { Statement } from "./connection.ts";
import type { PostgresConnection } from "./options.ts";
import { hasSession } from "./options.ts";
import type { Names } from "./sql.ts";
import { quoted } from "./sql.ts";

/** A notification may have 8,000 bytes. More topics than fit are not named; then everybody looks. */
const payloadBytesMax = 7_500;
const retryMs = 2_000;

/** What one node tells the others at commit. Empty `topics` = something under any. */
interface Announcement {
  readonly writer: string;
  readonly topics: readonly string[];
}

/** Hints between nodes: LISTEN in a connection of its own. What is missed while it is away is found by polling, as always. */
export class Listener {
  private readonly options: { connection: PostgresConnection; names: Names; clock: Clock; writer: string };
  private readonly hear: (topic: string | null) => void;
  private connection: Connection | null = null;
  private retry: CancelTimer | null = null;
  private isStopped = false;

  constructor(
    options: { connection: PostgresConnection; names: Names; clock: Clock; writer: string },
    hear: (topic: string | null) => void,
  ) {
    this.options = options;
    this.hear = hear;
  }

  /** Null where a connection cannot be held for listening: then nobody needs to be told. */
  announcement(): ((topics: readonly string[]) => Statement) | null {
    const { connection, writer } = this.options;
    if (!hasSession(connection)) return null;
    return (topics) => {
      const full = JSON.stringify({ writer, topics } satisfies Announcement);
      const text =
        Buffer.byteLength(full) <= payloadBytesMax
          ? full
          : JSON.stringify({ writer, topics: [] } satisfies Announcement);
      return { text: "SELECT pg_notify($1, $2)", values: [this.channel(), text], isKept: true };
    };
  }

  /** Never rejects: without it hints come late, and that is all. */
  async start(): Promise<void> {
    if (!hasSession(this.options.connection) || this.isStopped) return;
    try {
      const connection = await Connection.open(this.options.connection, () => this.again());
      this.connection = connection;
      connection.onNotification((payload) => this.heard(payload));
      await connection.run([{ text: `LISTEN ${quoted(this.channel())}` }]);
      if (this.isStopped) await connection.close();
    } catch {
      this.again();
    }
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.retry?.();
    await this.connection?.close();
  }

  private again(): void {
    if (this.isStopped || this.retry !== null) return;
    this.retry = this.options.clock.after(retryMs, () => {
      this.retry = null;
      void this.start();
    });
  }

  private heard(payload: string): void {
    const announcement = parsed(payload);
    if (announcement === null || announcement.writer === this.options.writer) return;
    if (announcement.topics.length === 0) this.hear(null);
    else for (const topic of announcement.topics) this.hear(topic);
  }

  private channel(): string {
    return `signalbox ${this.options.names.schema}`;
  }
}

/** Anybody with access to the database may notify: what is not ours is nothing. */
function parsed(payload: string): Announcement | null {
  try {
    const { writer, topics } = JSON.parse(payload) as Partial<Announcement>;
    const isGood =
      typeof writer === "string" &&
      Array.isArray(topics) &&
      topics.every((topic) => typeof topic === "string");
    return isGood ? { writer, topics } : null;
  } catch {
    return null;
  }
}
