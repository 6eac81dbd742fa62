import type { Command } from "commander";
import type { Client } from "../client.ts";
import { api } from "../client.ts";
import { apiVerb, collect, durationOf, limitOf, limitOption, noun, oneOf, run } from "../session.ts";
import type { Field, ReceiptReference } from "../show.ts";
import { done, instantText, listed, shown } from "../show.ts";
import type { Answer, Terminal } from "../terminal.ts";

/** As `/agents`, `/people` and `/services` answer. */
interface Principal {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly enabled: boolean;
  readonly createdAt: string;
}

interface Key {
  readonly id: string;
  readonly label: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
}

interface Done {
  readonly principal: Principal;
  readonly receipt: ReceiptReference;
}

interface Kind {
  readonly plural: "agents" | "people" | "services";
  readonly one: string;
  readonly summary: string;
  readonly name: string;
}

const kinds: readonly Kind[] = [
  { plural: "agents", one: "agent", summary: "Who calls tools", name: "invoicer" },
  { plural: "people", one: "person", summary: "Who administers and approves", name: "alice" },
  { plural: "services", one: "service", summary: "Machines that are no agents", name: "ci" },
];

/** The same verbs for each kind. */
export function principalCommands(program: Command, terminal: Terminal): void {
  for (const kind of kinds) principalCommand(program, terminal, kind);
}

function principalCommand(
  program: Command,
  terminal: Terminal,
  { plural, one, summary, name: example }: Kind,
): void {
  const group = noun(program, plural, summary);
  const path = `/${plural}`;
  const of = (name: string): string => path + api`/${name}`;
  const line = (rest: string): string => `signalbox ${plural} ${rest}`;

  apiVerb(group, {
    usage: "create <name>",
    summary: `Create ${article(one)}`,
    example: line(`create ${example} --role clerk`),
  })
    .option("--role <role>", "a role, as policies name it; repeatable", collect)
    .action(
      run(terminal, async (session, name: string, options: { role?: readonly string[] }) => {
        const answer = await session.api().post<Done>(path, { name, roles: options.role ?? [] });
        session.print(
          done(
            answer,
            `Created the ${one} ${name}. \`${line(`token ${name}`)}\` gives it a token.`,
            fields(answer.principal),
          ),
        );
      }),
    );

  apiVerb(group, { usage: "ls", summary: `List the ${plural}`, example: line("ls") })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const found = await session.api().list<Principal>(path, limitOf(options.limit));
        session.print(listed(found, columns, `There are no ${plural} yet: \`${line("create")}\`.`));
      }),
    );

  apiVerb(group, {
    usage: "show <name>",
    summary: `Show ${article(one)}`,
    example: line(`show ${example}`),
  }).action(
    run(terminal, async (session, name: string) => {
      const found = await session.api().get<Principal>(of(name));
      session.print(shown(found, fields(found)));
    }),
  );

  apiVerb(group, {
    usage: "token <name>",
    summary: `Issue a short-lived token for ${article(one)}`,
    notes: "It is shown this once. For something that lasts, make a key.",
    example: line(`token ${example} --ttl 8h`),
  })
    .option("--ttl <duration>", "how long it works (identity.tokenTtl, 1h; at most 24h)")
    .option(
      "--scope <scope>",
      "limit it to mcp:read, mcp:call or admin; repeatable (what policy allows)",
      collect,
    )
    .action(
      run(terminal, async (session, name: string, options: { ttl?: string; scope?: readonly string[] }) => {
        const { ttl, scope } = options;
        const body = {
          ...(ttl === undefined ? {} : { ttlMs: durationOf("--ttl", ttl, "24h") }),
          ...(scope === undefined
            ? {}
            : { scopes: scope.map((each) => oneOf("--scope", each, ["mcp:read", "mcp:call", "admin"])) }),
        };
        const answer = await session
          .api()
          .post<{ token: string; expiresAt: string; receipt: ReceiptReference }>(`${of(name)}/tokens`, body);
        session.print(
          secretAnswer(answer, answer.token, `works until ${instantText(answer.expiresAt) ?? ""}`),
        );
      }),
    );

  apiVerb(group, {
    usage: "revoke <name>",
    summary: `End all tokens of ${article(one)}, at once`,
    example: line(`revoke ${example} --keys`),
  })
    .option("--keys", "delete its API keys as well")
    .action(
      run(terminal, async (session, name: string, options: { keys?: boolean }) => {
        const answer = await session.api().delete<Done>(`${of(name)}/tokens`, { keys: options.keys });
        session.print(
          done(
            answer,
            `All tokens of ${name} have ended${options.keys === true ? ", and its keys are deleted" : "; its keys still work"}.`,
          ),
        );
      }),
    );

  for (const [verb, isNow] of [
    ["disable", "is disabled, and its tokens have ended"],
    ["enable", "is enabled"],
  ] as const) {
    const what =
      verb === "disable"
        ? `Disable ${article(one)} and end all of its tokens; its keys rest`
        : `Enable ${article(one)} again`;
    apiVerb(group, { usage: `${verb} <name>`, summary: what, example: line(`${verb} ${example}`) }).action(
      run(terminal, async (session, name: string) => {
        const answer = await session.api().post<Done>(`${of(name)}/${verb}`);
        session.print(done(answer, `${name} ${isNow}.`));
      }),
    );
  }

  apiVerb(group, {
    usage: "roles <name> [roles...]",
    summary: `Set the roles of ${article(one)}; without roles it has none`,
    example: line(`roles ${example} clerk reader`),
  }).action(
    run(terminal, async (session, name: string, roles: readonly string[]) => {
      const answer = await session.api().put<Done>(`${of(name)}/roles`, { roles });
      session.print(
        done(
          answer,
          `${name} has ${answer.principal.roles.length === 0 ? "no roles" : `the roles ${answer.principal.roles.join(", ")}`}.`,
        ),
      );
    }),
  );

  keysCommand(group, terminal, { one, of, line, example });
}

