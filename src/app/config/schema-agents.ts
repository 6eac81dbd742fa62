import { kubernetesSchema } from "./schema-kubernetes.ts";
import { exhaustionPolicies } from "../../../contract/index.ts";
import type { Schema } from "./schema-terms.ts";
import {
  address,
  count,
  duration,
  environment,
  optionalDuration,
  path,
  program,
  programArguments,
  section,
} from "./schema-terms.ts";

export const hookSchema: Schema = {
  type: "object",
  description:
    "What starts an agent again when it has died or what it rests for has come: `command`, a program that is started here, `url`, somebody else who starts it, or `kubernetes`, a Job.",
  additionalProperties: false,
  required: ["agents"],
  oneOf: [{ required: ["command"] }, { required: ["url", "secret"] }, { required: ["kubernetes"] }],
  dependentRequired: {
    args: ["command"],
    env: ["command"],
    cwd: ["command"],
    secret: ["url"],
  },
  properties: {
    agents: {
      type: "array",
      minItems: 1,
      maxItems: 1_000,
      items: { type: "string", minLength: 1, maxLength: 128 },
      description: "The agents of the tenant, by name, that may have themselves started by it.",
      "x-unit": "names of agents",
      "x-reason": "What is started holds somebody's token; nobody else may decide what it is started for.",
    },
    command: program(
      "The program to start. No shell reads it. Its run is in `SIGNALBOX_RUN` of its environment.",
    ),
    args: programArguments("As many as a server's."),
    env: environment(
      "The program's environment variables, its token among them. It gets these, `SIGNALBOX_RUN`, `SIGNALBOX_RUN_ID`, `SIGNALBOX_ATTEMPT`, `SIGNALBOX_START`, and the few a program needs to start. A value may be `${vault:name}` or contain `${env:NAME}`.",
      "An inherited environment would hand every secret of this process to the agent.",
    ),
    cwd: path("The directory the program starts in.", "Default: the configuration file's."),
    processesMax: count(
      "Programs of this hook that may run at once.",
      "More runs wait for their turn; what one agent needs differs too much for a better guess.",
      "processes",
      1,
      1_000,
      8,
    ),
    url: address(
      "Whom to ask to start the agent, by a webhook (Standard Webhooks).",
      "What is asked for is signed, so the address needs no credential in it.",
    ),
    secret: {
      type: "string",
      maxLength: 1_024,
      "x-secret": true,
      description:
        "What webhooks are signed with: `whsec_` and base64; `${vault:name}` keeps it out of this file.",
      "x-unit": "text",
      "x-reason": "Whoever starts agents must know who asks.",
    },
    kubernetes: kubernetesSchema,
    attachWithin: optionalDuration(
      "How long what was started may take to attach to its run, until that counts as a start that led to nothing; doubled with each in a row.",
      "Left out, 30s; 5m with `kubernetes`, where an image may have to be fetched, and a machine to be added.",
      "1s",
      "1h",
    ),
    startsMax: count(
      "Starts in a row that lead to nothing before the run is dead.",
      "Five starts with doubling pauses take a quarter of an hour; what is broken then stays broken.",
      "starts",
      1,
      1_000,
      5,
    ),
  },
};

const versionPattern = "^[A-Za-z0-9._-]{1,32}$";

