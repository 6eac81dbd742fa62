import type { Command } from "commander";
import { readSecret } from "../ask.ts";
import { api } from "../client.ts";
import { apiVerb, limitOf, limitOption, noun, run } from "../session.ts";
import type { ReceiptReference } from "../show.ts";
import { done, instantText, listed } from "../show.ts";
import type { Terminal } from "../terminal.ts";

interface Secret {
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
}

interface Done {
  readonly secret: Secret;
  readonly receipt: ReceiptReference;
}

export function vaultCommand(program: Command, terminal: Terminal): void {
  const vault = noun(program, "vault", "Secrets that servers use and agents never see");

  apiVerb(vault, {
    usage: "ls",
    summary: "List the secrets by name; a value is never shown",
    example: "signalbox vault ls",
  })
    .addOption(limitOption())
    .action(
      run(terminal, async (session, options: { limit: string }) => {
        const found = await session.api().list<Secret>("/vault", limitOf(options.limit));
        session.print(listed(found, columns, "The vault is empty: `signalbox vault put`."));
      }),
    );

  apiVerb(vault, {
    usage: "put <name>",
    summary: "Put a secret into the vault, or a new value of one",
    notes:
      "The value is read from standard input, or asked for without echo; it never stands in the arguments. One line feed at its end is left out.",
    example: "pass show github | signalbox vault put github.token",
  }).action(
    run(terminal, async (session, name: string) => {
      const client = session.api(); // before anybody types a secret for nothing
      const value = await readSecret(terminal, `Value of ${name}`);
      const answer = await client.put<Done>(api`/vault/${name}`, { value });
      session.print(
        done(
          answer,
          `The vault holds ${name} in version ${answer.secret.version}. Servers name it as \${vault:${name}}.`,
        ),
      );
    }),
  );

  apiVerb(vault, {
    usage: "rm <name>",
    summary: "Remove a secret",
    example: "signalbox vault rm github.token",
  }).action(
    run(terminal, async (session, name: string) => {
      const answer = await session.api().delete<Done>(api`/vault/${name}`);
      session.print(done(answer, `Removed ${name} from the vault.`));
    }),
  );
}

const columns = [
  { title: "name", of: (secret: Secret) => secret.name, keep: true },
  { title: "version", of: (secret: Secret) => secret.version, align: "right" as const },
  { title: "changed", of: (secret: Secret) => instantText(secret.updatedAt) },
];
