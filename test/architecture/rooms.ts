/**
 * Who may use whom, from the ground up. A room may use `contract`, and of ours only what stands in its row. The order of the rows
 * is the order of the house: no row may name one that stands below it.
 */
export const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  telemetry: ["base"],
  api: ["base"],
  net: ["base"],
  store: ["base"],
  keys: ["base", "store"],
  identity: ["base", "store", "keys"],
  ledger: ["base", "store", "keys", "identity"],
  backup: ["base", "store", "ledger"],
  registry: ["base", "store", "identity"],
  policy: ["base", "identity", "registry"],
  vault: ["base", "store", "keys", "identity"],
  approvals: ["base", "net", "store", "keys", "identity", "ledger", "policy"],
  screening: ["base"],
  budgets: [],
  dispatch: ["base"],
  upstream: ["base", "net", "identity", "registry"],
  calls: [
    "base",
    "telemetry",
    "store",
    "keys",
    "identity",
    "ledger",
    "registry",
    "policy",
    "vault",
    "approvals",
    "screening",
    "budgets",
    "dispatch",
    "upstream",
  ],
  runs: ["base", "net", "store", "keys", "identity", "ledger"],
  edge: ["base", "telemetry", "api", "identity", "registry", "calls", "runs"],
  admin: [
    "base",
    "telemetry",
    "api",
    "store",
    "keys",
    "identity",
    "ledger",
    "backup",
    "registry",
    "policy",
    "vault",
    "approvals",
    "upstream",
    "calls",
    "runs",
    "edge",
  ],
  signin: ["base", "net", "store", "keys", "identity", "approvals", "edge", "admin"],
  app: [
    "base",
    "telemetry",
    "net",
    "store",
    "keys",
    "identity",
    "ledger",
    "backup",
    "registry",
    "policy",
    "vault",
    "approvals",
    "screening",
    "dispatch",
    "upstream",
    "calls",
    "runs",
    "edge",
    "admin",
    "signin",
  ],
  cli: ["base", "store", "keys", "identity", "ledger", "backup", "registry", "policy", "edge", "app"],
};

/**
 * Doors besides `index.ts`: a store is swapped by naming its folder, so each store has a door of its own; a ledger that holds something takes its own fixture; and a command that only
 * asks or bridges to a node should not load one.
 */
export const innerDoors: Readonly<Record<string, readonly string[]>> = {
  store: ["sqlite/index.ts", "postgres/index.ts", "memory/index.ts", "store.suite.ts"],
  ledger: ["ledger.fixture.ts"],
  app: ["command-line.ts"],
  edge: ["stdio/index.ts"],
};

/** What only the named files may touch. Tests and benches are free. */
export const reserved: readonly { pattern: RegExp; what: string; allowedIn: readonly string[] }[] = [
  { pattern: /\bprocess\.env\b/, what: "process.env", allowedIn: ["src/app/environment.ts"] },
  { pattern: /\bDate\.now\b|\bnew Date\(\)/, what: "the wall clock", allowedIn: ["src/base/clock.ts"] },
  {
    pattern: /\bperformance\.now\b|\bprocess\.hrtime\b/,
    what: "the monotonic clock",
    allowedIn: ["src/base/clock.ts"],
  },
  { pattern: /\bset(Timeout|Interval)\(/, what: "timers", allowedIn: ["src/base/clock.ts"] },
  {
    pattern: /\bMath\.random\b|\brandomBytes\b|\brandomUUID\b|\brandomFill|\bgetRandomValues\b|\brandomInt\b/,
    what: "randomness",
    allowedIn: ["src/base/random.ts"],
  },
  {
    pattern: /\bchild_process\b/,
    what: "child processes",
    allowedIn: ["src/upstream/", "src/runs/hooks/", "src/runs/hosted/"],
  },
  { pattern: /"undici\b|\bfetch\(/, what: "outbound HTTP", allowedIn: ["src/net/", "src/cli/"] },
  { pattern: /^import \{.*from "node:http"/m, what: "node:http as a module", allowedIn: [] },
  { pattern: /\bconsole\./, what: "the console", allowedIn: ["src/cli/"] },
];
