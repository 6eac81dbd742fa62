import { readFileSync } from "node:fs";

/** From package.json, which stands one folder further up once the package is built. */
export const version: string = readVersion();

function readVersion(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as {
        name: string;
        version: string;
      };
      if (name === "signalbox") return version;
    } catch {
      // not there: look further up
    }
  }
  return "0.0.0";
}
