import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nearestName } from "./nearest-name.ts";
import { developmentDefaults } from "./production.ts";
import { accepted, problems, read } from "./config.fixture.ts";
import { defaultConfig } from "./config.ts";

const whole = `
# a comment
tenant: default
listen: { host: 0.0.0.0, port: 8080, allowedHosts: [box.example.com] }
data:
  directory: /var/lib/signalbox
keys:
  file: ../keys/kek
servers:
  files:
    command: npx
    args: [-y, "@modelcontextprotocol/server-filesystem@2026.8.31", /srv]
    env:
      TOKEN: \${vault:files-token}
      LEVEL: "\${env:LEVEL}-x"
    cwd: work
    callTimeout: 90s
    tools:
      read_file: { class: read }
      stat: { class: read, probe: { arguments: { path: /, depth: 1 }, every: 1m } }
      size: { class: read, probe: { arguments: {} } }
      pay: { class: idempotent, keyArgument: key }
      send: { class: verifiable, verifyTool: find, verifyArguments: [to] }
  web:
    url: https://mcp.example.com/mcp
    headers: { Authorization: "\${vault:web}" }
    era: modern
    enabled: false
    concurrencyMax: 4
    resultBytesMax: 1MiB
policies:
  files: [policies/**/*.cedar]
limits: { bodyBytesMax: 512KiB, shutdownGrace: 5s }
log: { level: warn, file: logs/box.log }
identity: { tokenTtl: 30m }
`;

