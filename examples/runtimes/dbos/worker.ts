import { DBOS } from "@dbos-inc/dbos-sdk";
import { Final, callTool } from "./tools.ts";

/**
 * A workflow of DBOS whose tools stand behind Signalbox: kill this process wherever you like, and start it again with the same words.
 *
 *     SIGNALBOX_TOKEN=sbk_… DATABASE_URL=postgres://… node worker.ts april '[{"to":"april-0","amount":12}]'
 *
 * DBOS says when a step is done again, and Signalbox that it is done once: the run is DBOS's workflow, a tool call's step the number of
 * its step. Both are the same at each recovery.
 */
interface Invoice {
  readonly to: string;
  readonly amount: number;
}

/** A person may take a day over an approval, or an unknown outcome; an error that is left when attempts are used up is the step's for good. */
const patience = { retriesAllowed: true, intervalSeconds: 2, backoffRate: 1, maxAttempts: 43_200 };

const pay = DBOS.registerWorkflow(
  async (invoices: readonly Invoice[]): Promise<readonly string[]> => {
    const said: string[] = [];
    for (const { to, amount } of invoices) {
      const paid = () => callTool({ ...namesOfStep(), name: "bank__pay", args: { to, amount } });
      said.push(
        await DBOS.runStep(paid, {
          name: "pay",
          ...patience,
          shouldRetry: (error) => !(error instanceof Final),
        }),
      );
    }
    return said;
  },
  { name: "pay" },
);

function namesOfStep(): { readonly run: string; readonly step: string } {
  const { workflowID, stepID } = DBOS;
  if (workflowID === undefined || stepID === undefined) throw new Error("this is no step of a workflow");
  return { run: workflowID, step: `step-${stepID}` };
}

const [, , workflowID = "", invoices = "[]"] = process.argv;
DBOS.setConfig({ name: "payer", systemDatabaseUrl: process.env["DATABASE_URL"] ?? "" });
await DBOS.launch();
// By its id it is started once; from then on this finds it.
const handle = await DBOS.startWorkflow(pay, { workflowID })(JSON.parse(invoices) as Invoice[]);
console.log(JSON.stringify(await handle.getResult()));
await DBOS.shutdown();
