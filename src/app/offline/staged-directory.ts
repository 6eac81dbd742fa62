import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Random } from "../../base/index.ts";
import { Fault, makeDirectories } from "../../base/index.ts";

/** A new directory that is made beside its place, and stands there whole or not at all. */
export interface StagedDirectory {
  /** Where it is made. */
  readonly path: string;
  /** Everything in it is durable, and it is in its place. */
  settle(): void;
  /** Takes back everything; does nothing once it is settled. */
  abandon(): void;
}

/** Refused with `store-in-use` when there is anything in its place: nothing is ever overwritten. */
export function stageDirectory(directory: string, random: Random): StagedDirectory {
  const target = resolve(directory);
  if (existsSync(target) && readdirSync(target).length > 0)
    throw new Fault("store-in-use", `${target} is not empty`, { evidence: { directory: target } });
  const parent = dirname(target);
  makeDirectories(parent);
  const mark = Buffer.from(random.bytes(6)).toString("hex");
  const path = join(parent, `.${basename(target)}.unfinished-${mark}`);
  mkdirSync(path, { mode: 0o700 });
  let isSettled = false;
  return {
    path,
    settle: () => {
      for (const name of readdirSync(path)) syncPath(join(path, name));
      syncPath(path);
      renameSync(path, target); // an empty directory in its place gives way; one that was filled meanwhile does not
      isSettled = true;
      syncPath(parent);
    },
    abandon: () => {
      if (!isSettled) rmSync(path, { recursive: true, force: true });
    },
  };
}

function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
