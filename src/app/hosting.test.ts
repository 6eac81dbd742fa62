import { expect, test } from "vitest";
import { reachable } from "./hosting.ts";

test.each([
  ["http://0.0.0.0:7070", "http://127.0.0.1:7070"],
  ["http://[::]:7070", "http://[::1]:7070"],
  ["http://127.0.0.1:7070", "http://127.0.0.1:7070"],
  ["http://10.0.0.5:7070", "http://10.0.0.5:7070"],
])("a node that listens on %s is reached by its agents on %s", (listens, reached) => {
  expect(reachable(listens)).toBe(reached);
});
