import type { Result } from "../base/index.ts";
import { ok, refuse } from "../base/index.ts";
import { nearest } from "./nearest.ts";

/**
 * A file of policy tests, as YAML or JSON gives it:
 *
 *     catalog:                       # optional: servers and tools that are not there when the tests run
 *       roles: [finance]
 *       servers:
 *         - name: bank
 *           tools: [{ name: pay, class: effect, inputSchema: { … } }]
 *     tests:
 *       - name: small payments pass
 *         as: { agent: invoicer, roles: [finance], for: [{ person: alice }] }
 *         call: bank/pay
 *         args: { amount: 5 }
 *         expect: allow
 *         because: small-payments     # optional: policies that must be among the reasons
 */
export interface PolicyTestFile {
  readonly catalog: TestCatalog | null; // null = the catalog in force
  readonly tests: readonly PolicyTest[];
}

export interface TestCatalog {
  readonly roles: readonly string[];
  readonly servers: readonly {
    readonly name: string;
    readonly tools: readonly {
      readonly name: string;
      readonly class: string;
      readonly inputSchema: Readonly<Record<string, unknown>>;
    }[];
  }[];
}

export interface TestIdentity {
  readonly kind: "agent" | "person" | "service";
  /** A name, or an id when it contains "/". */
  readonly name: string;
  readonly roles: readonly string[];
}

export interface PolicyTest {
  readonly name: string;
  readonly as: TestIdentity;
  readonly chain: readonly TestIdentity[];
  readonly verb: TestVerb;
  /** `files/read_file`, `files/file:///a.txt`, `files/a-prompt`; for `admin` the action. */
  readonly target: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly run: TestRun | null;
  readonly expect: "allow" | "deny" | "approve";
  readonly because: readonly string[];
}

export interface TestRun {
  readonly name: string;
  /** null = whoever acts. */
  readonly owner: string | null;
  readonly labels: readonly string[];
  readonly tools: readonly string[] | null;
}

const testVerbs = ["call", "read", "get", "complete", "subscribe", "admin"] as const;
export type TestVerb = (typeof testVerbs)[number];

/** Tests in one file; a larger one is generated and better split. */
const testsMax = 10_000;
const identityKinds = ["agent", "person", "service"] as const;
const effects = ["allow", "deny", "approve"] as const;

/** Every problem at once, each with its path in the data. */
export function parsePolicyTests(data: unknown): Result<PolicyTestFile, readonly string[]> {
  const reader = new Reader();
  const root = reader.object(data, "file", ["catalog", "tests"]);
  const tests = reader.list(root["tests"], "tests");
  if (tests.length > testsMax)
    reader.problem("tests", `has ${tests.length} tests; at most ${testsMax} are run`);
  const file: PolicyTestFile = {
    catalog: root["catalog"] === undefined ? null : readCatalog(reader, root["catalog"]),
    tests: tests.slice(0, testsMax).map((test, at) => readTest(reader, test, `tests[${at}]`)),
  };
  return reader.problems.length > 0 ? refuse(reader.problems) : ok(file);
}

function readTest(reader: Reader, data: unknown, path: string): PolicyTest {
  const keys = ["name", "as", ...testVerbs, "args", "run", "expect", "because"];
  const test = reader.object(data, path, keys);
  const verbs = testVerbs.filter((verb) => test[verb] !== undefined);
  const verb = verbs[0] ?? "call";
  if (verbs.length !== 1) reader.problem(path, `needs exactly one of ${testVerbs.join(", ")}`);
  const as = reader.object(test["as"], `${path}.as`, [...identityKinds, "roles", "for"]);
  const chain = as["for"] === undefined ? [] : reader.list(as["for"], `${path}.as.for`);
  return {
    name: reader.text(test["name"], `${path}.name`),
    as: readIdentity(reader, as, `${path}.as`),
    chain: chain.map((each, at) => {
      const where = `${path}.as.for[${at}]`;
      return readIdentity(reader, reader.object(each, where, [...identityKinds, "roles"]), where);
    }),
    verb,
    target: verbs.length === 1 ? reader.text(test[verb], `${path}.${verb}`) : "",
    args: test["args"] === undefined ? {} : reader.object(test["args"], `${path}.args`, null),
    run: test["run"] === undefined ? null : readRun(reader, test["run"], `${path}.run`),
    expect: reader.oneOf(test["expect"], `${path}.expect`, effects),
    because:
      typeof test["because"] === "string"
        ? [test["because"]]
        : reader.texts(test["because"], `${path}.because`),
  };
}

