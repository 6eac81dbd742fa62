import type { Command } from "commander";
import { collect, localVerb, run } from "../session.ts";
import type { Terminal } from "../terminal.ts";
import type { PolicyGround } from "./policy-files.ts";

/** The verbs that need no node: they fit an editor, a commit hook and a pipeline. */
export function addOfflinePolicy(policy: Command, terminal: Terminal): void {
  localVerb(policy, {
    usage: "check [files...]",
    summary: "Check policy files, with all problems at once, each with file, line and column",
    notes:
      "Without files, those the configuration names. Checked against the servers and tools of the data directory, where it can be read.",
    example: "signalbox policy check policies/*.cedar",
  })
    .option("--config <file>", "the configuration (./signalbox.yaml)")
    .option("--data <dir>", "data directory with the tools to check against")
    .action(
      run(terminal, async (session, files: readonly string[], options: PolicyGround) => {
        const { checkPolicies } = await import("./policy-files.ts");
        await checkPolicies(session, files, options);
      }),
    );

  localVerb(policy, {
    usage: "test <tests...>",
    summary: "Run policy tests, which are data files, against policy files",
    notes:
      "Without --policies, those the configuration names. A test file may bring its own servers and tools.",
    example: "signalbox policy test tests/*.yaml --policies 'policies/*.cedar'",
  })
    .option("--policies <files>", "the policies to test; repeatable", collect)
    .option("--config <file>", "the configuration (./signalbox.yaml)")
    .option("--data <dir>", "data directory with the tools to test against")
    .action(
      run(terminal, async (session, tests: readonly string[], options: TestOptions) => {
        const { runPolicyTests } = await import("./policy-files.ts");
        await runPolicyTests(session, tests, options.policies ?? [], options);
      }),
    );
}

interface TestOptions extends PolicyGround {
  readonly policies?: readonly string[];
}
