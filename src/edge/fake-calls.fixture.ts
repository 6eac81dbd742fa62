import type { Code } from "../../contract/index.ts";
import type {
  CallAnswer,
  CallInput,
  Calls,
  Described,
  ListName,
  Listing,
  SubscribeInput,
  Subscribed,
  TaskInput,
} from "../calls/index.ts";
import type { Principal } from "../identity/index.ts";
import type { Profile } from "../registry/index.ts";

const receipt = { entry: "call_1:1", leaf: "bGVhZg==" };
const question = {
  method: "elicitation/create",
  params: { mode: "form", message: "Who?", requestedSchema: { type: "object", properties: {} } },
};

/** Governs nothing: each name is one behaviour. Remembers what reached it. */
export class FakeCalls implements Calls {
  readonly inputs: CallInput[] = [];
  readonly aborted: string[] = [];
  readonly listed: { name: ListName; profile: Profile }[] = [];
  readonly tasks: TaskInput[] = [];
  /** Subscriptions that are open. */
  readonly subscriptions = new Set<SubscribeInput>();
  /** Text that the tool `raw` answers. */
  rawText = '{"content":[]}';
  /** What is listed instead of the one `echo` tool. */
  items: Partial<Record<ListName, readonly string[]>> = {};
  listTtlMs = 60_000;
  /** Lists come as promises: a server has to be asked first. */
  listsLater = false;
  described: Described = {
    capabilities: {
      tools: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      prompts: { listChanged: true },
      completions: {},
      logging: {},
      extensions: { "io.modelcontextprotocol/tasks": {} },
      somethingOfTomorrow: {},
    },
    instructions: "files: Paths are absolute.",
  };
  private readonly waiting: (() => void)[] = [];

  async call(input: CallInput): Promise<CallAnswer> {
    this.inputs.push(input);
    input.signal.addEventListener("abort", () => this.aborted.push(input.name));
    const who = await input.authenticate();
    if (!who.ok) return { kind: "refused", refusal: who.refusal, receipt: null };
    switch (input.method) {
      case "tools/call":
        return this.callTool(input, who.value);
      case "resources/read":
      case "skills/get":
      case "resources/directory/read":
        return this.read(input);
      case "prompts/get":
        if (input.name === "ask") return this.askFor(input, who.value);
        return input.name === "greet"
          ? this.result({
              messages: [{ role: "user", content: { type: "text", text: JSON.stringify(input.arguments) } }],
            })
          : refused("unknown-prompt");
      case "completion/complete":
        return this.result({ completion: { values: [JSON.stringify(input.arguments)] } });
    }
  }

  list(name: ListName, principal: Principal, profile: Profile): Listing | Promise<Listing> {
    this.listed.push({ name, profile });
    if (principal.name === "unlucky") throw new Error("c4n4ry list");
    const own = name === "tools" ? [echoOf(principal)] : [];
    const items = this.items[name] ?? own;
    const text = `{"${name}":[${items.join(",")}]}`;
    const listing = { items, text, revision: `${text.length}`, ttlMs: this.listTtlMs };
    return this.listsLater ? Promise.resolve(listing) : listing;
  }

  describe(): Described {
    return this.described;
  }

  async task(input: TaskInput): Promise<CallAnswer> {
    this.tasks.push(input);
    const who = await input.authenticate();
    if (!who.ok) return { kind: "refused", refusal: who.refusal, receipt: null };
    // Tasks are named for whose they are: `<principal>-task`.
    if (input.taskId !== `${who.value.name}-task`) return refused("unknown-task");
    return this.result(input.method === "tasks/get" ? { taskId: input.taskId, status: "working" } : {});
  }

  async subscribe(input: SubscribeInput): Promise<Subscribed> {
    const who = await input.authenticate();
    if (!who.ok) return { kind: "refused", refusal: who.refusal };
    if (input.uri.startsWith("denied:")) return { kind: "refused", refusal: { code: "denied", detail: "" } };
    if (input.uri.startsWith("broken:")) throw new Error("c4n4ry subscribe");
    this.subscriptions.add(input);
    if (input.uri.startsWith("slow:")) await this.release();
    return { kind: "subscribed", cancel: () => void this.subscriptions.delete(input) };
  }

