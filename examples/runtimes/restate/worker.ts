import { createServer } from "node:http2";
import { RestatePromise, createEndpointHandler, workflow } from "@restatedev/restate-sdk";
import type { WorkflowContext } from "@restatedev/restate-sdk";
import type { Message } from "./model.ts";
import { askModel } from "./model.ts";
import { callTool, listTools } from "./tools.ts";

/**
 * An agent as a workflow of Restate, whose tools stand behind Signalbox: kill this worker or Restate wherever you like.
 *
 *     SIGNALBOX_TOKEN=sbk_… OPENAI_API_KEY=… PORT=9080 node worker.ts
 *
 * Restate says when something is done again, and Signalbox that it is done once: the run is Restate's invocation, a tool call's step the
 * name of its `ctx.run`. Both are the same at each replay.
 */
const turnsMax = 20;

const payer = workflow({
  name: "payer",
  handlers: {
    run: async (ctx: WorkflowContext, task: string): Promise<string> => {
      const run = ctx.request().id;
      const tools = await ctx.run("tools", listTools);
      const messages: Message[] = [{ role: "user", content: task }];
      for (let turn = 1; turn <= turnsMax; turn++) {
        const answer = await ctx.run(`model-${turn}`, () => askModel(messages, tools));
        messages.push(answer);
        if (answer.tool_calls === undefined) return answer.content ?? "";
        const results = answer.tool_calls.map(({ id, function: { name, arguments: args } }, n) => {
          const step = `call-${turn}-${n}`;
          return ctx.run(step, async (): Promise<Message> => {
            const content = await callTool({
              run,
              step,
              name,
              args: JSON.parse(args) as Record<string, unknown>,
            });
            return { role: "tool", tool_call_id: id, content };
          });
        });
        messages.push(...(await RestatePromise.all(results)));
      }
      throw new Error(`no end after ${turnsMax} turns`);
    },
  },
});

const server = createServer(createEndpointHandler({ services: [payer] }));
server.listen(Number(process.env["PORT"] ?? 9080), "127.0.0.1", () => console.log("listening"));
