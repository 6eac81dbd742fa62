import { admit } from "./admit.ts";
import { approve } from "./approve.ts";
import { authenticate } from "./authenticate.ts";
import { authorise } from "./authorise.ts";
import { execute } from "./execute.ts";
import { hold } from "./hold.ts";
import { plan } from "./plan.ts";
import { recall } from "./recall.ts";
import { recordIntent } from "./record-intent.ts";
import { recordOutcome } from "./record-outcome.ts";
import { screen } from "./screen.ts";
import type { Line } from "./station.ts";

/**
 * The life of a call. Order matters: nothing above `recordIntent` reaches a credential or an upstream, nothing below `execute`
 * can refuse, and `recall` stands above everything that could say no, so that what is on record is always given back.
 */
export const stations = [
  authenticate, // who?
  plan, // which tool, with which arguments, and their digest
  recall, // done before? then its record
  authorise, // do the arguments fit, and may they?
  approve, // has a person said so, where one must?
  admit, // is the tool well, and is there room?
  recordIntent, // durable before any effect
  execute, // upstream, with the credential attached here
  hold, // does the server ask back, or go on by itself?
  screen, // withhold what the caller must not see
  recordOutcome, // durable before the answer leaves
] as const;

true satisfies Line<typeof stations>;
