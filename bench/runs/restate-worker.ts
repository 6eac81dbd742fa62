import { createServer } from "node:http2";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { serve } from "./child.ts";

/**
 * What Restate drives: `node bench/runs/restate-worker.ts <package.json whose dependency the SDK is>`. Counts what its workflows have done,
 * because the engine does not say so while they run.
 */
interface Context {
  readonly run: (name: string, action: () => unknown) => Promise<unknown>;
  readonly promise: (
    name: string,
  ) => Promise<unknown> & { readonly resolve: (value: unknown) => Promise<void> };
}

/** As much of the SDK as is needed here: it is not a dependency of this package. */
interface Sdk {
  readonly service: (definition: unknown) => unknown;
  readonly workflow: (definition: unknown) => unknown;
  readonly createEndpointHandler: (options: {
    services: readonly unknown[];
  }) => (request: IncomingMessage, response: ServerResponse) => void;
}

process.env["RESTATE_LOGGING"] = "ERROR"; // a line per invocation otherwise
const sdk = createRequire(process.argv[2] ?? "")("@restatedev/restate-sdk") as Sdk;
const done = { steps: 0, runs: 0, parked: 0, finished: 0 };
const output = { text: `Book the one at nine. ${"x".repeat(60)}` };

const stepper = sdk.service({
  name: "stepper",
  handlers: {
    work: async (context: Context, steps: number): Promise<void> => {
      for (let i = 0; i < steps; i++) {
        await context.run(`step-${i}`, () => output);
        done.steps++;
      }
      done.runs++;
    },
  },
});

const waiter = sdk.workflow({
  name: "waiter",
  handlers: {
    run: async (context: Context): Promise<void> => {
      await context.run("asked", () => {
        done.parked++;
        return null;
      });
      await context.promise("yes");
      await context.run("pay", () => output);
      done.finished++;
    },
    approve: async (context: Context): Promise<void> => {
      await context.promise("yes").resolve(true);
    },
  },
});

const server = createServer(sdk.createEndpointHandler({ services: [stepper, waiter] }) as never);
server.listen(0, "127.0.0.1", () => {
  process.on("disconnect", () => process.exit(0));
  serve((server.address() as AddressInfo).port, async () => ({ ...done }));
});