describe("a configuration", () => {
  test("is read whole, with absolute paths, milliseconds and bytes", () => {
    const config = accepted(whole, { LEVEL: "3" });
    expect(config).toMatchObject({
      listen: { host: "0.0.0.0", port: 8080, allowedOrigins: [] },
      data: { directory: "/var/lib/signalbox" },
      keys: { file: "/etc/keys/kek", otherFiles: [] },
      policies: { files: ["/etc/signalbox/policies/**/*.cedar"] },
      limits: { bodyBytesMax: 524_288, callsInFlightMax: 1_000, shutdownGraceMs: 5_000 },
      log: { level: "warn", file: "/etc/signalbox/logs/box.log" },
      identity: { tokenTtlMs: 1_800_000 },
    });
    expect(config.servers[0]).toEqual({
      name: "files",
      transport: {
        kind: "stdio",
        command: "npx",
        args: ["-y", "@modelcontextprotocol/server-filesystem@2026.8.31", "/srv"],
        env: { TOKEN: { vault: "files-token" }, LEVEL: { literal: "3-x" } },
        cwd: "/etc/signalbox/work",
      },
      enabled: true,
      era: null,
      callTimeoutMs: 90_000,
      concurrencyMax: 16,
      resultBytesMax: 8 * 1024 * 1024,
      toolClasses: {
        read_file: { kind: "read" },
        stat: { kind: "read", probe: { arguments: { path: "/", depth: 1 }, everyMs: 60_000 } },
        size: { kind: "read", probe: { arguments: {} } },
        pay: { kind: "idempotent", keyArgument: "key" },
        send: { kind: "verifiable", verifyTool: "find", verifyArguments: ["to"] },
      },
    });
    expect(config.servers[1]).toMatchObject({
      transport: { kind: "http", headers: { Authorization: { vault: "web" } } },
      era: "modern",
      enabled: false,
    });
  });

  test("has limits for callers where it says one of them, and leaves them to the API where it says none", () => {
    const limitsOf = (text: string) => accepted(text, {}).callerLimits;
    expect(limitsOf("limits: { callsInFlightMax: 5 }")).toBeNull();
    expect(limitsOf("limits: { agents: { invoicer: 3 } }")).toEqual({
      perPrincipalCallsMax: 100,
      tenantCallsMax: null,
      agents: { invoicer: 3 },
    });
    expect(limitsOf("limits: { perPrincipalCallsMax: 100 }")).toMatchObject({ perPrincipalCallsMax: 100 });
    expect(limitsOf("limits: { tenantCallsMax: 7 }")).toMatchObject({ tenantCallsMax: 7 });
  });

  test("left out altogether has its defaults, and is frozen to the bottom", () => {
    const config = defaultConfig("/home/me/signalbox.yaml");
    expect(config.listen).toEqual({
      host: "127.0.0.1",
      port: 7070,
      publicUrl: null,
      allowedHosts: [],
      allowedOrigins: [],
      signIn: true,
      clientDocuments: true,
    });
    expect(accepted("listen: { signIn: false }").listen.signIn).toBe(false);
    expect(config.data.directory).toBe("/home/me/.signalbox");
    expect(config.limits.bodyBytesMax).toBe(4 * 1024 * 1024);
    expect(Object.isFrozen(config.listen.allowedHosts)).toBe(true);
    expect(accepted("").listen).toEqual(config.listen);
    expect(accepted("listen:\n").listen).toEqual(config.listen);
  });

  test("has a digest over its servers alone, which does not depend on how they are written", () => {
    const one = accepted("servers: {a: {command: x, callTimeout: 60s}}");
    const two = accepted("# hi\nlog: {level: debug}\nservers:\n  a:\n    callTimeout: 1m\n    command: x\n");
    expect(two.serversDigest).toBe(one.serversDigest);
    expect(accepted("servers: {a: {command: y}}").serversDigest).not.toBe(one.serversDigest);
  });

  test("reports all of its problems at once, each with its line and the nearest name", () => {
    expect(
      problems(`
lisen:
  port: 7070
listen:
  allowed_hosts: []
  port: 70700
  host: 7
limits:
  bodyBytesMax: 4MB
  shutdownGrace: 2h
  zebra: 1
log:
  level: warning
servers:
  Files: { command: x }
  signalbox: { command: x }
  both: { command: x, url: "https://x" }
  none: { enabled: yes }
  odd: { url: "https://x", args: [a], concurencyMax: 3 }
  far: { url: ftp://x }
  tools:
    command: x
    tools:
      a: { class: idempotent }
      b: { class: reed }
      c: { class: read, keyArgument: k }
      d: {}
  slow: { command: x, callTimeout: 5 }
`),
    ).toEqual([
      '2 lisen: there is no setting "lisen"; did you mean "listen"?',
      '5 listen.allowed_hosts: there is no setting "allowed_hosts"; did you mean "allowedHosts"?',
      "6 listen.port: 70700 is outside 0 to 65535",
      "7 listen.host: 7 is not text",
      '9 limits.bodyBytesMax: "4MB" is not an amount of bytes; write it like 512B, 64KiB, 4MiB or 1GiB',
      '10 limits.shutdownGrace: "2h" is outside 0s to 1h',
      '11 limits.zebra: there is no setting "zebra" here; there are callsInFlightMax, bodyBytesMax, connectionsMax, processesMax, shutdownGrace, perPrincipalCallsMax, tenantCallsMax, agents',
      '13 log.level: "warning" is not one of trace, debug, info, warn, error, fatal; did you mean "warn"?',
      '15 servers.Files: "Files" cannot be a server\'s name: a-z and 0-9 with single hyphens between, at most 24 characters, not "signalbox"',
      '16 servers.signalbox: "signalbox" cannot be a server\'s name: a-z and 0-9 with single hyphens between, at most 24 characters, not "signalbox"',
      '17 servers.both: needs either "command" (started here) or "url" (reached over HTTP), and not both',
      '18 servers.none: needs either "command" (started here) or "url" (reached over HTTP), and not both',
      '18 servers.none.enabled: "yes" is not true or false',
      '19 servers.odd.args: belongs to a server with "command"',
      '19 servers.odd.concurencyMax: there is no setting "concurencyMax"; did you mean "concurrencyMax"?',
      '20 servers.far.url: "ftp://x" is not an http or https URL',
      '24 servers.tools.tools.a: needs "keyArgument"',
      '25 servers.tools.tools.b.class: "reed" is not one of read, idempotent, verifiable, effect; did you mean "read"?',
      "26 servers.tools.tools.c.keyArgument: does not belong to this class",
      '27 servers.tools.tools.d: needs "class"',
      "28 servers.slow.callTimeout: 5 is not a duration; write it like 500ms, 30s, 5m, 4h or 7d",
    ]);
  });

  test("has a probe where a call has no effect, with arguments, and not too often", () => {
    const wrong =
      "does not belong to this class: only a tool without effects, of class read, is called to see whether it works";
    expect(
      problems(`servers:
  a:
    command: x
    tools:
      pay: { class: effect, probe: { arguments: {} } }
      put: { class: idempotent, keyArgument: k, probe: { arguments: {} } }
      send: { class: verifiable, verifyTool: sent, probe: { arguments: {} } }
      look: { class: read, probe: {} }
      seek: { class: read, probe: { arguments: [a], every: 5s } }
      find: { class: read, probe: { arguments: {}, evry: 5m } }
      sign: { class: read, probe: { arguments: { key: "\${vault:key}" } } }
`),
    ).toEqual([
      `5 servers.a.tools.pay.probe: ${wrong}`,
      `6 servers.a.tools.put.probe: ${wrong}`,
      `7 servers.a.tools.send.probe: ${wrong}`,
      '8 servers.a.tools.look.probe: needs "arguments"',
      "9 servers.a.tools.seek.probe.arguments: a list is not a group of settings",
      '9 servers.a.tools.seek.probe.every: "5s" is outside 10s to 1d',
      '10 servers.a.tools.find.probe.evry: there is no setting "evry"; did you mean "every"?',
      expect.stringContaining(
        "11 servers.a.tools.sign.probe.arguments.key: a vault reference cannot stand here",
      ),
    ]);
    expect(
      problems(
        `servers: {a: {command: x, tools: {look: {class: read, probe: {arguments: {q: ${"x".repeat(20_000)}}}}}}}`,
      ),
    ).toEqual(["1 servers.a.tools.look: its probe's arguments have 20008 characters; 16384 are allowed"]);
  });

  test("has what the registry would refuse refused with its line", () => {
    expect(
      problems(`servers:
  a:
    url: https://user:pw@x/
    headers:
      Host: x
      X-Ok: y
  b:
    command: x
    env: { "A B": c }
`),
    ).toEqual(['9 servers.b.env.A B: "A B" is not a variable\'s name']);
    expect(
      problems("servers:\n  a:\n    url: https://user:pw@x/\n    headers:\n      Host: x\n      X-Ok: y\n"),
    ).toEqual([
      "3 servers.a.url: carries a user name or password; use a header with a ${vault:…} reference",
      "5 servers.a.headers.Host: is set by Signalbox itself",
    ]);
  });
});

