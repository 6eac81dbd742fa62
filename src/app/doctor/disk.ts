import { closeSync, existsSync, fsyncSync, openSync, rmSync, statSync, statfsSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../../base/index.ts";
import { elapsedMs } from "../../base/index.ts";
import type { Config } from "../config/config.ts";
import type { Finding } from "./finding.ts";
import { failed, fine, notChecked, odd, systemCode } from "./finding.ts";
import { keyFileName, readKeyFile } from "../data/key-file.ts";

/** File systems on which locks or flushes are not what SQLite needs, by the magic number that statfs gives (Linux, statfs(2)). */
const networkFileSystems: Readonly<Record<number, string>> = {
  0x6969: "NFS",
  0x517b: "SMB",
  0xfe534d42: "SMB2",
  0xff534d42: "CIFS",
  0x01021997: "9P",
  0x65735546: "FUSE",
  0x5346414f: "AFS",
  0x00c36400: "Ceph",
};
const memoryFileSystem = 0x01021994;

const freeBytesMin = 1024 ** 3;

export function checkDataDirectory(directory: string): Finding {
  const id = "data-directory";
  const there = nearestThere(directory);
  const probe = probeFile(there);
  try {
    closeSync(openSync(probe, "wx", 0o600));
    rmSync(probe);
  } catch (thrown) {
    return failed(
      id,
      `${there} cannot be written (${systemCode(thrown)})`,
      `Give this user the right to write there: ${there}`,
    );
  }
  const { type, bavail, bsize } = statfsSync(there);
  const network = networkFileSystems[type];
  if (network !== undefined) {
    return odd(
      id,
      `${there} is on ${network}, where locks and flushes may not hold`,
      "Put data.directory on a local disk.",
    );
  }
  if (type === memoryFileSystem) {
    return odd(
      id,
      `${there} is in memory: it is gone after a restart of the machine`,
      "Put data.directory on a disk.",
    );
  }
  const freeBytes = bavail * bsize;
  const free = `${(freeBytes / 1024 ** 3).toFixed(1)} GiB free`;
  if (freeBytes < freeBytesMin)
    return odd(id, `${there}: only ${free}`, "Make room: when the disk is full, effects stop.");
  if (there !== directory) return fine(id, `${directory} will be made; ${there} can be written, ${free}`);
  const isOpen = process.getuid !== undefined && (statSync(directory).mode & 0o077) !== 0;
  if (isOpen) return odd(id, `${directory} can be entered by others`, `chmod 700 ${directory}`);
  return fine(id, `${directory} can be written, ${free}`);
}

const flushes = 20;
/** A disk that flushes slower makes every call that has an effect wait noticeably. */
const slowFlushMs = 20;

/** How long it takes until a small write is on the disk: every call waits for that once or twice, together with all others. */
export function checkFlush(directory: string, clock: Clock): Finding {
  const id = "flush";
  const probe = probeFile(nearestThere(directory));
  try {
    const handle = openSync(probe, "wx", 0o600);
    try {
      const times = Array.from({ length: flushes }, () => {
        const startedAt = clock.monotonic();
        writeSync(handle, "signalbox doctor\n");
        fsyncSync(handle);
        return elapsedMs(clock.monotonic(), startedAt);
      }).toSorted((a, b) => a - b);
      const [median = 0, worst = 0] = [times[flushes / 2], times.at(-1)];
      const what = `a flush takes ${median.toFixed(2)} ms (half of them), at worst ${worst.toFixed(2)} ms`;
      return median > slowFlushMs ? odd(id, what, "Put data.directory on a faster disk.") : fine(id, what);
    } finally {
      closeSync(handle);
      rmSync(probe);
    }
  } catch (thrown) {
    return notChecked(id, `no probe file could be written (${systemCode(thrown)})`);
  }
}

export function checkKeyFile({ keys, data }: Config): Finding {
  const id = "key-file";
  const file = keys.file ?? join(data.directory, keyFileName);
  if (keys.file === null && !existsSync(file)) return fine(id, `${file} is made at the first start`);
  try {
    for (const each of [file, ...keys.otherFiles]) readKeyFile(each);
  } catch (thrown) {
    const what = thrown instanceof Error ? thrown.message : String(thrown);
    return failed(
      id,
      what,
      "It must hold 32 bytes in base64 and be readable by this user alone: `openssl rand -base64 32`.",
    );
  }
  return keys.file === null
    ? fine(id, `${file}; for production name one outside the data directory (keys.file)`)
    : fine(id, file);
}

const probeFile = (directory: string): string => join(directory, `.signalbox-doctor-${process.pid}`);

function nearestThere(directory: string): string {
  let there = directory;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  return there;
}