  /** The server of this resource says that it has another content now. */
  updated(uri: string): void {
    for (const input of this.subscriptions) if (input.uri === uri) input.onUpdated(uri);
  }

  releaseAll(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private async callTool(input: CallInput, principal: Principal): Promise<CallAnswer> {
    switch (input.name) {
      case "echo":
        return this.result({ content: [{ type: "text", text: JSON.stringify(input.arguments) }] });
      case "raw":
        return { kind: "result", text: this.rawText, receipt };
      case "progress":
        for (let i = 1; i <= 3; i++)
          input.onProgress?.({ progress: i, total: 3, progressToken: "somebody else's" });
        return this.result({ content: [] });
      case "log":
        for (const level of ["debug", "info", "error", "shout"]) input.onLog?.({ level, data: `a ${level}` });
        return this.result({ content: [] });
      case "wait":
        await this.release(input.signal);
        return this.result({ content: [{ type: "text", text: "waited" }] });
      case "ask":
        return this.askFor(input, principal);
      case "task":
        return {
          kind: "task",
          text: JSON.stringify({ resultType: "task", taskId: `${principal.name}-task`, status: "working" }),
          receipt: null,
        };
      case "needs":
        return {
          kind: "refused",
          refusal: {
            code: "missing-capability",
            detail: "",
            evidence: { requiredCapabilities: { sampling: {} }, secret: "c4n4ry" },
          },
          receipt: null,
        };
      case "needs-more": {
        const data = { requiredCapabilities: { roots: {} } };
        const rpc = { code: -32021, message: "Declare more.", data };
        return { kind: "refused", refusal: { code: "upstream-rejected", detail: "", rpc }, receipt };
      }
      case "denied":
        return {
          kind: "refused",
          refusal: { code: "denied", detail: "By no-payments.", evidence: { secret: "c4n4ry" } },
          receipt,
        };
      case "busy":
        return refused("forbidden");
      case "broken":
        throw new Error("c4n4ry broke");
      default:
        return refused("unknown-tool");
    }
  }

  /** Asks one question, by whichever way the caller can be asked, and says what came back. */
  private async askFor(input: CallInput, principal: Principal): Promise<CallAnswer> {
    const said = (answers: unknown) =>
      this.result({ content: [{ type: "text", text: JSON.stringify(answers) }] });
    if (input.ask !== null) return said(await input.ask({ who: question }));
    if (input.round === null) {
      const requests = { resultType: "input_required", inputRequests: { who: question } };
      return {
        kind: "input-required",
        text: JSON.stringify({ ...requests, requestState: `state of ${principal.name}` }),
        receipt: null,
      };
    }
    if (input.round.requestState !== `state of ${principal.name}`) return refused("state-invalid");
    return said(input.round.inputResponses);
  }

  private read(input: CallInput): CallAnswer {
    const contents = [{ uri: input.name, text: "hello" }];
    switch (input.name) {
      case "test://kept":
        return this.result({ contents, ttlMs: 5_000, cacheScope: "public" });
      case "test://plain":
        return this.result({ contents });
      case "test://denied":
        return refused("denied");
      case "test://old":
        return {
          kind: "refused",
          refusal: { code: "upstream-rejected", detail: "", rpc: { code: -32002, message: "Gone." } },
          receipt,
        };
      default:
        return {
          kind: "refused",
          refusal: { code: "unknown-resource", detail: "", evidence: { uri: input.name } },
          receipt: null,
        };
    }
  }

  private release(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  private result(value: object): CallAnswer {
    return {
      kind: "result",
      text: JSON.stringify({ ...value, _meta: { "dev.signalbox/receipt": receipt } }),
      receipt,
    };
  }
}

const echoOf = (principal: Principal): string =>
  JSON.stringify({ name: "echo", description: `for ${principal.name}`, inputSchema: { type: "object" } });

const refused = (code: Code): CallAnswer => ({
  kind: "refused",
  refusal: { code, detail: "" },
  receipt: null,
});
