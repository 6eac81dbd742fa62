import { execFile } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("the tour tells its story to the end", async () => {
  const root = join(import.meta.dirname, "..");
  const { code, text } = await new Promise<{ code: number; text: string }>((resolve) => {
    execFile(process.execPath, [join(root, "tools/tour.ts")], { cwd: root }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, text: stdout + stderr });
    });
  });
  expect(code, text).toBe(0);
  for (const line of [
    /Successfully wrote to reports\/monday\.txt/,
    /forbidden by nobody-moves-files/,
    /forbidden by writes-stay-in-the-reports/,
    /definition of "weather__forecast" changed/,
    /finance can approve it at http:\/\/127\.0\.0\.1:\d+\/approvals\/apr_/,
    /Why people are asked: "Somebody of finance says yes to each transfer"/,
    /because +Somebody of finance says yes to each transfer\n/,
    /kill -9 \d+/,
    /Three answers, one receipt: call_[0-9a-z]{26}:1\n +The bank's books:\n +4200 EUR to ACME GmbH\n\n/,
    /tuesday: all quiet, says process (\d+)\.\n +\$ kill -9 \1\n/,
    /thursday: all quiet[^]*finished, attempt 3, 10 steps on record, each done once/,
    /tenant default: all \d+ entries proven/,
    /BROKEN at position \d+, entry call_/,
  ]) {
    expect(text).toMatch(line);
  }
});
