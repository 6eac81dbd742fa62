import { Machine } from "../../src/cli/machine.fixture.ts";
import { until } from "../fixtures/until.ts";

/** A new node has to connect and to list first, which takes a second where nothing else runs. */
const connectedWithinMs = 60_000;

/** `signalbox proxy` in front of one server: a node as people start it, with the server's own names and without a token. */
export class Gateway {
  readonly url: string;
  private readonly machine: Machine;

  /** Resolves once the server behind it is connected. */
  static async start(upstreamUrl: string): Promise<Gateway> {
    const machine = new Machine();
    try {
      const { said } = await machine.node(["proxy", "--upstream", upstreamUrl, "--port", "0", "--json"]);
      await until(() => isConnected(said.url), connectedWithinMs);
      return new Gateway(machine, said.mcp);
    } catch (error) {
      await machine.end();
      throw error;
    }
  }

  private constructor(machine: Machine, url: string) {
    this.machine = machine;
    this.url = url;
  }

  stop(): Promise<void> {
    return this.machine.end();
  }
}

async function isConnected(url: string): Promise<boolean> {
  const response = await fetch(`${url}/metrics`);
  return /signalbox_server_health\{server="upstream-[0-9a-f]{8}",state="healthy"/.test(await response.text());
}
