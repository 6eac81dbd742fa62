import type { Config } from "../app/index.ts";
import { configStop } from "./config-stop.ts";
import type { Session } from "./session.ts";

export interface Configured {
  readonly config: Config;
  /** What the configuration names, unless --data names a directory: who does that means what is in it. */
  readonly data: Config["data"];
}

/** For commands that look at data without a node: what `file` says (left out: ./signalbox.yaml, if it is there). */
export async function configured(session: Session, file: string | undefined): Promise<Configured> {
  const { loadConfig } = await import("../app/index.ts");
  const { data, terminal } = session;
  const loaded = loadConfig({
    environment: terminal.environment,
    file: file ?? null,
    ...(data === undefined ? {} : { data }),
  });
  if (!loaded.ok) throw configStop(loaded.refusal);
  const { config } = loaded.value;
  return { config, data: data === undefined ? config.data : { directory: config.data.directory } };
}
