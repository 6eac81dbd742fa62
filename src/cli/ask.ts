import type { Terminal } from "./terminal.ts";
import { Stop, usage } from "./exit.ts";

/** The largest secret the vault takes, and a line feed. */
const inputBytesMax = 64 * 1024 + 2;

/**
 * A secret from the standard input, or asked for without echo when a person sits there. It never stands in the arguments, where
 * every process of this machine can read it. One line feed at the end belongs to the shell, not to the secret.
 */
export async function readSecret(terminal: Terminal, question: string): Promise<string> {
  const value = terminal.stdin.isTTY ? await askWithoutEcho(terminal, question) : await readAll(terminal);
  const secret = value.replace(/\r?\n$/, "");
  if (secret === "") throw usage("There is no value.", 'Pipe it in: printf %s "$VALUE" | signalbox …');
  return secret;
}

async function readAll({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk as Uint8Array | string);
    bytes += part.length;
    if (bytes > inputBytesMax) throw usage(`The value is larger than ${inputBytesMax - 2} bytes.`);
    chunks.push(part);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch {
    throw usage("The value is not UTF-8 text.");
  }
}

/** Raw mode, so that nothing is echoed: what is typed is ours to read, also Ctrl-C and backspace. */
function askWithoutEcho({ stdin, stderr }: Terminal, question: string): Promise<string> {
  return new Promise((resolve, reject) => {
    stderr.write(`${question}: `);
    stdin.setRawMode(true);
    stdin.setEncoding("utf8");
    let typed = "";
    const finish = (end: () => void): void => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      end();
    };
    const onData = (text: string): void => {
      for (const sign of text) {
        if (sign === "\u0003") {
          finish(() => reject(new Stop("cancelled", "Nothing was changed.")));
          return;
        }
        if (sign === "\r" || sign === "\n" || sign === "\u0004") {
          finish(() => resolve(typed));
          return;
        }
        if (sign === "\u007f" || sign === "\b") typed = [...typed].slice(0, -1).join("");
        else typed += sign;
      }
    };
    stdin.on("data", onData);
    stdin.resume();
  });
}
