import { relative } from "node:path";
import type { OfflineCatalog } from "../../app/index.ts";
import { offlineCatalog, readYaml } from "../../app/index.ts";
import type {
  CatalogInput,
  PolicyProblem,
  PolicySet,
  PolicyTestFile,
  PolicyTestReport,
} from "../../policy/index.ts";
import {
  compilePolicies,
  parsePolicyTests,
  permitsAdministration,
  problemText,
  testCatalogInput,
  testPolicies,
} from "../../policy/index.ts";
import { cleanLine } from "../clean.ts";
import { configured } from "../configured.ts";
import { Stop, usage } from "../exit.ts";
import type { Session } from "../session.ts";
import type { Page, Terminal } from "../terminal.ts";
import type { PolicySource } from "./policy-sources.ts";
import { readSources } from "./policy-sources.ts";

/** Where the policies come from when the command line does not name them, and the tools they are checked against. */
export interface PolicyGround {
  readonly config?: string;
}

/** All problems of the files, or of those that the configuration names. Throws Stop when they are refused. */
export async function checkPolicies(
  session: Session,
  files: readonly string[],
  options: PolicyGround,
): Promise<void> {
  const { sources, offline } = await ground(session, session.terminal, files, options);
  const checked = compilePolicies({ files: filesOf(sources), catalog: offline.catalog });
  const problems = checked.ok
    ? [...checked.value.warnings, ...(permitsAdministration(checked.value) ? [] : [noAdministration])]
    : checked.refusal;
  const names = sources.map(({ name }) => name);
  session.print({
    json: { acceptable: checked.ok, files: names, withoutTools: offline.withoutTools, problems },
    human: ({ paint }) =>
      [
        ...problems.map((problem) =>
          paint(problem.severity === "error" ? "red" : "yellow", cleanLine(problemText(problem))),
        ),
        checked.ok
          ? `${paint("green", "✓")} ${names.length} ${names.length === 1 ? "file is" : "files are"} acceptable.`
          : paint("red", "The policies are refused."),
      ].join("\n"),
  });
  remarkOnTools(session, offline.withoutTools);
  if (!checked.ok) throw new Stop("config-invalid", "The policies are refused.");
}

/** Only the node knows who administers it, and refuses to lock out whoever sets policies; here it is a warning. */
const noAdministration: PolicyProblem = {
  severity: "warning",
  file: null,
  line: null,
  column: null,
  policy: null,
  tool: null,
  message: "no policy permits an administrative act, so nobody could administer the node",
  hint: 'permit (principal is Person in Role::"admin", action in Action::"admin", resource);',
};

/** Runs test files against policies. Throws Stop when one fails. */
export async function runPolicyTests(
  session: Session,
  tests: readonly string[],
  policies: readonly string[],
  options: PolicyGround,
): Promise<void> {
  const { terminal } = session;
  const { sources, offline } = await ground(session, terminal, policies, options);
  const parsed = readSources(tests, terminal.environment).map((file) => ({ file, ...parsedTests(file) }));
  const reports = parsed.map(({ file, data, tests: own }) => {
    const report = testPolicies(setFor(own, sources, offline.catalog), data);
    if (!report.ok) throw new Stop("config-invalid", `${file.name}: ${report.refusal.join("; ")}`);
    return { file: file.name, ...report.value };
  });
  // Files that bring their own tools are checked against those.
  const withoutTools = parsed.some(({ tests: { catalog } }) => catalog === null)
    ? offline.withoutTools
    : null;
  const failed = reports.reduce((sum, report) => sum + report.failed, 0);
  session.print({
    json: { ok: failed === 0, withoutTools, files: reports },
    human: (page) => reports.map((report) => reportText(report, page)).join("\n"),
  });
  remarkOnTools(session, withoutTools);
  if (failed > 0)
    throw new Stop("tests-failed", `${failed} policy ${failed === 1 ? "test" : "tests"} failed.`);
}

async function ground(
  session: Session,
  { environment }: Terminal,
  files: readonly string[],
  options: PolicyGround,
): Promise<{ readonly sources: readonly PolicySource[]; readonly offline: OfflineCatalog }> {
  const { config } = await configured(session, options.config);
  const named =
    files.length > 0
      ? files
      : config.policies.files.map((file) => relative(environment.workingDirectory, file));
  if (named.length === 0)
    throw usage(
      "There are no policies to look at.",
      "Name the files, or set policies.files in signalbox.yaml.",
    );
  return { sources: readSources(named, environment), offline: await offlineCatalog(config) };
}

/** `data` is what `tests` was made from. */
function parsedTests(file: PolicySource): { readonly data: unknown; readonly tests: PolicyTestFile } {
  const yaml = readYaml(file.text);
  if (yaml.problems.length > 0) {
    throw new Stop("config-invalid", `${file.name} cannot be read.`, {
      problems: yaml.problems.map(
        ({ line, column, message }) => `${file.name}:${line ?? 1}:${column ?? 1} ${message}`,
      ),
    });
  }
  const parsed = parsePolicyTests(yaml.value);
  if (!parsed.ok) {
    throw new Stop("config-invalid", `${file.name} is not a file of policy tests.`, {
      problems: parsed.refusal.map((problem) => `${file.name}: ${problem}`),
    });
  }
  return { data: yaml.value, tests: parsed.value };
}

/** For a test file with tools of its own the policies are compiled over those, so that they are checked against them. */
function setFor(tests: PolicyTestFile, sources: readonly PolicySource[], catalog: CatalogInput): PolicySet {
  // Without tools of the data directory only its own catalog can say what policies mean.
  const servers = tests.catalog?.servers.map(({ name }) => ({ id: name, name })) ?? [];
  const own = tests.catalog === null ? null : { ...catalog, servers, tools: [] };
  const plain = compiled(sources, own ?? catalog, own !== null);
  const theirs = testCatalogInput(tests, plain);
  return theirs === null ? plain : compiled(sources, { ...theirs, ...adminActionsOf(catalog) }, false);
}

const adminActionsOf = ({ adminActions }: CatalogInput) =>
  adminActions === undefined ? {} : { adminActions };

function compiled(sources: readonly PolicySource[], catalog: CatalogInput, lenient: boolean): PolicySet {
  const set = compilePolicies({
    files: filesOf(sources),
    catalog,
    ...(lenient ? { toolProblems: "deny" as const } : {}),
  });
  if (set.ok) return set.value;
  throw new Stop("config-invalid", "The policies are refused.", {
    problems: set.refusal.filter(({ severity }) => severity === "error").map(problemText),
    hint: "signalbox policy check",
  });
}

const filesOf = (sources: readonly PolicySource[]) => sources.map(({ name, text }) => ({ path: name, text }));

function remarkOnTools(session: Session, withoutTools: string | null): void {
  if (withoutTools !== null) {
    session.output.remark(
      `Checked without tools, so nothing about arguments: ${cleanLine(withoutTools)}. --data names a data directory.`,
    );
  }
}

const reportText = (
  { file, passed, failed, results }: PolicyTestReport & { readonly file: string },
  { paint }: Page,
): string =>
  [
    paint("bold", cleanLine(file)),
    ...results.map(({ name, failure }) =>
      failure === null
        ? `  ${paint("green", "✓")} ${cleanLine(name)}`
        : `  ${paint("red", "✗")} ${cleanLine(name)}\n      ${paint("red", cleanLine(failure))}`,
    ),
    paint("dim", `  ${passed} passed, ${failed} failed`),
  ].join("\n");
