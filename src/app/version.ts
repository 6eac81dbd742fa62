import { readFileSync } from "node:fs";
import { ownFile } from "../base/index.ts";

/** From package.json, which stands one folder further up once the package is built. */
export const version: string = readVersion();

function readVersion(): string {
  for (const path of ["package.json", "../package.json"]) {
    try {
      const { name, version } = JSON.parse(readFileSync(ownFile(path), "utf8")) as {
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
