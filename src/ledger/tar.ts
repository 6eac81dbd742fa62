import { Fault } from "../base/index.ts";

/** A file of an archive: a name with slashes, and what is in it. */
export interface ArchiveFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** POSIX ustar, of plain files alone: what every system unpacks. */
const blockBytes = 512;
const nameBytesMax = 100;
/** A bundle is 256 leaves of at most 64 KiB each. */
const fileBytesMax = 64 * 1024 * 1024;
const sizeAt = 124;
const checksumAt = 148;

export async function* packed(
  files: AsyncIterable<ArchiveFile>,
  modifiedAtSeconds: number,
): AsyncGenerator<Uint8Array> {
  for await (const { path, bytes } of files) {
    yield headerOf(path, bytes.byteLength, modifiedAtSeconds);
    yield bytes;
    const over = bytes.byteLength % blockBytes;
    if (over > 0) yield Buffer.alloc(blockBytes - over);
  }
  yield Buffer.alloc(2 * blockBytes);
}

/** One file at a time in memory. Throws Fault `config-invalid` when it is no such archive, or breaks off. */
export async function* unpacked(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ArchiveFile> {
  const input = new Input(chunks);
  try {
    for (;;) {
      const header = await input.take(blockBytes);
      if (header.every((byte) => byte === 0)) return;
      const { path, size } = readHeader(header);
      const bytes = await input.take(size);
      await input.take((blockBytes - (size % blockBytes)) % blockBytes);
      yield { path, bytes };
    }
  } finally {
    await input.close();
  }
}

function headerOf(path: string, size: number, modifiedAtSeconds: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  if (Buffer.byteLength(path) > nameBytesMax)
    throw new Fault("internal", `"${path}" is too long for an archive`);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(path, 0);
  header.write(octal(0o644, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), sizeAt);
  header.write(octal(modifiedAtSeconds, 11), 136);
  header.write("0", 156);
  header.write("ustar\u000000", 257);
  header.write(`${checksumOf(header).toString(8).padStart(6, "0")}\0 `, checksumAt);
  return header;
}

function readHeader(header: Buffer): { readonly path: string; readonly size: number } {
  const field = (at: number, length: number): string => {
    const bytes = header.subarray(at, at + length);
    const end = bytes.indexOf(0);
    return bytes.subarray(0, end === -1 ? length : end).toString("utf8");
  };
  const size = Number.parseInt(field(sizeAt, 12), 8);
  const path = field(0, nameBytesMax);
  const isPlain = ["0", ""].includes(field(156, 1)) && field(345, 155) === "";
  if (Number.parseInt(field(checksumAt, 8), 8) !== checksumOf(header)) throw broken("a header is damaged");
  if (!isPlain || !isSafe(path)) throw broken(`"${path}" is not a plain file inside of it`);
  if (!(size >= 0 && size <= fileBytesMax)) throw broken(`"${path}" claims ${size} bytes`);
  return { path, size };
}

/** The sum of the header's bytes, its own place taken as blanks. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 0x20;
  for (const [at, byte] of header.entries()) if (at < checksumAt || at >= checksumAt + 8) sum += byte;
  return sum;
}

/** Nothing that is unpacked may come to lie outside of where it is unpacked to. */
const isSafe = (path: string): boolean =>
  /^[A-Za-z0-9._/-]+$/.test(path) &&
  path.split("/").every((part) => part !== "" && part !== "." && part !== "..");

const broken = (detail: string): Fault =>
  new Fault("config-invalid", `this is not such an export: ${detail}`);

class Input {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array();

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.chunks = chunks[Symbol.asyncIterator]();
  }

  /** Whoever makes the chunks may close what it reads from. */
  async close(): Promise<void> {
    await this.chunks.return?.();
  }

  async take(count: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    let missing = count;
    while (missing > 0) {
      if (this.rest.byteLength === 0) {
        const next = await this.chunks.next();
        if (next.done === true) throw broken("it breaks off");
        this.rest = next.value;
      }
      const part = this.rest.subarray(0, missing);
      parts.push(part);
      this.rest = this.rest.subarray(part.byteLength);
      missing -= part.byteLength;
    }
    return Buffer.concat(parts);
  }
}