function keysCommand(
  group: Command,
  terminal: Terminal,
  {
    one,
    of,
    line,
    example,
  }: { one: string; of: (name: string) => string; line: (rest: string) => string; example: string },
): void {
  const keys = noun(group, "keys", `Long-lived API keys of ${article(one)}`);

  apiVerb(keys, {
    usage: "ls <name>",
    summary: "List its keys, without the keys themselves",
    example: line(`keys ls ${example}`),
  }).action(
    run(terminal, async (session, name: string) => {
      const { items } = await session.api().get<{ items: readonly Key[] }>(`${of(name)}/keys`);
      session.print(listed({ items, next: null }, keyColumns, "It has no keys."));
    }),
  );

  apiVerb(keys, {
    usage: "create <name>",
    summary: "Issue a key",
    notes: "It is shown this once and kept nowhere.",
    example: line(`keys create ${example} --label "build machine" --ttl 90d`),
  })
    .requiredOption("--label <label>", "where the key is used, for those who revoke it")
    .option("--ttl <duration>", "how long it works (until it is revoked; at most 3660d)")
    .action(
      run(terminal, async (session, name: string, options: { label: string; ttl?: string }) => {
        const ttlMs = options.ttl === undefined ? null : durationOf("--ttl", options.ttl, "3660d");
        const answer = await session
          .api()
          .post<{ key: Key; secret: string; receipt: ReceiptReference }>(`${of(name)}/keys`, {
            label: options.label,
            ttlMs,
          });
        const until = instantText(answer.key.expiresAt);
        session.print(
          secretAnswer(
            answer,
            answer.secret,
            until === null ? "works until it is revoked" : `works until ${until}`,
          ),
        );
      }),
    );

  apiVerb(keys, {
    usage: "revoke <name> <key>",
    summary: "Revoke a key, at once",
    example: line(`keys revoke ${example} key_01jd…`),
  }).action(
    run(terminal, async (session, name: string, key: string) => {
      const answer = await revoke(session.api(), of(name), key);
      session.print(done(answer, `The key ${key} does not work any more.`));
    }),
  );
}

const revoke = (
  client: Client,
  owner: string,
  key: string,
): Promise<{ readonly receipt: ReceiptReference }> => client.delete(owner + api`/keys/${key}`);

/** The secret stands alone on its line, so that it can be copied, and is said to be shown once. */
export const secretAnswer = (
  json: { readonly receipt: ReceiptReference },
  secret: string,
  until: string,
): Answer => ({
  json,
  human: ({ paint }) =>
    [secret, paint("dim", `Shown this once; ${until}. On record: ${json.receipt.entry}`)].join("\n"),
});

const columns = [
  { title: "name", of: (each: Principal) => each.name, keep: true },
  {
    title: "state",
    of: (each: Principal) => (each.enabled ? "enabled" : "disabled"),
    colour: (each: Principal) => (each.enabled ? ("green" as const) : ("dim" as const)),
  },
  { title: "roles", of: (each: Principal) => each.roles.join(", ") },
  { title: "created", of: (each: Principal) => instantText(each.createdAt) },
  { title: "id", of: (each: Principal) => each.id },
];

const fields = (each: Principal): readonly Field[] => [
  ["name", each.name, "bold"],
  ["id", each.id],
  ["state", each.enabled ? "enabled" : "disabled", each.enabled ? "green" : "dim"],
  ["roles", each.roles.length === 0 ? "none" : each.roles.join(", ")],
  ["created", instantText(each.createdAt)],
];

const keyColumns = [
  { title: "id", of: (key: Key) => key.id, keep: true },
  { title: "label", of: (key: Key) => key.label },
  { title: "created", of: (key: Key) => instantText(key.createdAt) },
  { title: "expires", of: (key: Key) => instantText(key.expiresAt) ?? "never" },
];

const article = (noun: string): string => (/^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`);
