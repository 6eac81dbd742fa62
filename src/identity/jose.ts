import { createRequire } from "node:module";
import type * as library from "jose";

const require = createRequire(import.meta.url);

/** Read with the first token: a node that nobody asks, or with API keys alone, has no use for its fifty files. */
export const jose = () => require("jose") as typeof library;
