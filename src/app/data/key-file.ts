import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Random } from "../../base/index.ts";
import { Fault, makeDirectories } from "../../base/index.ts";

/** Made in the data directory when the configuration names no other; `serve` insists on one of the operator's own. */
export const keyFileName = "node.key";

const keyBytes = 32;

/**
 * The key-encryption key: 32 bytes in base64. Whoever holds this file and the data directory can read every payload, so it is
 * refused when others may read it.
 */
export function readKeyFile(file: string): Uint8Array {
  let text: string;
  try {
    if (othersMay(statSync(file), process.getuid?.())) {
      throw new Fault("config-invalid", `the key file ${file} can be read by others: chmod 600 ${file}`);
    }
    text = readFileSync(file, "utf8");
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    if (!existsSync(file)) {
      const make = `openssl rand -base64 32 > ${file} && chmod 600 ${file}`;
      throw new Fault(
        "config-invalid",
        `there is no key file ${file}: a new installation's is made with ${make}; data that is there needs its own`,
      );
    }
    throw new Fault("config-invalid", `the key file ${file} cannot be read`, { cause: thrown });
  }
  const key = Buffer.from(text.trim(), "base64");
  if (key.length !== keyBytes) {
    throw new Fault("config-invalid", `the key file ${file} must hold ${keyBytes} bytes in base64`);
  }
  return key;
}

/**
 * `uid` is this process's user. Kubernetes hands a secret to a container that is not root as root's file, readable by the pod's
 * group (`fsGroup`) and writable by nobody: there the group is this process alone, and the only way in.
 */
export function othersMay(
  { uid: owner, mode }: { uid: number; mode: number },
  uid: number | undefined,
): boolean {
  const isHandedOver = owner === 0 && uid !== 0 && (mode & 0o777) === 0o440;
  return (mode & 0o077) !== 0 && !isHandedOver;
}

/**
 * Reads the data directory's own key, or makes it on the first start. `hasData`: there is a database already, which was sealed
 * under a key that must then be here; a new one in its place would only hide that it is missing.
 */
export function ownKeyFile(directory: string, hasData: boolean, random: Random): Uint8Array {
  const file = join(directory, keyFileName);
  if (hasData && !existsSync(file)) {
    throw new Fault(
      "config-invalid",
      `the key file ${file} is missing, and without it this data cannot be opened: put it back, name the one that the other nodes on this data use (keys.file), or name another data directory`,
    );
  }
  makeDirectories(dirname(file), 0o700);
  try {
    const handle = openSync(file, "wx", 0o600);
    try {
      writeSync(handle, `${Buffer.from(random.bytes(keyBytes)).toString("base64")}\n`);
      fsyncSync(handle); // data sealed under a key that did not survive a power cut would be lost
    } finally {
      closeSync(handle);
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "EEXIST") {
      throw new Fault("config-invalid", `the key file ${file} cannot be written`, { cause: thrown });
    }
  }
  return readKeyFile(file);
}
