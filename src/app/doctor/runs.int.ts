import { expect, test } from "vitest";
import { newDirectory, removeDirectory } from "../../../test/fixtures/node-process.ts";
import { Postgres } from "../../../test/fixtures/postgres.ts";
import type { TenantId } from "../../identity/index.ts";
import { checkRuns } from "./runs.ts";

const tenant = "default" as TenantId;

test("of data that no node has run on yet nothing is wrong; of a database that is away it is not said which version wrote it", async () => {
  const directory = newDirectory();
  const cluster = await Postgres.start({ fsync: false });
  try {
    expect(await checkRuns({ directory }, tenant)).toMatchObject({ state: "skipped", fix: null });
    const data = { directory, postgres: { url: await cluster.createDatabase(), hasLiteralPassword: false } };
    expect(await checkRuns(data, tenant)).toMatchObject({ state: "skipped", fix: null });
    await cluster.stop();
    const away = await checkRuns(data, tenant);
    expect(away).toMatchObject({ state: "failed", what: expect.stringContaining("ECONNREFUSED") });
    expect(away.fix).not.toContain("version");
  } finally {
    await cluster.stop();
    removeDirectory(directory);
  }
});