describe("references", () => {
  test("to the environment are replaced, typed as the setting wants, and never read twice", () => {
    const env = { PORT: "9000", ON: "false", X: "${vault:other} ${env:PORT}", N: "12345" };
    const config = accepted(
      `
listen: { port: "\${env:PORT}" }
servers:
  a:
    command: x
    enabled: \${env:ON}
    args: ["$\${env:X} \${env:N}"]
    env: { A: "\${env:X}", B: "\${env:N}" }
`,
      env,
    );
    expect(config.listen.port).toBe(9000);
    expect(config.servers[0]).toMatchObject({
      enabled: false,
      transport: {
        args: ["${env:X} 12345"],
        env: { A: { literal: "${vault:other} ${env:PORT}" }, B: { literal: "12345" } },
      },
    });
  });

  test("that cannot be followed are problems", () => {
    expect(
      problems(`servers:
  a:
    url: "https://x/\${vault:x}"
    headers:
      A: "Bearer \${vault:x}"
      B: "\${env:NOPE}"
      C: "\${file:x}"
      D: "\${vault:../x}"
      E: "\${env:x"
      F: "\${env:__proto__}"
      G: "\${env:toString}"
`),
    ).toEqual([
      "3 servers.a.url: a vault reference cannot stand here, only in env, headers and auth of a server, in env, secret and kubernetes.token of a hook, in env of an agent, and as the secret of a webhook",
      "5 servers.a.headers.A: a vault reference must be the whole value; put the whole value into the vault",
      "6 servers.a.headers.B: the environment variable NOPE is not set",
      "7 servers.a.headers.C: ${file:x} is not a reference; there are ${env:NAME} and ${vault:name}",
      '8 servers.a.headers.D: "../x" is not a name in the vault',
      "9 servers.a.headers.E: a reference is not closed: ${…}",
      "10 servers.a.headers.F: the environment variable __proto__ is not set",
      "11 servers.a.headers.G: the environment variable toString is not set",
    ]);
  });

  test("and secrets never show their values in a problem", () => {
    const canary = "canary-5a1f";
    const all = [
      ...problems("servers: {a: {command: x, env: {TOKEN: 424242}}}"),
      ...problems("servers: {a: {url: '${env:C}'}}", { C: canary }),
      ...problems("listen: {port: '${env:C}'}", { C: canary }),
      ...problems("log: {level: '${env:C}'}", { C: canary }),
      ...problems(`servers: {a: {url: "https://x", headers: {A: "${canary}\\n"}}}`),
      ...problems(`servers: {a: {command: x, env: {A: ["${canary}"]}}}`),
    ];
    expect(all).toHaveLength(6);
    expect(all.join("\n")).not.toMatch(/canary|424242/);
  });
});