export const agentSchema: Schema = {
  type: "object",
  description: "An agent whose runs the node starts, drives and parks, in a process of its own per version.",
  additionalProperties: false,
  required: ["module", "version"],
  properties: {
    module: path(
      "The JavaScript or TypeScript module whose default export is the agent.",
      "It is loaded in the agent's process, never in the node.",
    ),
    version: {
      type: "string",
      pattern: versionPattern,
      maxLength: 32,
      description: "The version that new runs begin with; the module must say the same.",
      "x-unit": "text",
      "x-reason": "A run stays with the version it began with, because its steps are that version's.",
    },
    versions: {
      type: "object",
      default: {},
      maxProperties: 32,
      propertyNames: { pattern: versionPattern },
      additionalProperties: path("The module of that version.", "Runs that began with it go on with it."),
      description: "Earlier versions that still have open runs.",
      "x-unit": "version to path, relative to the configuration file",
      "x-reason": "A run whose version is missing here waits until it is back, or somebody cancels it.",
    },
    env: {
      type: "object",
      default: {},
      maxProperties: 256,
      propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" },
      additionalProperties: { type: "string", maxLength: 32_768, "x-secret": true },
      description:
        "Variables of the agent's process, besides the few that every process needs. `${vault:name}` reads the value from the vault.",
      "x-unit": "name to text",
      "x-reason": "Nothing else of the node's environment is passed on.",
    },
    runsMax: count(
      "Runs in the agent's process at once; those that wait are not among them.",
      "More wait for their turn. A run in memory costs what its agent makes of it.",
      "runs",
      1,
      100_000,
      256,
    ),
    startsMax: count(
      "Starts in a row that lead to no step before the run is dead, with the last error.",
      "With pauses that double from a second, ten take a quarter of an hour; what is broken then stays broken.",
      "starts",
      1,
      1_000,
      10,
    ),
    retries: section(
      "How often an agent that was lost (it threw, or its process ended) is started again, and when.",
      {
        max: count(
          "Losses within `within` after which it is started again, also where it got on in between; the next one is the run's death. 0 = the first one is.",
          "A program that dies after every step would otherwise go on for ever, and pay for its models each time.",
          "losses",
          0,
          10_000,
          100,
        ),
        within: duration(
          "The stretch of time in which `max` counts; then it counts anew.",
          "A hundred a day are a node that is restarted often; more are a mistake.",
          "1m",
          "30d",
          "1d",
        ),
        pause: duration(
          "Between a loss and the next start; doubled with each in a row.",
          "What fails for a moment is back in a second.",
          "100ms",
          "15m",
          "1s",
        ),
        pauseMax: duration(
          "The longest such pause.",
          "Longer pauses would only make a repaired agent wait.",
          "1s",
          "1d",
          "15m",
        ),
      },
    ),
    deadline: optionalDuration(
      "How long after its start a run fails that is still open, where whoever starts it says nothing else.",
      "Left out, a run fails after 400 days. Longer work is better made of several runs.",
      "1s",
      "30d",
    ),
    input: section("What runs of it are given.", {
      defaults: {
        type: "object",
        default: {},
        maxProperties: 256,
        additionalProperties: true,
        description:
          "Members that an input is given where it has none of that name. A run that is started without an input gets these alone.",
        "x-unit": "any YAML",
        "x-reason": "What is the same for every run is said once.",
      },
      schema: {
        type: "object",
        maxProperties: 256,
        additionalProperties: true,
        description:
          "A JSON Schema (2020-12) that inputs are checked with, defaults filled in, before a run is started.",
        "x-unit": "JSON Schema, as YAML",
        "x-reason":
          "What does not fit is refused to whoever starts the run, and not found by the agent later.",
      },
    }),
    onContextExhausted: {
      enum: exhaustionPolicies,
      description:
        "What happens when a model call finds no room in the context window: `compact` has the agent make the conversation shorter, `escalate` asks a person, `fail` ends the run. Left out: the agent compacts if it can, else a person is asked.",
      "x-unit": "compact, escalate or fail",
      "x-reason": "Whatever of these, the run never starts over: its steps are on record.",
    },
    tokens: {
      type: "object",
      additionalProperties: false,
      required: ["max"],
      description:
        "What the model steps of each run may use. A person can raise it for a run that has used it up.",
      properties: {
        max: {
          type: "integer",
          minimum: 1,
          maximum: 1_000_000_000_000,
          description:
            "Tokens, in and out, before the next model step of a run is refused and a person is asked (or the run fails, where `onContextExhausted` says so). Left out: any number.",
          "x-unit": "tokens per run",
          "x-reason": "A loop that never ends is paid for by the token.",
        },
      },
    },
  },
};

export const webhookSchema: Schema = {
  type: "object",
  description: "One address, and the secret that its receiver verifies messages with.",
  additionalProperties: false,
  required: ["url", "secret"],
  properties: {
    url: address(
      "Where the messages are posted to.",
      "It is logged, so what must stay secret belongs in `secret`.",
    ),
    secret: {
      type: "string",
      maxLength: 1_024,
      "x-secret": true,
      description:
        "What the messages are signed with: `whsec_` and 24 to 64 bytes in base64; two, with a blank between them, while receivers change over. `${vault:name}` keeps it out of this file.",
      "x-unit": "text",
      "x-reason": "Anybody can post to an address; only the signature tells whose message it is.",
    },
  },
};
