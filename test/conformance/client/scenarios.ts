import type { Client } from "@modelcontextprotocol/client";
import type { SkillListing } from "@modelcontextprotocol/client/ext/skills";
import { SkillsClient, SkillVerificationError } from "@modelcontextprotocol/client/ext/skills";
import { until } from "../../fixtures/until.ts";

interface Context {
  readonly toolCalls?: readonly {
    readonly name: string;
    readonly arguments: Readonly<Record<string, unknown>>;
  }[];
}

/** What a client does in each scenario, so that there is something to check. */
export async function act(scenario: string, client: Client, context: unknown): Promise<void> {
  switch (scenario) {
    case "initialize":
    case "request-metadata":
      await client.listTools();
      return;
    case "tools_call":
      await call(client, "add_numbers", { a: 2, b: 3 });
      return;
    case "elicitation-sep1034-client-defaults":
      await call(client, "test_client_elicitation_defaults");
      return;
    case "sse-retry":
      await call(client, "test_reconnection");
      return;
    case "json-schema-ref-no-deref":
      await tools(client);
      return;
    case "json-schema-2020-12-preservation": {
      const focal = (await tools(client)).find(({ name }) => name === "json_schema_2020_12_tool");
      await call(client, "json_schema_echo", { schema: focal?.inputSchema });
      return;
    }
    case "http-custom-headers":
      for (const { name, arguments: args } of (context as Context).toolCalls ?? [])
        await call(client, name, args);
      return;
    case "http-invalid-tool-headers":
      for (const { name } of await tools(client)) await call(client, name, { region: "north" });
      return;
    case "http-standard-headers":
      return useEverything(client);
    case "sep-2322-client-request-state":
      return goRounds(client);
    case "sep-2640-client-no-prefetch":
      await skills(client);
      return;
    case "sep-2640-client-verify-digest":
    case "sep-2640-client-verify-size":
    case "sep-2640-client-verify-frontmatter":
      return loadSkill(client);
    default:
      throw new Error(`nobody told this client what to do in ${scenario}`);
  }
}

async function tools(client: Client): ReturnType<typeof listed> {
  await until(async () => (await listed(client)).length > 0);
  return listed(client);
}

const listed = async (client: Client): Promise<Awaited<ReturnType<Client["listTools"]>>["tools"]> =>
  (await client.listTools()).tools;

/** The definitions are fetched first: a client has to know which arguments travel as headers. */
async function call(
  client: Client,
  name: string,
  args: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await tools(client);
  await client.callTool({ name, arguments: { ...args } });
}

async function skills(client: Client): Promise<SkillListing["skills"]> {
  const offered = new SkillsClient(client);
  await until(async () => (await offered.list()).skills.length > 0);
  return (await offered.list()).skills;
}

/** Reads a skill and, were it what its entry says, what it refers to. */
async function loadSkill(client: Client): Promise<void> {
  const [skill] = await skills(client);
  if (skill === undefined) throw new Error("no skill is listed");
  const offered = new SkillsClient(client);
  try {
    await offered.read(skill);
  } catch (error) {
    if (error instanceof SkillVerificationError) return;
    throw error;
  }
  await offered.read(skill, "references/FORMS.md");
}

async function useEverything(client: Client): Promise<void> {
  for (const { name } of await tools(client)) await call(client, name);
  for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
  for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
}

/** One call that is asked something with state, one without, an unrelated one in between, and one of an older server. */
async function goRounds(client: Client): Promise<void> {
  await tools(client);
  await Promise.all([call(client, "test_mrtr_echo_state"), call(client, "test_mrtr_unrelated")]);
  await call(client, "test_mrtr_no_state");
  await call(client, "test_mrtr_unrelated");
  // The official client insists on the type of a result, and the suite is content with its having asked.
  await call(client, "test_mrtr_no_result_type").catch(() => undefined);
}
