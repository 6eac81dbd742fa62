import { expect, test } from "vitest";
import { profileOf } from "../registry/index.ts";
import { readAsks, whyNotAsked } from "./ask-rules.ts";

const able = profileOf({ elicitation: { url: {} } });
const visit = (url: unknown) => ({
  method: "elicitation/create",
  params: { mode: "url", message: "Sign in", url },
});

test.each(["https://example.com/a?b", "http://127.0.0.1:8080/", "HTTPS://example.com"])(
  "a person may be sent to %s",
  (url) => {
    expect(whyNotAsked(visit(url), 100, able)).toBeNull();
    expect(readAsks({ a: visit(url) }, able)).toMatchObject({ a: visit(url) });
  },
);

test.each([
  "javascript:alert(1)",
  " javascript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,<script>1</script>",
  "file:///etc/passwd",
  "vscode://run",
  "//example.com",
  "",
  7,
  undefined,
])("nobody is sent to %s", (url) => {
  expect(whyNotAsked(visit(url), 100, able)).toMatchObject({ code: -32602 });
  expect(readAsks({ a: visit(url) }, able)).toMatch(/no http or https address/);
});
