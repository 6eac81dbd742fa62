import { writeFileSync } from "node:fs";
import { codesReference } from "./codes-reference.ts";

writeFileSync(new URL("../docs/reference/codes.md", import.meta.url), codesReference());