describe("a hostile file", () => {
  test.each<[string, string, string]>([
    [
      "anchors and aliases",
      "data: &a {directory: x}\nlog: *a\n",
      "2 log: aliases are not accepted; write the value out",
    ],
    ["a key twice", "log: {}\nlog: {}\n", "2 log: stands twice"],
    [
      "__proto__",
      "log:\n  __proto__: {level: debug}\n",
      '2 log.__proto__: the key "__proto__" is not accepted',
    ],
    ["a number as key", "servers:\n  1: {command: x}\n", "2 servers: a key must be text; put it in quotes"],
    ["a list as key", "? [a]\n: b\n", "1 : a key must be text; put it in quotes"],
    ["a tag", "log: !!js/function x\n", "1 : Unresolved tag: tag:yaml.org,2002:js/function"],
    [
      "two documents",
      "log: {}\n---\nlog: {}\n",
      "2 : Source contains multiple documents; please use YAML.parseAllDocuments()",
    ],
    ["a list", "- a\n", "1 : a list is not a group of settings"],
    ["text", "hello", '1 : "hello" is not a group of settings'],
    [
      "17 levels",
      `a: ${"[".repeat(17)}${"]".repeat(17)}`,
      "1 a[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: nested deeper than 16",
    ],
  ])("with %s is refused with its line", (_, text, problem) => {
    expect(problems(text)[0]).toBe(problem);
  });

  test.each<[string, string]>([
    [
      "a billion laughs",
      `a: &a [x,x]\n${"bcdefghij".replace(/./g, (c, i: number) => `${c}: &${c} [*${"abcdefghij"[i]},*${"abcdefghij"[i]}]\n`)}`,
    ],
    ["100,000 brackets", "[".repeat(100_000)],
    ["100,000 braces", "{a: ".repeat(100_000)],
    ["deep blocks", Array.from({ length: 1_400 }, (_, i) => `${" ".repeat(i)}a:`).join("\n")],
    ["deep lists", "- ".repeat(50_000)],
    ["two megabytes", "x".repeat(2_000_000)],
    ["many problems", Array.from({ length: 20_000 }, (_, i) => `k${i}: 1`).join("\n")],
    ["an unclosed quote", `log: "${"x".repeat(100_000)}`],
    ["control characters", "log: \u0000\u0001"],
    ["a long key", `${"k".repeat(2_000)}: 1`],
  ])("of %s is refused in little time", (_, text) => {
    expect(problems(text).length).toBeGreaterThan(0); // before the test's own deadline
  });

  test("of any text is either accepted or refused, never thrown on", () => {
    const word = fc.constantFrom(
      "servers",
      "listen",
      ":",
      "\n",
      "  ",
      "- ",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "!!",
      "'",
      '"',
      "|",
      ">",
      "?",
      "a",
      "${env:X}",
      "#",
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 60 }), (words) => {
        read(words.join(""));
      }),
    );
  });
});

describe("the nearest name", () => {
  const names = ["listen", "limits", "log", "servers", "allowedHosts", "bodyBytesMax"];
  test.each([
    ["lisetn", "listen"],
    ["allowed-hosts", "allowedHosts"],
    ["BODYBYTESMAX", "bodyBytesMax"],
    ["server", "servers"],
    ["lgo", "log"],
    ["zebra", null],
    ["", null],
    ["x".repeat(100_000), null],
  ])("of %s is %s", (name, nearest) => {
    expect(nearestName(name, names)).toBe(nearest);
  });
});

describe("development defaults", () => {
  test("are each named for production", () => {
    const found = developmentDefaults(
      accepted(`
listen: { host: 0.0.0.0, allowedOrigins: ["*"] }
servers:
  a: { command: x, env: { API_KEY: abc, LEVEL: info } }
  b: { url: "http://far.example/mcp", headers: { X-A: b } }
`),
    );
    expect(found.map((sentence) => sentence.split(":")[0])).toEqual([
      "keys.file",
      "data.directory",
      "policies.files",
      "listen.allowedHosts",
      "listen.allowedOrigins",
      "servers.a.env.API_KEY",
      "servers.b.url",
    ]);
    expect(found.join(" ")).not.toContain("abc");
  });

  test("are gone when everything is said", () => {
    expect(developmentDefaults(accepted(whole, { LEVEL: "3" }))).toEqual([]);
    expect(
      developmentDefaults(accepted("data: {directory: d}\nkeys: {file: d/kek}\npolicies: {files: [a]}")),
    ).toEqual(["keys.file: lies inside data.directory, so a copy of the data includes its key"]);
  });
});
