import { describe, expect, test } from "vitest";
import { developmentDefaults } from "./production.ts";
import { accepted, problems } from "./config.fixture.ts";

describe("webhooks for approvals", () => {
  const key = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

  test("are an address and a secret each", () => {
    const { approvals } = accepted(
      "approvals: { webhooks: { chat: { url: https://chat.example/hook, secret: '${vault:chat}' }, pager: { url: 'http://10.0.0.7/', secret: '${env:PAGER}' } } }",
      { PAGER: key },
    );
    expect(approvals.webhooks).toEqual([
      { name: "chat", url: "https://chat.example/hook", secret: { vault: "chat" } },
      { name: "pager", url: "http://10.0.0.7/", secret: { literal: key } },
    ]);
  });

  test("say what is wrong with them, and never the secret", () => {
    const text =
      "approvals:\n  webhooks:\n    a: { url: 'https://u:p@chat.example/', secret: hunter2 }\n    b: { url: 'ftp://x' }\n    C: { url: 'https://x', secret: '${vault:c}' }";
    const found = problems(text);
    expect(found.join("\n")).not.toContain("hunter2");
    expect(problems("approvals: { webhooks: { a: { url: 'https://u:p@x', secret: hunter2 } } }")).toEqual([
      "1 approvals.webhooks.a.url: has a user or password in it; an address is logged",
      "1 approvals.webhooks.a.secret: the value (not shown) is not whsec_ and 24 to 64 bytes in base64",
    ]);
    expect(found).toEqual([
      '4 approvals.webhooks.b: needs "secret"',
      '4 approvals.webhooks.b.url: "ftp://x" is not an http or https URL',
      '5 approvals.webhooks.C: "C" cannot stand here as a name',
    ]);
  });

  test("in production neither tell over plain http nor have their secret in the file", () => {
    const config = accepted(
      `approvals: { webhooks: { chat: { url: 'http://chat.example/', secret: '${key}' } } }`,
    );
    expect(developmentDefaults(config).filter((line) => line.startsWith("approvals."))).toEqual([
      "approvals.webhooks.chat.secret: a credential stands in the file; put it into the vault and refer to it with ${vault:name}",
      "approvals.webhooks.chat.url: who wants what would be told over http without encryption; use https",
    ]);
  });
});
