import { describe, expect, test } from "vitest";
import { developmentDefaults } from "./production.ts";
import { readConfig } from "./config.ts";

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
const containers = "spec: { template: { spec: { containers: [{ name: a, image: b }] } } }";
const read = (hook: string) =>
  readConfig({
    text: `hooks:\n  h: { agents: [clerk], ${hook} }\n`,
    file: "/etc/signalbox/signalbox.yaml",
    env: {},
  });
const problemsOf = (hook: string) => {
  const config = read(hook);
  return config.ok ? [] : config.refusal.map(({ path, message }) => `${path}: ${message}`);
};
const hookOf = (hook: string) => {
  const config = read(hook);
  if (!config.ok) throw new Error(config.refusal.map(({ message }) => message).join());
  return config.value.hooks[0];
};

describe("a hook", () => {
  test("gives a program half a minute to attach, and a Job five, unless it is said", () => {
    const attachWithin = (hook: string) => hookOf(hook)?.attachWithinMs;
    expect(attachWithin("command: node")).toBe(30_000);
    const job = `kubernetes: { server: "https://k8s:6443", namespace: a, tokenFile: t, job: { ${containers} } }`;
    expect(attachWithin(job)).toBe(300_000);
    expect(attachWithin(`${job}, attachWithin: 90s`)).toBe(90_000);
  });

  test("of a cluster elsewhere has its token in the vault or in a file, paths from the configuration's", () => {
    const at = 'server: "https://k8s.example.com:6443", namespace: agents';
    expect(
      hookOf(`kubernetes: { ${at}, token: "\${vault:k8s}", caFile: ca.pem, jobFile: job.yaml }`),
    ).toEqual({
      kind: "kubernetes",
      name: "h",
      agents: ["clerk"],
      startsMax: 5,
      attachWithinMs: 300_000,
      namespace: "agents",
      cluster: {
        server: "https://k8s.example.com:6443",
        token: { vault: "k8s" },
        caFile: "/etc/signalbox/ca.pem",
      },
      job: { file: "/etc/signalbox/job.yaml" },
    });
    expect(hookOf(`kubernetes: { ${at}, tokenFile: /run/token, job: { ${containers} } }`)).toMatchObject({
      cluster: { token: { file: "/run/token" }, caFile: null },
      job: { template: { spec: { template: { spec: { containers: [{ name: "a", image: "b" }] } } } } },
    });
  });

  test("of the node's own cluster needs nothing but a Job", () => {
    expect(hookOf(`kubernetes: { job: { ${containers} } }`)).toMatchObject({
      cluster: null,
      namespace: null,
    });
  });

  const outside = 'server: "https://k8s", namespace: a';
  test.each([
    ["startsMax: 3", 'hooks.h: needs one of "command"'],
    [`command: a, url: "https://x", secret: "${secret}"`, 'hooks.h: needs one of "command"'],
    [`kubernetes: { ${outside}, tokenFile: t }`, 'hooks.h.kubernetes: needs either "job" or "jobFile"'],
    [
      `kubernetes: { ${outside}, token: x, tokenFile: t, jobFile: j }`,
      'hooks.h.kubernetes: has both "token" and "tokenFile"',
    ],
    [
      `kubernetes: { ${outside}, jobFile: j }`,
      'hooks.h.kubernetes.server: needs "token" or "tokenFile" beside it',
    ],
    [
      'kubernetes: { server: "https://k8s", tokenFile: t, jobFile: j }',
      'hooks.h.kubernetes.server: belongs to a hook with "namespace"',
    ],
    [
      'kubernetes: { server: "http://k8s", namespace: a, tokenFile: t, jobFile: j }',
      'hooks.h.kubernetes.server: "http://k8s" does not have the form ^https://',
    ],
    [
      `kubernetes: { ${outside}, tokenFile: t, job: { kind: Pod, ${containers} } }`,
      "hooks.h.kubernetes.job: is no Job of batch/v1",
    ],
    [
      `kubernetes: { ${outside}, tokenFile: t, job: { note: "\${vault:x}", ${containers} } }`,
      "hooks.h.kubernetes.job.note: a vault reference cannot stand here",
    ],
    ['url: "https://x", secret: hunter2', "hooks.h.secret: the value (not shown) is not whsec_ and 24 to 64"],
    [`url: "https://a:b@x", secret: "${secret}"`, "hooks.h.url: has a user or password in it"],
    ['command: "${vault:x}"', "in env of an agent"],
  ])("%s is refused", (hook, problem) => {
    expect(problemsOf(hook).join("\n")).toContain(problem);
  });

  test("may have its secret in the vault, where nobody looks at load", () => {
    expect(problemsOf('url: "https://x", secret: "${vault:hook}"')).toEqual([]);
  });

  test("is told over http in production on this machine alone", () => {
    const defaultsOf = (url: string) => {
      const config = read(`url: "${url}", secret: "\${vault:hook}"`);
      return config.ok ? developmentDefaults(config.value).filter((line) => line.startsWith("hooks.")) : null;
    };
    expect(defaultsOf("http://starter.example.com/go")).toEqual([
      "hooks.h.url: who works on what would be told over http without encryption; use https",
    ]);
    for (const url of ["http://127.0.0.1:8080/", "http://localhost/", "https://starter.example.com/"])
      expect(defaultsOf(url), url).toEqual([]);
  });
});
