import type { Environment } from "../app/index.ts";
import type { Clock } from "../base/index.ts";
import type { Paint } from "./paint.ts";
import { ansiColours, noColours } from "./paint.ts";

/** What a command reads from and writes to. */
export interface Terminal {
  readonly environment: Environment;
  readonly clock: Clock;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** An answer twice: as data, and for a person who sits there. */
export interface Answer {
  readonly json: unknown;
  readonly human: (page: Page) => string;
}

/** Where human output goes: how wide it is and how colours look there. */
export interface Page {
  readonly width: number | null; // null = nobody cuts it
  readonly paint: Paint;
}

/** Results go to stdout as one document; progress, remarks and errors go to stderr. */
export class Output {
  private readonly terminal: Terminal;
  readonly isJson: boolean;
  readonly page: Page;
  private readonly errorPaint: Paint;

  /** `json` undefined = JSON unless a person watches. */
  constructor(terminal: Terminal, json: boolean | undefined) {
    this.terminal = terminal;
    this.isJson = json ?? !terminal.stdout.isTTY;
    const { stdout, stderr } = terminal;
    this.page = {
      width: stdout.isTTY ? Math.max(40, stdout.columns) : null,
      paint: this.mayColour(stdout) ? ansiColours : noColours,
    };
    this.errorPaint = this.mayColour(stderr) ? ansiColours : noColours;
  }

  print({ json, human }: Answer): void {
    this.write(this.isJson ? `${JSON.stringify(json, null, 2)}\n` : ended(human(this.page)));
  }

  /** Bytes that are a document of their own: a receipt, a checkpoint, a key. */
  document(text: string): void {
    this.write(ended(text));
  }

  write(text: string): void {
    this.terminal.stdout.write(text);
  }

  /** For a person, beside the result. Already clean. */
  remark(text: string): void {
    this.terminal.stderr.write(`${text}\n`);
  }

  warn(text: string): void {
    this.remark(`${this.errorPaint("yellow", "warning")}: ${text}`);
  }

  error(text: string): void {
    this.remark(`${this.errorPaint("red", "error")}: ${text}`);
  }

  /** https://no-color.org: set to anything but nothing. */
  private mayColour(stream: NodeJS.WriteStream): boolean {
    const { variables } = this.terminal.environment;
    return stream.isTTY && (variables["NO_COLOR"] ?? "") === "" && variables["TERM"] !== "dumb";
  }
}

const ended = (text: string): string => (text === "" || text.endsWith("\n") ? text : `${text}\n`);