function readIdentity(reader: Reader, data: Fields, path: string): TestIdentity {
  const kinds = identityKinds.filter((kind) => data[kind] !== undefined);
  if (kinds.length !== 1) reader.problem(path, `needs exactly one of ${identityKinds.join(", ")}`);
  const kind = kinds[0] ?? "agent";
  return {
    kind,
    name: kinds.length === 1 ? reader.text(data[kind], `${path}.${kind}`) : "",
    roles: reader.texts(data["roles"], `${path}.roles`),
  };
}

function readRun(reader: Reader, data: unknown, path: string): TestRun {
  const run = reader.object(data, path, ["name", "owner", "labels", "tools"]);
  return {
    name: reader.text(run["name"], `${path}.name`),
    owner: run["owner"] === undefined ? null : reader.text(run["owner"], `${path}.owner`),
    labels: reader.texts(run["labels"], `${path}.labels`),
    tools: run["tools"] === undefined ? null : reader.texts(run["tools"], `${path}.tools`),
  };
}

function readCatalog(reader: Reader, data: unknown): TestCatalog {
  const catalog = reader.object(data, "catalog", ["roles", "servers"]);
  const servers = reader.list(catalog["servers"], "catalog.servers").map((each, at) => {
    const path = `catalog.servers[${at}]`;
    const server = reader.object(each, path, ["name", "tools"]);
    const tools = reader.list(server["tools"], `${path}.tools`).map((given, place) => {
      const toolPath = `${path}.tools[${place}]`;
      const tool = reader.object(given, toolPath, ["name", "class", "inputSchema"]);
      return {
        name: reader.text(tool["name"], `${toolPath}.name`),
        class: tool["class"] === undefined ? "effect" : reader.text(tool["class"], `${toolPath}.class`),
        inputSchema:
          tool["inputSchema"] === undefined
            ? {}
            : reader.object(tool["inputSchema"], `${toolPath}.inputSchema`, null),
      };
    });
    return { name: reader.text(server["name"], `${path}.name`), tools };
  });
  return { roles: reader.texts(catalog["roles"], "catalog.roles"), servers };
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads unknown data and goes on after a problem, so that all are found. */
class Reader {
  readonly problems: string[] = [];

  problem(path: string, message: string): void {
    this.problems.push(`${path}: ${message}`);
  }

  /** `keys` null = any. */
  object(value: unknown, path: string, keys: readonly string[] | null): Fields {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      this.problem(path, "must be an object");
      return {};
    }
    for (const key of keys === null ? [] : Object.keys(value)) {
      if (keys?.includes(key) === true) continue;
      const close = nearest(key, keys ?? []);
      this.problem(path, `unknown key "${key}"${close === null ? "" : `, did you mean "${close}"?`}`);
    }
    return value as Fields;
  }

  list(value: unknown, path: string): readonly unknown[] {
    if (Array.isArray(value)) return value;
    this.problem(path, "must be a list");
    return [];
  }

  text(value: unknown, path: string): string {
    if (typeof value === "string" && value !== "") return value;
    this.problem(path, "must be a text");
    return "";
  }

  /** Absent = empty. */
  texts(value: unknown, path: string): readonly string[] {
    return value === undefined
      ? []
      : this.list(value, path).map((each, at) => this.text(each, `${path}[${at}]`));
  }

  oneOf<T extends string>(value: unknown, path: string, known: readonly [T, ...T[]]): T {
    const found = known.find((each) => each === value);
    if (found === undefined) this.problem(path, `must be one of ${known.join(", ")}`);
    return found ?? known[0];
  }
}
